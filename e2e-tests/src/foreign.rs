//! Clients in other languages.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ldk_server_grpc::places;
use serde_json::Value;
use tokio::process::Command;

use crate::finished::run;
use crate::network::Network;
use crate::node::Node;
use crate::process::{Group, Log, Process};
use crate::wait::until;

const INSTALL_PATIENCE: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(30);
const AMOUNT_MSAT: u64 = 25_000_000;

/// Runs these commands, unless they were run for just these files. They make what is to be in
/// `dir`, which several tests and test runs share.
pub async fn install_once(dir: &Path, files: &[&Path], commands: Vec<Command>) -> Result<()> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    let lock = File::create(dir.with_extension("lock"))?;
    lock.lock()?;
    let mut wanted = Vec::new();
    for file in files {
        wanted.extend(fs::read(file).with_context(|| file.display().to_string())?);
    }
    let installed = dir.join("installed.txt");
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        for command in commands {
            run(command, INSTALL_PATIENCE).await?.success()?;
        }
        fs::write(&installed, wanted)?;
    }
    Ok(())
}

/// Checks a client that prints who the node is, and then its first event, each as a JSON object in
/// a line of its own. It is told the address of the node, and where its certificate and its API key
/// are.
pub async fn prints_node_and_event(name: &str, client: Command) -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    let log = Log::new(network.dir().join(name));
    let mut client = Process::spawn(name, told_of(client, &bob), &log, Group::Shared)?;

    let info = printed(&mut client, &log, 0).await?;
    ensure!(info["nodeId"] == bob.id() && info["nodeAlias"] == "bob", "{info}");

    let payment_id = alice.pays(&bob, AMOUNT_MSAT).await?;
    let event = printed(&mut client, &log, 1).await?;
    let payment = &event["paymentReceived"]["payment"];
    ensure!(payment["id"] == payment_id.as_str() && payment["status"] == "SUCCEEDED", "{event}");
    let status = client.ended().await?;
    ensure!(status.success(), "{name} ended with {status}\n{}", log.tail());
    network.stop().await
}

fn told_of(mut client: Command, node: &Node) -> Command {
    let config = node.config();
    client
        .arg(config.grpc.address())
        .arg(places::tls_cert_file(&config.storage_dir))
        .arg(places::api_key_file(&config.storage_dir, "regtest"));
    client
}

/// The object with this index of what the client prints. Warnings of its libraries are passed over.
async fn printed(client: &mut Process, log: &Log, index: usize) -> Result<Value> {
    until(&format!("object {index} of the client"), PATIENCE, async || {
        let text = log.text();
        // The last line is whole only when the client went on to the next or has ended.
        let mut lines = text.split_inclusive('\n').filter(|line| line.starts_with('{'));
        let line = lines.nth(index).filter(|line| line.ends_with('\n'));
        if line.is_none() {
            client.ensure_running().with_context(|| text.clone())?;
        }
        let line = line.with_context(|| format!("it printed {text:?}"))?;
        serde_json::from_str(line).with_context(|| text.clone())
    })
    .await
}
