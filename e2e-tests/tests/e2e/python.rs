//! A client in another language, generated from the protocol definitions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Group, Log, Network, Node, Process, other_languages, until};
use ldk_server_grpc::places;
use ldk_server_grpc::types::PaymentStatus;
use serde_json::json;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(30);
const FUNDS_SATS: u64 = 2_000_000;
const CHANNEL_SATS: u64 = 1_000_000;
/// What client.py pays.
const AMOUNT_MSAT: u64 = 25_000_000;
/// Accepts signatures of whole requests only.
const STRICT: &str = "[auth]\naccept_timestamp_only = false\naccept_body_bound = false\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_client_calls_and_follows_events() -> Result<()> {
    let stubs = tempfile::tempdir()?;
    let python = other_languages::python(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
    other_languages::python_stubs(&python, stubs.path()).await?;

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
        let line =
            other_languages::printed(&mut client, &log, lines.next().unwrap_or_default()).await?;
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

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}
