//! Invoices with a preimage that the caller has chosen.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Node, until};
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{InvoiceKind, InvoiceState, PaymentStatus};

use crate::invoices::{get, labelled, make, wait};

const PATIENCE: Duration = Duration::from_secs(90);

/// An invoice, and its preimage.
async fn invoice(payee: &Node, label: &str, preimage: u8) -> Result<(String, String)> {
    let mut request = labelled(label);
    request.preimage = hex::encode([preimage; 32]);
    Ok((make(payee, &request).await?.invoice, request.preimage))
}

/// That the payer has the preimage as its proof, and the payee the money.
async fn is_paid(payer: &Node, payee: &Node, label: &str, preimage: &str) -> Result<()> {
    let invoice = wait(payee, label).await?.invoice.context("no invoice")?;
    ensure!(invoice.state() == InvoiceState::Paid, "{invoice:?}");
    assert_eq!(invoice.kind(), InvoiceKind::Bolt11WithPreimage);
    let payment_id = invoice.payment_id.context("no payment")?;
    let sent = payer.settled(&payment_id).await?;
    assert_eq!(sent.status(), PaymentStatus::Succeeded);
    let Some(Kind::Bolt11(kind)) = sent.kind.and_then(|kind| kind.kind) else {
        bail!("another kind of payment");
    };
    assert_eq!(kind.preimage.as_deref(), Some(preimage));
    Ok(())
}

pub(super) async fn the_server_claims_by_itself(payer: &Node, payee: &Node) -> Result<()> {
    let mut events = payee.events().await?;
    let (invoice, preimage) = invoice(payee, "claimed", 0x31).await?;
    payer.send(&invoice).await?;
    is_paid(payer, payee, "claimed", &preimage).await?;
    // Nobody else is asked to claim it, and no log line gives the preimage away.
    let Event::PaymentReceived(_) = events.next().await? else {
        bail!("another event than that it was received");
    };
    assert!(!payee.log().text().contains(&preimage));
    Ok(())
}

pub(super) async fn also_after_a_restart(payer: &Node, payee: &Node) -> Result<()> {
    let (invoice, preimage) = invoice(payee, "restarted", 0x32).await?;
    // What was handed out is on disk.
    payee.kill().await?;
    payee.start_again().await?;
    payer.connect_to(payee).await?;
    payer.usable_channel(payee).await?;
    pay_when_possible(payer, &invoice).await?;
    is_paid(payer, payee, "restarted", &preimage).await
}

pub(super) async fn also_if_it_is_killed_as_the_payment_arrives(
    payer: &Node,
    payee: &Node,
    number: u8,
) -> Result<()> {
    let label = format!("killed {number}");
    let (invoice, preimage) = invoice(payee, &label, 0x40 + number).await?;
    pay_when_possible(payer, &invoice).await?;
    if number > 0 {
        // Later than the first time: the payment has been noticed by now.
        until("the payment has arrived", PATIENCE, async || {
            let invoice = get(payee, &label).await?;
            ensure!(invoice.state() != InvoiceState::Open, "{invoice:?}");
            Ok(())
        })
        .await?;
    }
    payee.kill().await?;
    payee.start_again().await?;
    until("the payment is claimed", PATIENCE, async || {
        payer.connect_to(payee).await?;
        is_paid(payer, payee, &label, &preimage).await
    })
    .await
}

/// A channel can be used some time after its nodes have found each other.
async fn pay_when_possible(payer: &Node, invoice: &str) -> Result<String> {
    until("the payment is sent", PATIENCE, async || payer.send(invoice).await).await
}
