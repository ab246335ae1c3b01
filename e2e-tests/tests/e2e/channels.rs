//! The life of a channel, told by the command-line client alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Group, Log, Network, Node, Process, until};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

const FUNDS_SATS: u64 = 3_000_000;
const CHANNEL_SATS: u64 = 1_000_000;
const PUSHED_SATS: u64 = 400_000;
const PAYMENT_SATS: u64 = 50_000;
/// More than all on-chain fees of a test together: there are a few transactions, at about 1 sat/vB.
const FEES_SATS: u64 = 10_000;
/// How long the side that force-closes waits for its money.
const TO_SELF_DELAY_BLOCKS: u32 = 144;
/// After so many blocks a transaction counts as final, and what it frees is swept.
const FINAL_BLOCKS: u32 = 6;

#[tokio::test]
async fn a_channel_is_opened_paid_through_and_closed_twice_over() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = funded_and_connected(&network).await?;
    let mut follower = Follower::start(&bob)?;

    open(&network, &alice, &bob).await?;
    pay(&bob, &alice).await?;
    follower.saw("channel_state_changed", "state", "CHANNEL_STATE_READY").await?;
    let payment_id = pay(&alice, &bob).await?;
    follower.saw("payment_received", "payment", &payment_id).await?;
    unknown_channels_are_refused(&alice, &bob).await?;
    close_cooperatively(&network, &alice, &bob).await?;
    follower.process.kill().await?;

    open(&network, &alice, &bob).await?;
    pay(&bob, &alice).await?;
    force_close(&network, &alice, &bob).await?;
    network.stop().await
}

async fn funded_and_connected(network: &Network) -> Result<(Arc<Node>, Arc<Node>)> {
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    let mut addresses = Vec::new();
    for node in [&alice, &bob] {
        addresses.push(text(&node.cli(&["onchain-receive"]).await?["address"])?);
    }
    network.bitcoind().send(&addresses, FUNDS_SATS).await?;
    network.mine(1).await?;
    for node in [&alice, &bob] {
        let has_money = async || {
            let spendable = balance(node, "spendable_onchain_balance_sats").await?;
            ensure!(spendable == FUNDS_SATS, "{} has {spendable} sat", node.alias());
            Ok(())
        };
        until("the money has arrived", PATIENCE, has_money).await?;
    }

    let uri = format!("{}@{}", bob.id(), bob.address());
    alice.cli(&["connect-peer", &uri, "--persist"]).await?;
    for (node, peer) in [(&alice, &bob), (&bob, &alice)] {
        let peers = node.cli(&["list-peers"]).await?;
        assert_eq!(peers["peers"][0]["node_id"], peer.id(), "{peers}");
        assert_eq!(peers["peers"][0]["is_connected"], true, "{peers}");
    }
    Ok((alice, bob))
}

async fn open(network: &Network, alice: &Node, bob: &Node) -> Result<()> {
    let (amount, pushed) = (format!("{CHANNEL_SATS}sat"), format!("{PUSHED_SATS}sat"));
    let address = bob.address();
    let options = ["--push-to-counterparty", &pushed];
    let opened =
        alice.cli(&[&["open-channel", bob.id(), &address, &amount], &options[..]].concat()).await?;
    network.confirm_funding(alice).await?;
    for node in [alice, bob] {
        until(&format!("{} can use the channel", node.alias()), PATIENCE, async || {
            let channels = node.cli(&["list-channels"]).await?;
            ensure!(channels["channels"][0]["is_usable"] == true, "{channels}");
            Ok(())
        })
        .await?;
    }
    let channel = only_channel(alice).await?;
    assert_eq!(channel["user_channel_id"], opened["user_channel_id"]);
    assert_eq!(channel["channel_value_sats"], CHANNEL_SATS);
    Ok(())
}

/// Pays, and returns the id of the payment when it has succeeded on both sides.
async fn pay(payer: &Node, payee: &Node) -> Result<String> {
    let amount = format!("{PAYMENT_SATS}sat");
    let invoice = payee.cli(&["bolt11-receive", &amount, "--description", "coffee"]).await?;
    let sent = payer.cli(&["bolt11-send", &text(&invoice["invoice"])?]).await?;
    let payment_id = text(&sent["payment_id"])?;
    for (node, direction) in [(payer, "OUTBOUND"), (payee, "INBOUND")] {
        let payment = until("the payment has succeeded", PATIENCE, async || {
            let payment = node.cli(&["get-payment-details", &payment_id]).await?["payment"].take();
            ensure!(payment["status"] == "SUCCEEDED", "{} has {payment}", node.alias());
            Ok(payment)
        })
        .await?;
        assert_eq!(payment["direction"], direction);
        assert_eq!(payment["amount_msat"], PAYMENT_SATS * 1_000);
    }
    Ok(payment_id)
}

/// The command `events`, which prints an object a line.
struct Follower {
    process: Process,
    log: Log,
}

impl Follower {
    fn start(node: &Node) -> Result<Self> {
        let log = Log::new(node.config().storage_dir.join("events.log"));
        let command = node.cli_command(&["events"]);
        let process = Process::spawn("the event follower", command, &log, Group::Shared)?;
        Ok(Self { process, log })
    }

    /// Waits until an event of this kind has been printed whose field is, or has the id, `value`.
    async fn saw(&self, kind: &str, field: &str, value: &str) -> Result<()> {
        until(&format!("{kind} is printed"), PATIENCE, async || {
            let printed = self.log.text();
            let seen = printed.lines().any(|line| {
                serde_json::from_str::<Value>(line).is_ok_and(|envelope| {
                    let found = &envelope["event"][kind][field];
                    found == value || found["id"] == value
                })
            });
            ensure!(seen, "printed so far: {printed}");
            Ok(())
        })
        .await
    }
}

async fn unknown_channels_are_refused(alice: &Node, bob: &Node) -> Result<()> {
    for command in ["close-channel", "force-close-channel"] {
        let refused = alice.cli_output(&[command, "42", bob.id()]).await?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.starts_with("Error (Invalid Request): "), "{refused:?}");
        assert!(refused.stderr.contains("42"), "{refused:?}");
    }
    Ok(())
}

async fn close_cooperatively(network: &Network, alice: &Node, bob: &Node) -> Result<()> {
    let owed_sats = lightning_balances(alice, bob).await?;
    let held_sats = onchain_balances(alice, bob).await?;
    let id = text(&only_channel(alice).await?["user_channel_id"])?;
    alice.cli(&["close-channel", &id, bob.id()]).await?;
    until("the closing transaction is broadcast", PATIENCE, async || {
        ensure!(!network.bitcoind().mempool().await?.is_empty(), "the mempool is empty");
        Ok(())
    })
    .await?;
    network.mine(FINAL_BLOCKS).await?;
    money_is_back(alice, held_sats[0] + owed_sats[0]).await?;
    money_is_back(bob, held_sats[1] + owed_sats[1]).await
}

async fn force_close(network: &Network, alice: &Node, bob: &Node) -> Result<()> {
    let owed_sats = lightning_balances(alice, bob).await?;
    let held_sats = onchain_balances(alice, bob).await?;
    let id = text(&only_channel(alice).await?["user_channel_id"])?;
    let reason = ["--force-close-reason", "the test says so"];
    alice.cli(&[&["force-close-channel", &id, bob.id()], &reason[..]].concat()).await?;
    until("the commitment transaction is broadcast", PATIENCE, async || {
        ensure!(!network.bitcoind().mempool().await?.is_empty(), "the mempool is empty");
        Ok(())
    })
    .await?;

    network.mine(FINAL_BLOCKS).await?;
    let waiting = alice.cli(&["get-balances"]).await?;
    // A payment is done before both sides have forgotten its HTLC, so that it may be listed too.
    let parts = waiting["lightning_balances"].as_array().context("no list")?;
    let is_own_close = |part: &Value| {
        part["balance_type"]["claimable_awaiting_confirmations"]["source"] == "HOLDER_FORCE_CLOSED"
    };
    assert!(parts.iter().any(is_own_close), "{waiting}");

    network.mine(TO_SELF_DELAY_BLOCKS).await?;
    for (node, was_theirs) in
        [(bob, held_sats[1] + owed_sats[1]), (alice, held_sats[0] + owed_sats[0])]
    {
        until(&format!("{} has swept its money", node.alias()), PATIENCE, async || {
            // Both look for what can be swept every 30 s, and wait for it to be final.
            network.mine(FINAL_BLOCKS).await?;
            has_back(node, was_theirs).await
        })
        .await?;
    }
    Ok(())
}

async fn money_is_back(node: &Node, expected_sats: u64) -> Result<()> {
    until(&format!("{} has its money back", node.alias()), PATIENCE, async || {
        has_back(node, expected_sats).await
    })
    .await
}

/// Whether the node has so much on chain, less the fees, and nothing elsewhere.
async fn has_back(node: &Node, expected_sats: u64) -> Result<()> {
    let balances = node.cli(&["get-balances"]).await?;
    let total_sats = number(&balances["total_onchain_balance_sats"])?;
    let channels = node.cli(&["list-channels"]).await?;
    ensure!(channels["channels"].as_array().is_some_and(Vec::is_empty), "{channels}");
    ensure!(balances["total_lightning_balance_sats"] == 0, "{balances}");
    ensure!(total_sats <= expected_sats && total_sats + FEES_SATS >= expected_sats, "{balances}");
    Ok(())
}

async fn only_channel(node: &Node) -> Result<Value> {
    let mut listed = node.cli(&["list-channels"]).await?;
    assert_eq!(listed["channels"].as_array().map(Vec::len), Some(1), "{listed}");
    Ok(listed["channels"][0].take())
}

async fn lightning_balances(one: &Node, other: &Node) -> Result<[u64; 2]> {
    let field = "total_lightning_balance_sats";
    Ok([balance(one, field).await?, balance(other, field).await?])
}

async fn onchain_balances(one: &Node, other: &Node) -> Result<[u64; 2]> {
    let field = "total_onchain_balance_sats";
    Ok([balance(one, field).await?, balance(other, field).await?])
}

async fn balance(node: &Node, field: &str) -> Result<u64> {
    number(&node.cli(&["get-balances"]).await?[field])
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("{value} is not an amount"))
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is not a text"))
}
