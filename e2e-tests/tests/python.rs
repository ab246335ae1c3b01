//! A client in Python, generated from the protocol definitions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{install_once, prints_node_and_event, run};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_generated_client_calls_and_follows_events() -> Result<()> {
    let stubs = tempfile::tempdir()?;
    let python = python_with_grpc().await?;
    generate_stubs(&python, stubs.path()).await?;
    let mut client = Command::new(python);
    client.env("PYTHONPATH", stubs.path()).arg(directory().join("client.py"));
    prints_node_and_event("client.py", client).await
}

async fn generate_stubs(python: &Path, into: &Path) -> Result<()> {
    let protos = directory().join("../../ldk-server-grpc/src/proto");
    let mut protoc = Command::new(python);
    protoc
        .current_dir(&protos)
        .args(["-m", "grpc_tools.protoc", "--proto_path=."])
        .arg(format!("--python_out={}", into.display()))
        .arg(format!("--grpc_python_out={}", into.display()))
        .args(["api.proto", "events.proto", "types.proto", "error.proto"]);
    run(protoc, PATIENCE).await?.success().map(drop)
}

/// A Python that has the packages of requirements.txt: made once, and again when that file changes.
async fn python_with_grpc() -> Result<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = environment.join("bin/python");
    let requirements = directory().join("requirements.txt");
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(&environment);
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements);
    install_once(&environment, &[&requirements], vec![create, install]).await?;
    ensure!(python.exists(), "there is no {}", python.display());
    Ok(python)
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}
