//! kill -9, and what is left after it.
//!
//! The library writes the state of a channel in two places, one a moment after the other. Killed in
//! that moment it closes the channel at the next start, because the two differ (rust-lightning issue
//! 4286), and it has forgotten what payments of its own it began last. So a node that is killed at
//! rest must go on as if nothing had happened; and one that is killed amid payments must come back
//! and not lose any money, with the channel or without.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Events, Network, Node, until};
use ldk_server_client::api::{
    Bolt11ReceiveRequest, Bolt11ReceiveResponse, ConnectPeerRequest, GetPaymentDetailsRequest,
};
use ldk_server_client::types::PaymentStatus;
use ldk_server_client::types::pending_sweep_balance::BalanceType;

const CHANNEL_SATS: u64 = 1_000_000;
const PAYMENTS: usize = 15;
const AMOUNT_SATS: u64 = 25_000;
/// The node is killed when so many have arrived.
const ARRIVED: usize = 3;
/// More than what is paid on chain for a channel that is closed with payments in it, and less than
/// one payment.
const FEES_SATS: u64 = 20_000;
/// The library writes its two records of a channel within moments of each other, and looks at the
/// chain, which makes it write again, every 2 s.
const QUIET: Duration = Duration::from_millis(800);
const PATIENCE: Duration = Duration::from_secs(120);
/// After how many blocks a payment is taken back that nobody claims, is some multiple of this.
const BLOCKS_AT_A_TIME: u32 = 20;

#[tokio::test]
async fn a_node_that_is_killed_at_rest_goes_on() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    for victim in [&bob, &alice] {
        let paid = alice.pays(&bob, AMOUNT_SATS * 1_000).await?;
        let spendable_msat = Network::at_rest(&alice, &bob).await?;
        all_is_written(victim).await?;

        victim.kill().await?;
        victim.start_again().await?;
        reconnect(&alice, &bob).await?;

        assert_eq!(Network::at_rest(&alice, &bob).await?, spendable_msat);
        assert_eq!(victim.payment(&paid).await?.status(), PaymentStatus::Succeeded);
        alice.pays(&bob, AMOUNT_SATS * 1_000).await?;
        bob.pays(&alice, AMOUNT_SATS * 1_000).await?;
    }
    network.stop().await
}

#[tokio::test]
async fn a_payee_that_is_killed_during_payments_loses_nothing() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    kill_during_payments(&network, &alice, &bob, &bob).await?;
    network.stop().await
}

#[tokio::test]
async fn a_payer_that_is_killed_during_payments_loses_nothing() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    kill_during_payments(&network, &alice, &bob, &alice).await?;
    network.stop().await
}

/// Waits until the node has written nothing for a while, and so has nothing left to write.
async fn all_is_written(node: &Node) -> Result<()> {
    let log = node.config().storage_dir.join("regtest/ldk_node_data.sqlite-wal");
    until(&format!("{} has written everything", node.alias()), PATIENCE, async || {
        let age = fs::metadata(&log)?.modified()?.elapsed()?;
        ensure!(age > QUIET, "the last write was {age:?} ago");
        Ok(())
    })
    .await
}

async fn kill_during_payments(
    network: &Network,
    payer: &Node,
    payee: &Node,
    victim: &Node,
) -> Result<()> {
    let (payer_had, payee_had) = (owned_sats(payer).await?, owned_sats(payee).await?);
    let invoices = invoices(payee).await?;
    let events = payee.events().await?;
    let (_, killed) =
        tokio::join!(send_all(payer, &invoices), kill_when_some_arrived(events, victim));
    killed?;
    victim.start_again().await?;

    let arrived = until("what was paid has arrived", PATIENCE, async || {
        settle_channel(network, payer, payee).await?;
        arrived(payer, payee, &invoices).await
    })
    .await?;
    assert!(arrived >= ARRIVED, "only {arrived} payments arrived");
    let moved_sats = arrived as u64 * AMOUNT_SATS;
    let (payer_has, payee_has) = (owned_sats(payer).await?, owned_sats(payee).await?);
    assert!(payer_has.abs_diff(payer_had - moved_sats) < FEES_SATS, "{payer_had}, {payer_has}");
    assert!(payee_has.abs_diff(payee_had + moved_sats) < FEES_SATS, "{payee_had}, {payee_has}");

    if payer.channels().await?.is_empty() {
        network.open_channel(payer, payee, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    }
    payer.pays(payee, AMOUNT_SATS * 1_000).await?;
    payee.pays(payer, AMOUNT_SATS * 1_000).await?;
    Ok(())
}

async fn invoices(payee: &Node) -> Result<Vec<Bolt11ReceiveResponse>> {
    let mut invoices = Vec::new();
    for _ in 0..PAYMENTS {
        let request = Bolt11ReceiveRequest {
            amount_msat: Some(AMOUNT_SATS * 1_000),
            expiry_secs: 3_600,
            ..Default::default()
        };
        invoices.push(payee.client().bolt11_receive(request).await?);
    }
    Ok(invoices)
}

/// Sends all, one after the other and not waiting for any. When the payer is the one that is
/// killed, the later ones fail: nobody is there to ask.
async fn send_all(payer: &Node, invoices: &[Bolt11ReceiveResponse]) {
    for invoice in invoices {
        let _ = payer.send(&invoice.invoice).await;
    }
}

async fn kill_when_some_arrived(mut events: Events, victim: &Node) -> Result<()> {
    for _ in 0..ARRIVED {
        events.next().await?;
    }
    victim.kill().await
}

/// Nodes reconnect by themselves, but look for lost peers only once a minute.
async fn reconnect(one: &Node, other: &Node) -> Result<()> {
    let request = ConnectPeerRequest {
        node_pubkey: other.id().to_owned(),
        address: other.address(),
        persist: false,
    };
    one.client().connect_peer(request).await?;
    Ok(())
}

/// Succeeds when the channel is either in use again, with nothing on its way, or closed, with all
/// that was in it back on chain. Blocks are mined until that is so.
async fn settle_channel(network: &Network, one: &Node, other: &Node) -> Result<()> {
    let channels = [one.channels().await?, other.channels().await?];
    if channels.iter().all(|channels| !channels.is_empty()) {
        reconnect(one, other).await?;
        return Network::at_rest(one, other).await.map(drop);
    }
    network.mine(BLOCKS_AT_A_TIME).await?;
    for node in [one, other] {
        let balances = node.balances().await?;
        // What is swept and confirmed stays listed for thousands of blocks.
        let swept = balances.pending_balances_from_channel_closures.iter().all(|pending| {
            matches!(pending.balance_type, Some(BalanceType::AwaitingThresholdConfirmations(_)))
        });
        ensure!(
            swept && balances.lightning_balances.is_empty(),
            "{} has {balances:?}",
            node.alias()
        );
    }
    Ok(())
}

async fn owned_sats(node: &Node) -> Result<u64> {
    let balances = node.balances().await?;
    Ok(balances.total_onchain_balance_sats + balances.total_lightning_balance_sats)
}

/// How many payments the payee has received, among them all that the payer knows to be made.
async fn arrived(payer: &Node, payee: &Node, invoices: &[Bolt11ReceiveResponse]) -> Result<usize> {
    let mut arrived = 0;
    for Bolt11ReceiveResponse { payment_hash, .. } in invoices {
        if status(payee, payment_hash).await? == Some(PaymentStatus::Succeeded) {
            arrived += 1;
        } else {
            let sent = status(payer, payment_hash).await?;
            ensure!(sent != Some(PaymentStatus::Succeeded), "{payment_hash} did not arrive");
        }
    }
    Ok(arrived)
}

async fn status(node: &Node, payment_id: &str) -> Result<Option<PaymentStatus>> {
    let request = GetPaymentDetailsRequest { payment_id: payment_id.to_owned() };
    let payment = node.client().get_payment_details(request).await?.payment;
    Ok(payment.map(|payment| payment.status()))
}
