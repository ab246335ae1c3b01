//! A client in another language, generated from the protocol definitions.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Group, Log, Network, Node, Process, run, until};
use ldk_server_grpc::places;
use ldk_server_grpc::types::PaymentStatus;
use serde_json::{Value, json};
use tokio::process::Command;

const SETUP_PATIENCE: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(30);
const FUNDS_SATS: u64 = 2_000_000;
const CHANNEL_SATS: u64 = 1_000_000;
/// What client.py pays.
const AMOUNT_MSAT: u64 = 25_000_000;
/// Accepts signatures of whole requests only.
const STRICT: &str = "[auth]\naccept_timestamp_only = false\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_client_calls_and_follows_events() -> Result<()> {
    let stubs = tempfile::tempdir()?;
    let python = python_with_grpc().await?;
    generate_stubs(&python, stubs.path()).await?;

    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node_with("bob", STRICT))?;
    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    let balances = alice.balances().await?;
    let channel_id = alice.usable_channel(&bob).await?.user_channel_id;

    let log = Log::new(network.dir().join("python.log"));
    let client = client(&python, stubs.path(), &alice, &bob);
    let mut client = Process::spawn("client.py", client, &log, Group::Shared)?;
    let mut lines = 0..;
    let mut next = async |name: &str| {
        let line = printed(&mut client, &log, lines.next().unwrap_or_default()).await?;
        line.get(name).cloned().with_context(|| format!("{line} is not what {name} answers"))
    };

    for node in [&alice, &bob] {
        let info = next("GetNodeInfo").await?;
        assert_eq!(
            (&info["nodeId"], &info["nodeAlias"]),
            (&node.id().into(), &node.alias().into())
        );
    }
    for _ in ["the older form", "another key"] {
        assert_eq!(next("GetNodeInfo").await?["code"], "UNAUTHENTICATED");
    }
    let spendable = balances.spendable_onchain_balance_sats.to_string();
    assert_eq!(next("GetBalances").await?["spendableOnchainBalanceSats"], spendable);
    let peers = next("ListPeers").await?;
    assert_eq!(peers["peers"][0]["nodeId"], bob.id());
    assert_eq!(peers["peers"][0]["address"], bob.address());

    let sent = next("OnchainSend").await?;
    let txid = sent["txid"].as_str().context("no txid")?.to_owned();
    until("the transaction is broadcast", PATIENCE, async || {
        let mempool = network.bitcoind().mempool().await?;
        ensure!(mempool.contains(&txid), "{mempool:?}");
        Ok(())
    })
    .await?;

    let event = next("SubscribeEvents").await?;
    let received = &event["paymentReceived"]["payment"];
    let details = next("GetPaymentDetails").await?;
    let payment = bob.settled(received["id"].as_str().context("no id")?).await?;
    assert_eq!(payment.amount_msat, Some(AMOUNT_MSAT));
    assert_eq!(payment.status(), PaymentStatus::Succeeded);
    assert_eq!(details["payment"]["id"], received["id"]);
    assert_eq!(details["payment"]["amountMsat"], AMOUNT_MSAT.to_string());

    let refusal = next("CloseChannel").await?;
    assert_eq!(refusal["code"], "INVALID_ARGUMENT");
    assert_eq!(refusal["message"], "user_channel_id: there is no channel 42");
    let channels = next("ListChannels").await?;
    assert_eq!(channels["channels"][0]["userChannelId"], channel_id.as_str());
    assert_eq!(next("CloseChannel").await?, json!({}));
    assert!(client.ended().await?.success());
    for node in [&alice, &bob] {
        until("the channel is closed", PATIENCE, async || {
            let channels = node.channels().await?;
            ensure!(channels.is_empty(), "{channels:?}");
            Ok(())
        })
        .await?;
    }
    network.stop().await
}

fn client(python: &Path, stubs: &Path, alice: &Node, bob: &Node) -> Command {
    let mut command = Command::new(python);
    command.env("PYTHONPATH", stubs).arg(directory().join("client.py"));
    for node in [alice, bob] {
        let config = node.config();
        command
            .arg(config.grpc.address())
            .arg(places::tls_cert_file(&config.storage_dir))
            .arg(places::api_key_file(&config.storage_dir, "regtest"));
    }
    command.arg(bob.address());
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
