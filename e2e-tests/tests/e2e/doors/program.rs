//! The walk-through of Core Lightning's gRPC tutorial, with this node and its protocol definitions.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, other_languages, run};
use ldk_server_grpc::places;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(30);

/// As docs/configuration.md has it.
const CUSTOM_CERTIFICATE: [&str; 4] = [
    "openssl genrsa -out server-key.pem 2048",
    "openssl req -key server-key.pem -new -subj /CN=node.example.org -out server.csr",
    "echo subjectAltName=DNS:cln,DNS:localhost,IP:127.0.0.1,DNS:node.example.org > names.txt",
    "openssl x509 -req -CA ca.pem -CAkey ca-key.pem -CAcreateserial -in server.csr -days 365 \
     -extfile names.txt -out server.pem",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_program_for_core_lightning_connects_with_its_certificate() -> Result<()> {
    let project = tempfile::tempdir()?;
    let python = other_languages::python(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
    other_languages::python_stubs(&python, project.path()).await?;

    let network = Network::start().await?;
    let alice = network.node_with("alice", "[tls]\nclient_auth = \"required\"\n").await?;
    let files = places::authority_files(&alice.config().storage_dir, "regtest");
    for file in [&files.ca_cert, &files.client_cert, &files.client_key] {
        fs::copy(file, project.path().join(file.file_name().context("no name")?))?;
    }
    let before = fs::read(&files.server_cert)?;
    let id = format!("node_id: \"{}\"", alice.id());
    let printed = program(&python, project.path(), &alice).await?;
    ensure!(printed.contains(&id), "{printed}");

    // The optional part: a certificate with another name, issued by hand.
    let dir = files.ca_cert.parent().context("no directory")?;
    for step in CUSTOM_CERTIFICATE {
        let mut shell = Command::new("sh");
        shell.current_dir(dir).args(["-c", step]);
        run(shell, PATIENCE).await?.success()?;
    }
    ensure!(fs::read(&files.server_cert)? != before);
    alice.stop().await?;
    alice.start_again().await?;
    let printed = program(&python, project.path(), &alice).await?;
    ensure!(printed.contains(&id), "{printed}");
    network.stop().await
}

async fn program(python: &Path, project: &Path, node: &Node) -> Result<String> {
    let address = node.config().grpc.address();
    let (_, port) = address.rsplit_once(':').context("no port")?;
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/mutual_tls.py");
    let mut command = Command::new(python);
    command.current_dir(project).env("PYTHONPATH", project).arg(program).arg(port);
    run(command, PATIENCE).await?.success()
}
