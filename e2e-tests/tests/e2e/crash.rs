//! kill -9, and what is left after it: the channel, every payment that was told of, and every satoshi.
//!
//! The library writes the state of a channel in two places, one a moment after the other, and closes
//! the channel when it finds at a start that the two differ (rust-lightning issue 4286). The server
//! has to keep that from ever being seen. `kills.rs` does the same by the dozen, at random.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Events, Network, Node, until};
use ldk_server_client::api::{
    Bolt11ReceiveRequest, Bolt11ReceiveResponse, GetPaymentDetailsRequest,
};
use ldk_server_client::types::PaymentStatus;

const CHANNEL_SATS: u64 = 1_000_000;
const PAYMENTS: usize = 15;
const AMOUNT_SATS: u64 = 25_000;
/// The node is killed when so many have arrived.
const ARRIVED: usize = 3;
/// The library looks at the chain every 2 s, which makes it write.
const QUIET: Duration = Duration::from_millis(800);
const PATIENCE: Duration = Duration::from_secs(120);

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
        alice.connect_to(&bob).await?;

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
    kill_during_payments(&alice, &bob, &bob).await?;
    network.stop().await
}

#[tokio::test]
async fn a_payer_that_is_killed_during_payments_loses_nothing() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    kill_during_payments(&alice, &bob, &alice).await?;
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

/// Kills one of the two amid payments from the one to the other, and starts it again. Whatever was told
/// of a payment is true afterwards.
pub(crate) async fn kill_during_payments(payer: &Node, payee: &Node, victim: &Node) -> Result<()> {
    let channel = payer.usable_channel(payee).await?;
    let [payer_had, payee_had] = Network::at_rest(payer, payee).await?;
    let invoices = invoices(payee).await?;
    let events = payee.events().await?;
    let (sent, killed) =
        tokio::join!(send_all(payer, &invoices), kill_when_some_arrived(events, victim));
    killed?;
    victim.start_again().await?;

    let arrived = until("every payment is over at both ends", PATIENCE, async || {
        payer.connect_to(payee).await?;
        Network::spendable_at_rest(payer, payee).await?;
        arrived(payer, payee, &invoices, &sent).await
    })
    .await?;
    assert!(arrived >= ARRIVED, "only {arrived} payments arrived");
    let moved_msat = arrived as u64 * AMOUNT_SATS * 1_000;
    let spendable = Network::at_rest(payer, payee).await?;
    assert_eq!(spendable, [payer_had - moved_msat, payee_had + moved_msat]);
    assert_eq!(payer.usable_channel(payee).await?.channel_id, channel.channel_id);

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

/// Sends all, one after the other and not waiting for any, and returns the ids of those
/// whose call was answered. When the payer is the one that is killed, the later ones fail: nobody is
/// there to ask.
async fn send_all(payer: &Node, invoices: &[Bolt11ReceiveResponse]) -> Vec<String> {
    let mut sent = Vec::new();
    for invoice in invoices {
        sent.extend(payer.send(&invoice.invoice).await);
    }
    sent
}

async fn kill_when_some_arrived(mut events: Events, victim: &Node) -> Result<()> {
    for _ in 0..ARRIVED {
        events.next().await?;
    }
    victim.kill().await
}

/// Nodes reconnect by themselves, but look for lost peers only once a minute.
/// How many payments the payee has received. Fails as long as the payer tells anything else of one,
/// or has one pending; and if it does not know one whose sending was answered.
async fn arrived(
    payer: &Node,
    payee: &Node,
    invoices: &[Bolt11ReceiveResponse],
    answered: &[String],
) -> Result<usize> {
    let mut arrived = 0;
    for Bolt11ReceiveResponse { payment_hash, .. } in invoices {
        let has_arrived = status(payee, payment_hash).await? == Some(PaymentStatus::Succeeded);
        let sent = status(payer, payment_hash).await?;
        ensure!(sent != Some(PaymentStatus::Pending), "{payment_hash} is pending");
        let has_succeeded = sent == Some(PaymentStatus::Succeeded);
        ensure!(has_succeeded == has_arrived, "{payment_hash}: {sent:?}, arrived: {has_arrived}");
        ensure!(sent.is_some() || !answered.contains(payment_hash), "{payment_hash} is unknown");
        arrived += usize::from(has_arrived);
    }
    Ok(arrived)
}

async fn status(node: &Node, payment_id: &str) -> Result<Option<PaymentStatus>> {
    let request = GetPaymentDetailsRequest { payment_id: payment_id.to_owned() };
    let payment = node.client().get_payment_details(request).await?.payment;
    Ok(payment.map(|payment| payment.status()))
}
