//! What CreateRefund and ClaimRefund refuse.

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e_tests::{Node, invalid, refused, until};
use ldk_server_client::api::{
    Bolt11SendRequest, Bolt12SendRequest, ClaimRefundRequest, CreateRefundRequest,
    UnifiedSendRequest,
};
use ldk_server_client::{Client, Code};

use crate::sending::{AMOUNT_MSAT, TOO_MANY_MSATS};

const PATIENCE: Duration = Duration::from_secs(30);

fn of(amount_msat: u64) -> CreateRefundRequest {
    CreateRefundRequest { amount_msat, ..Default::default() }
}

async fn claim(client: &Client, refund: &str) -> Result<(), ldk_server_client::Error> {
    client.claim_refund(ClaimRefundRequest { refund: refund.to_owned() }).await.map(drop)
}

pub(super) async fn unusable_to_make(node: &Node, alone: &Node) -> Result<()> {
    let client = node.client();
    for amount_msat in [0, TOO_MANY_MSATS, u64::MAX] {
        invalid(client.create_refund(of(amount_msat)).await, "amount_msat");
    }
    let instant = CreateRefundRequest { expiry_secs: Some(0), ..of(1) };
    invalid(client.create_refund(instant).await, "expiry_secs");
    let none = CreateRefundRequest { quantity: Some(0), ..of(1) };
    invalid(client.create_refund(none).await, "quantity");
    let long = CreateRefundRequest { payer_note: Some("a".repeat(513)), ..of(1) };
    invalid(client.create_refund(long).await, "payer_note");
    let unheard = alone.client().create_refund(of(1)).await;
    refused(unheard, Code::FailedPrecondition, &["could not reach this node", "channel"]);
    Ok(())
}

pub(super) async fn unusable_to_claim(payer: &Node, payee: &Node, alone: &Node) -> Result<()> {
    let client = payee.client();
    let refund = payer.client().create_refund(of(AMOUNT_MSAT)).await?.refund;
    for garbage in ["", "lnr1", "coffee", &refund[..refund.len() - 1], &"lnr1qgs".repeat(1_000)] {
        invalid(claim(client, garbage).await, "refund");
    }
    refused(claim(payer.client(), &refund).await, Code::FailedPrecondition, &["own"]);
    let unpayable = claim(alone.client(), &refund).await;
    refused(unpayable, Code::FailedPrecondition, &["can receive 0 msat", "5000000 msat"]);
    let much = payer.client().create_refund(of(10_000_000_000)).await?.refund;
    refused(claim(client, &much).await, Code::FailedPrecondition, &["can receive"]);
    what_belongs_elsewhere_is_named(client, &refund).await?;

    let short = CreateRefundRequest { expiry_secs: Some(1), ..of(AMOUNT_MSAT) };
    let short = payer.client().create_refund(short).await?.refund;
    until("the refund has expired", PATIENCE, async || {
        let expired = claim(client, &short).await.err().context("it was claimed")?;
        anyhow::ensure!(expired.to_string().contains("expired"), "{expired}");
        Ok(())
    })
    .await
}

/// A refund in the place of something else, and something else in its place.
async fn what_belongs_elsewhere_is_named(client: &Client, refund: &str) -> Result<()> {
    let words = ["is a BOLT 12 refund", "use ClaimRefund (claim-refund)"];
    let text = || refund.to_owned();
    let request = Bolt11SendRequest { invoice: text(), ..Default::default() };
    refused(client.bolt11_send(request).await, Code::InvalidArgument, &words);
    let request = Bolt12SendRequest { offer: text(), ..Default::default() };
    refused(client.bolt12_send(request).await, Code::InvalidArgument, &words);
    let request = UnifiedSendRequest { uri: text(), ..Default::default() };
    refused(client.unified_send(request).await, Code::InvalidArgument, &words);
    let offer = claim(client, "lno1qgs").await;
    refused(offer, Code::InvalidArgument, &["is a BOLT 12 offer, not a refund", "bolt12-send"]);
    Ok(())
}
