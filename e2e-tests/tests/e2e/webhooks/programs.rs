//! The receivers of docs/webhooks.md, as they stand there.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Group, Log, Network, Node, Port, Process, other_languages, until};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{PATIENCE, PRIVATE, SECRET, create, until_listed};

const DOCUMENT: &str = include_str!("../../../../docs/webhooks.md");

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_the_documentation_verify_signatures() -> Result<()> {
    let network = Network::start_for(1).await?;
    let alice = network.node_with("alice", PRIVATE).await?;
    let python = other_languages::python(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
    for (language, program) in [("python", python.as_path()), ("javascript", Path::new("node"))] {
        verifies(&network, &alice, language, program).await?;
    }
    network.stop().await
}

async fn verifies(network: &Network, alice: &Node, language: &str, program: &Path) -> Result<()> {
    let (script, secret) = (network.dir().join(language), network.dir().join("secret"));
    fs::write(&script, block(language)?)?;
    fs::write(&secret, SECRET)?;
    let (port, log) = (Port::claim()?, Log::new(network.dir().join(format!("{language}.log"))));
    let mut command = Command::new(program);
    command.arg(&script).arg(&secret).arg(port.number().to_string());
    let mut receiver = Process::spawn(language, command, &log, Group::Shared)?;
    until("it listens", PATIENCE, async || {
        receiver.ensure_running().with_context(|| log.text())?;
        TcpStream::connect(port.address()).await?;
        Ok(())
    })
    .await?;

    let url = format!("http://{}/", port.address());
    let secret_file = secret.to_str().context("no path")?;
    let id = create(alice, &[&url, "--secret-file", secret_file]).await?;
    let tested = alice.cli(&["test-webhook", &id]).await?;
    ensure!(tested["delivered"] == true && tested["status"] == 204, "{tested}");
    let printed = other_languages::printed(&mut receiver, &log, 0).await?;
    ensure!(printed["event"]["event_index"] == 0, "{printed}");
    ensure!(printed["id"].as_str().is_some_and(|id| id.starts_with("msg_")), "{printed}");

    // With another secret it is refused.
    alice.cli(&["update-webhook", &id, "--new-secret"]).await?;
    let tested = alice.cli(&["test-webhook", &id]).await?;
    ensure!(tested["delivered"] == false && tested["status"] == 400, "{tested}");
    let nothing = |webhook: &Value| webhook["last_attempt_at"].is_null();
    until_listed(alice, &id, "a test is no attempt", nothing).await?;
    alice.cli(&["delete-webhook", &id]).await?;
    receiver.kill().await
}

/// The program in this language.
fn block(language: &str) -> Result<&'static str> {
    let (_, rest) = DOCUMENT.split_once(&format!("```{language}\n")).context("no program")?;
    Ok(rest.split_once("```").context("no end")?.0)
}
