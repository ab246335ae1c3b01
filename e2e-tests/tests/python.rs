//! A client in another language, generated from the protocol definitions.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Group, Log, Network, Node, Process, run, until};
use ldk_server_grpc::places;
use serde_json::Value;
use tokio::process::Command;

const SETUP_PATIENCE: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(30);
const AMOUNT_MSAT: u64 = 25_000_000;

#[tokio::test]
async fn a_generated_client_calls_and_follows_events() -> Result<()> {
    let stubs = tempfile::tempdir()?;
    let python = python_with_grpc().await?;
    generate_stubs(&python, stubs.path()).await?;

    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    let log = Log::new(network.dir().join("python.log"));
    let mut client =
        Process::spawn("client.py", client(&python, stubs.path(), &bob), &log, Group::Shared)?;

    let info = printed(&mut client, &log, 0).await?;
    assert_eq!(info["nodeId"], bob.id());
    assert_eq!(info["nodeAlias"], "bob");

    let payment_id = alice.pays(&bob, AMOUNT_MSAT).await?;
    let event = printed(&mut client, &log, 1).await?;
    let payment = &event["paymentReceived"]["payment"];
    assert_eq!(payment["id"], payment_id.as_str(), "{event}");
    assert_eq!(payment["status"], "SUCCEEDED", "{event}");
    network.stop().await
}

fn client(python: &Path, stubs: &Path, node: &Node) -> Command {
    let config = node.config();
    let mut command = Command::new(python);
    command
        .env("PYTHONPATH", stubs)
        .arg(directory().join("client.py"))
        .arg(config.grpc.address())
        .arg(places::tls_cert_file(&config.storage_dir))
        .arg(places::api_key_file(&config.storage_dir, "regtest"));
    command
}

/// The line with this index of what the client prints.
async fn printed(client: &mut Process, log: &Log, index: usize) -> Result<Value> {
    until(&format!("line {index} of client.py"), PATIENCE, async || {
        let text = log.text();
        // The last line is whole only when the client went on to the next or has ended.
        let line = text.split_inclusive('\n').nth(index).filter(|line| line.ends_with('\n'));
        if line.is_none() {
            client.ensure_running().with_context(|| text.clone())?;
        }
        let line = line.with_context(|| format!("it printed {text:?}"))?;
        serde_json::from_str(line).with_context(|| text.clone())
    })
    .await
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
    let installed = environment.join("installed.txt");
    fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))?;
    let lock = File::create(environment.with_extension("lock"))?;
    lock.lock()?;
    if fs::read(&installed).ok() != Some(fs::read(&requirements)?) {
        let mut create = Command::new("python3");
        create.args(["-m", "venv", "--clear"]).arg(&environment);
        run(create, SETUP_PATIENCE).await?.success()?;
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements);
        run(install, SETUP_PATIENCE).await?.success()?;
        fs::copy(&requirements, &installed)?;
    }
    ensure!(python.exists(), "there is no {}", python.display());
    Ok(python)
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}
