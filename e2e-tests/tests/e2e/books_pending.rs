//! The books when a channel is closed by force while payments are on their way.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, until};
use futures_util::TryStreamExt as _;
use ldk_server_client::api::{
    Bolt11ReceiveForHashRequest, ExportPaymentsRequest, ForceCloseChannelRequest,
    GetSummaryRequest, ListChannelAccountsRequest,
};
use ldk_server_client::types::{BooksAccount as Account, BooksEntry, PaymentStatus};

const PATIENCE: Duration = Duration::from_secs(120);
const CHANNEL_SATS: u64 = 1_000_000;
const HELD_MSAT: u64 = 30_000_000;
/// Too small for an output of its own.
const DUST_MSAT: u64 = 200_000;
/// Longer than who closes by force waits for its money.
const BLOCKS_TO_SWEEP: u32 = 150;

#[tokio::test(flavor = "multi_thread")]
async fn the_books_are_right_after_a_closure_with_payments_on_their_way() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    // A tenth of the channel at most is on its way at once.
    for _ in 0..3 {
        alice.pays(&bob, 90_000_000).await?;
    }
    bob.pays(&alice, 80_000_000).await?;
    let mut held = Vec::new();
    for (number, amount_msat) in [(1, HELD_MSAT), (2, DUST_MSAT), (3, 2 * HELD_MSAT)] {
        held.push(hold(&alice, &bob, number, amount_msat).await?);
    }
    close_by_force(&alice, &bob).await?;
    until("nothing is owed any more", PATIENCE, async || {
        network.mine(BLOCKS_TO_SWEEP / 5).await?;
        for id in &held {
            let payment = alice.payment(id).await?;
            ensure!(payment.status() == PaymentStatus::Failed, "{payment:?}");
        }
        for node in [&alice, &bob] {
            agrees(node, 999).await?;
            let balances = node.client().get_balances(Default::default()).await?;
            ensure!(balances.lightning_balances.is_empty(), "{balances:?}");
            ensure!(balances.pending_balances_from_channel_closures.is_empty(), "{balances:?}");
        }
        Ok(())
    })
    .await?;
    what_came_back_is_told(&alice).await?;
    network.stop().await
}

/// A payment that the payee neither takes nor sends back.
async fn hold(payer: &Node, payee: &Node, number: u8, amount_msat: u64) -> Result<String> {
    let payment_hash = hex::encode([number; 32]);
    let request = Bolt11ReceiveForHashRequest {
        amount_msat: Some(amount_msat),
        payment_hash: payment_hash.clone(),
        expiry_secs: 3_600,
        ..Default::default()
    };
    let mut events = payee.events().await?;
    let invoice = payee.client().bolt11_receive_for_hash(request).await?.invoice;
    let id = payer.send(&invoice).await?;
    events.payment_claimable(&payment_hash).await?;
    Ok(id)
}

async fn close_by_force(node: &Node, peer: &Node) -> Result<()> {
    let channel = node.usable_channel(peer).await?;
    let request = ForceCloseChannelRequest {
        user_channel_id: channel.user_channel_id,
        counterparty_node_id: peer.id().to_owned(),
        force_close_reason: None,
    };
    node.client().force_close_channel(request).await.map(drop).map_err(Into::into)
}

async fn entries(node: &Node) -> Result<Vec<BooksEntry>> {
    let request = ExportPaymentsRequest::default();
    Ok(node.client().export_payments(request).await?.try_collect().await?)
}

/// Each account has what its entries add up to. A closing transaction pays whole satoshis.
async fn agrees(node: &Node, may_differ_msat: i64) -> Result<()> {
    let summary = node.client().get_summary(GetSummaryRequest::default()).await?;
    for account in &summary.accounts {
        let difference_msat = account.difference_msat.context("no difference")?;
        let may_differ_msat =
            if account.account() == Account::Channels { may_differ_msat } else { 0 };
        let right = difference_msat.abs() <= may_differ_msat;
        ensure!(right, "{}: {summary:#?} {:#?}", node.alias(), entries(node).await?);
    }
    Ok(())
}

/// The payment that came to nothing is among what she had, and what was too small is a cost.
async fn what_came_back_is_told(alice: &Node) -> Result<()> {
    let request = ListChannelAccountsRequest { closed_only: true, ..Default::default() };
    let channels = alice.client().list_channel_accounts(request).await?.channels;
    let [closed] = &channels[..] else { anyhow::bail!("{channels:?}") };
    let final_sats = closed.final_balance_sats.with_context(|| format!("{closed:?}"))?;
    let cost_sats = closed.close_cost_sats.with_context(|| format!("{closed:?}"))?;
    let returned_sats = closed.returned_sats.with_context(|| format!("{closed:?}"))?;
    ensure!(returned_sats + cost_sats >= final_sats, "{closed:?}");
    ensure!(cost_sats > 660 + DUST_MSAT / 1_000, "{closed:?}");
    Ok(())
}
