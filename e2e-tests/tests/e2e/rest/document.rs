//! The commands of docs/rest.md and of the README, executed as they are written.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, playground, print_uncaptured, run, until};
use ldk_server_client::types::PaymentStatus;
use ldk_server_grpc::places;
use serde_json::Value;
use tokio::process::Command;

use crate::permissions::rune;

const PATIENCE: Duration = Duration::from_secs(60);
/// The part of docs/rest.md that goes from an empty node to a payment.
const STORY: &str = "From nothing to a payment";
/// What is typed where `cargo regtest` runs.
const REGTEST: &str = "regtest";
const SHELL: &str = "sh";

/// A block of code, and its language.
type Block = (String, String);

/// The blocks of code in the part of a document with this title, or in all other parts.
fn blocks(name: &str, title: &str, is_wanted: bool) -> Result<Vec<Block>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let text = std::fs::read_to_string(path)?;
    let parts = text.split("\n## ").filter(|part| part.starts_with(title) == is_wanted);
    let blocks = parts.flat_map(|part| part.split("\n```").skip(1).step_by(2));
    let divided = blocks.filter_map(|block| block.split_once('\n'));
    Ok(divided.map(|(language, body)| (language.to_owned(), body.to_owned())).collect())
}

/// A shell that stops at the first error.
fn bash(network: &Network, text: &str) -> Command {
    let mut bash = Command::new("bash");
    bash.current_dir(network.dir()).args(["-euo", "pipefail", "-c", text]);
    bash
}

/// Runs commands in a shell that knows what the document calls the node, its certificate and a rune.
async fn shell(network: &Network, node: &Node, text: &str) -> Result<String> {
    let config = node.config();
    let mut bash = bash(network, text);
    bash.env("NODE", format!("localhost:{}", config.grpc.number()));
    bash.env("CERT", places::tls_cert_file(&config.storage_dir));
    bash.env("RUNE", rune(node, &["--preset", "admin"]).await?);
    run(bash, PATIENCE).await?.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_document_works() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let mut commands = blocks("docs/rest.md", STORY, false)?;
    commands.retain(|(language, _)| language == SHELL);
    ensure!(commands.len() > 5, "{commands:?}");
    for (_, command) in &commands {
        let printed = shell(&network, &alice, command).await?;
        if command.contains("--output events") {
            let events = std::fs::read(network.dir().join("events"))?;
            // Nothing has happened, and the deadline has passed.
            let end = events.get(5..).context("no envelope")?;
            let end: Value = serde_json::from_slice(end)?;
            ensure!(events[0] == 2 && end["error"]["code"] == "deadline_exceeded", "{end}");
            continue;
        }
        let answer: Value = serde_json::from_str(&printed).with_context(|| printed.clone())?;
        ensure!(answer.is_object() && answer.get("code").is_none(), "{command}: {printed}");
    }
    print_uncaptured(&format!("{} commands of docs/rest.md were executed", commands.len()));
    network.stop().await
}

/// The nodes of `cargo regtest`, where the document says that they are.
struct Story<'a> {
    network: &'a Network,
    /// What the last commands printed.
    printed: String,
}

impl Story<'_> {
    async fn step(&mut self, (language, body): &Block) -> Result<()> {
        match &**language {
            SHELL => self.printed = self.run(body).await?,
            REGTEST => self.mine(body).await?,
            other => anyhow::bail!("a block of {other:?}: nobody knows how to execute it"),
        }
        Ok(())
    }

    /// Runs commands in a shell, which has the functions of the one before it.
    async fn run(&self, text: &str) -> Result<String> {
        let here = self.network.dir().display().to_string();
        let cli = self.network.tools().ldk_server_cli.display().to_string();
        let text = text.replace("/tmp/play", &here).replace("target/debug/ldk-server-cli", &cli);
        let script =
            format!("[[ ! -e functions ]] || . ./functions\n{text}\ndeclare -f > functions");
        run(bash(self.network, &script), PATIENCE).await?.success()
    }

    /// Mines when the transaction that the reader has seen to is with bitcoind.
    async fn mine(&self, text: &str) -> Result<()> {
        let number = text.trim().strip_prefix("mine ").context("only mining is known")?;
        until("there is a transaction to confirm", PATIENCE, async || {
            ensure!(!self.network.bitcoind().mempool().await?.is_empty(), "the mempool is empty");
            Ok(())
        })
        .await?;
        self.network.mine(number.parse()?).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_node_pays_an_invoice_with_curl_alone() -> Result<()> {
    let network = Network::start_for(3).await?;
    let [_, _, carol] = playground::set_up(&network).await?;
    let balances = carol.balances().await?;
    ensure!(balances.total_onchain_balance_sats + balances.total_lightning_balance_sats == 0);
    let steps = blocks("docs/rest.md", STORY, true)?;
    ensure!(steps.len() > 4, "{steps:?}");
    let mut story = Story { network: &network, printed: String::new() };
    for step in &steps {
        story.step(step).await.with_context(|| step.1.clone())?;
    }
    let last = values(&story.printed)?.pop().context("nothing was printed")?;
    ensure!(last["payment"]["status"] == "SUCCEEDED", "{last}");
    ensure!(last["payment"]["amount_msat"] == 50_000, "{last}");
    let id = last["payment"]["id"].as_str().context("no id")?;
    ensure!(carol.payment(id).await?.status() == PaymentStatus::Succeeded, "{last}");
    print_uncaptured(&format!("{} steps from nothing to a payment", steps.len()));
    network.stop().await
}

/// The JSON values that stand in this text one after the other.
fn values(text: &str) -> Result<Vec<Value>> {
    let values = serde_json::Deserializer::from_str(text).into_iter();
    values.collect::<Result<_, _>>().with_context(|| text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_work() -> Result<()> {
    let network = Network::start().await?;
    let [alice, _] = network.funded_pair(1_000_000).await?;
    let blocks = blocks("README.md", "What works", true)?;
    let curl = blocks.iter().find(|(_, body)| body.contains("curl"));
    let (_, text) = curl.context("the README has no curl")?;
    let cli = network.tools().ldk_server_cli.display();
    let cli = format!("'{cli}' --config '{}'", alice.config_file().display());
    let cert = places::tls_cert_file(&alice.config().storage_dir);
    let address = format!("localhost:{}", alice.config().grpc.number());
    let text = text.replace("ldk-server-cli", &cli).replace("localhost:3536", &address);
    let text = text.replace("tls.crt", &cert.display().to_string());
    let printed = run(bash(&network, &text), PATIENCE).await?.success()?;
    let [info, payments] = &values(&printed)?[..] else { anyhow::bail!("{printed}") };
    ensure!(info["node_id"] == alice.id(), "{info}");
    // The opening of the channel, and the money that it was opened with.
    ensure!(payments["payments"].as_array().is_some_and(|all| all.len() == 2), "{payments}");
    network.stop().await
}
