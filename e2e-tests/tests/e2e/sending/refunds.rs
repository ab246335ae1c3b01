//! CreateRefund and ClaimRefund.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use e2e_tests::{Node, until};
use ldk_server_client::api::{ClaimRefundRequest, CreateRefundRequest, ListPaymentsRequest};
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{
    Bolt12Refund, Payment, PaymentDirection, PaymentMethod, PaymentStatus,
};

use crate::sending::{AMOUNT_MSAT, fee_limit, kind, next_received};

const NOTE: &str = "sorry for the ☕";
/// The library looks once a minute for what nobody has claimed.
const PATIENCE: Duration = Duration::from_secs(120);

fn details(payment: &Payment) -> Result<Bolt12Refund> {
    match kind(payment) {
        Some(Kind::Bolt12Refund(details)) => Ok(details),
        other => bail!("not a payment for a refund: {other:?}"),
    }
}

fn claim(refund: &str) -> ClaimRefundRequest {
    ClaimRefundRequest { refund: refund.to_owned() }
}

/// Its payments for refunds, the newest first.
async fn listed(node: &Node) -> Result<Vec<Payment>> {
    let method = PaymentMethod::Bolt12Refund.into();
    let request = ListPaymentsRequest { method, ..Default::default() };
    Ok(node.client().list_payments(request).await?.payments)
}

pub(super) async fn both_sides_tell_of_it(payer: &Node, payee: &Node) -> Result<()> {
    let request = CreateRefundRequest {
        amount_msat: AMOUNT_MSAT,
        expiry_secs: Some(3_600),
        quantity: Some(2),
        payer_note: Some(NOTE.to_owned()),
        route_parameters: fee_limit(0),
        ..Default::default()
    };
    let made = payer.client().create_refund(request).await?;
    assert!(made.refund.starts_with("lnr1"), "{}", made.refund);
    let pending = payer.payment(&made.payment_id).await?;
    assert_eq!(pending.status(), PaymentStatus::Pending, "nobody has claimed it");
    assert_eq!((pending.amount_msat, details(&pending)?.hash), (Some(AMOUNT_MSAT), None));

    let (mut sending, mut receiving) = (payer.events().await?, payee.events().await?);
    // As it is copied from a mail.
    let pasted = format!(" <lightning:{}>\n", made.refund.to_uppercase());
    let claimed = payee.client().claim_refund(claim(&pasted)).await?;
    assert_eq!(claimed.amount_msat, AMOUNT_MSAT);
    let sent = sending.payment_successful(&made.payment_id).await?;
    let (received, records) = next_received(&mut receiving).await?;
    assert_eq!(records, []);
    assert_eq!(received.id, claimed.payment_id);
    for (node, payment, direction) in
        [(payer, &sent, PaymentDirection::Outbound), (payee, &received, PaymentDirection::Inbound)]
    {
        assert_eq!(listed(node).await?.first(), Some(payment), "{} lists it", node.alias());
        assert_eq!((payment.direction(), payment.status()), (direction, PaymentStatus::Succeeded));
        assert_eq!(payment.amount_msat, Some(AMOUNT_MSAT));
        let details = details(payment)?;
        assert_eq!(details.hash.as_ref(), Some(&claimed.payment_id));
        assert_eq!(details.payer_note.as_deref(), Some(NOTE));
        assert_eq!(details.quantity, Some(2));
    }
    assert_eq!(details(&sent)?.preimage, details(&received)?.preimage);
    Ok(())
}

/// A shop may have mailed it twice, and a wallet asks again when it hears nothing.
pub(super) async fn one_claim_is_paid(payer: &Node, payee: &Node) -> Result<()> {
    let made = payer.cli(&["create-refund", "5000sat"]).await?;
    let refund = made["refund"].as_str().unwrap_or_default();
    let (mut sending, mut receiving) = (payer.events().await?, payee.events().await?);
    let balance_msat = async || {
        let channel = payer.usable_channel(payee).await?;
        anyhow::Ok(channel.outbound_capacity_msat)
    };
    let before_msat = balance_msat().await?;
    let first = payee.cli(&["claim-refund", refund]).await?;
    sending.payment_successful(made["payment_id"].as_str().unwrap_or_default()).await?;
    let (received, _) = next_received(&mut receiving).await?;
    assert_eq!(first["payment_id"], *received.id);
    let second = payee.client().claim_refund(claim(refund)).await?;
    assert_ne!(second.payment_id, received.id, "it is another invoice");
    // What is asked after it is answered after it.
    payer.pays(payee, 1_000).await?;
    let unpaid = payee.payment(&second.payment_id).await?;
    assert_eq!(unpaid.status(), PaymentStatus::Pending, "{unpaid:?}");
    until("one payment and the refund were paid", PATIENCE, async || {
        let now_msat = balance_msat().await?;
        ensure!(before_msat - now_msat == AMOUNT_MSAT + 1_000, "{before_msat}, {now_msat}");
        Ok(())
    })
    .await
}

/// Who has the text of a refund has a promise, whatever becomes of the process that gave it.
pub(super) async fn a_crash_does_not_take_it_back(payer: &Node, payee: &Node) -> Result<()> {
    let request = CreateRefundRequest { amount_msat: AMOUNT_MSAT, ..Default::default() };
    let made = payer.client().create_refund(request).await?;
    payer.kill().await?;
    payer.start_again().await?;
    payer.connect_to(payee).await?;
    until("the channel can be used again", PATIENCE, async || {
        payer.usable_channel(payee).await?;
        payee.usable_channel(payer).await
    })
    .await?;
    let mut sending = payer.events().await?;
    payee.client().claim_refund(claim(&made.refund)).await?;
    let sent = sending.payment_successful(&made.payment_id).await?;
    assert_eq!(sent.amount_msat, Some(AMOUNT_MSAT));
    Ok(())
}

/// Under one key, one refund is made, also over a kill.
pub(super) async fn a_key_makes_one_refund(payer: &Node, payee: &Node) -> Result<()> {
    let request = CreateRefundRequest {
        amount_msat: AMOUNT_MSAT,
        idempotency_key: "refund-17".to_owned(),
        ..Default::default()
    };
    let made = payer.client().create_refund(request.clone()).await?;
    payer.kill().await?;
    payer.start_again().await?;
    payer.connect_to(payee).await?;
    until("the channel can be used again", PATIENCE, async || {
        payer.usable_channel(payee).await?;
        payee.usable_channel(payer).await
    })
    .await?;
    let named = CreateRefundRequest { expiry_secs: Some(86_400), ..request };
    let again = payer.client().create_refund(named).await?;
    assert_eq!((again.refund, again.repeated), (made.refund, true));
    assert_eq!(again.payment_id, made.payment_id);
    assert_eq!(payer.payment(&again.payment_id).await?.status(), PaymentStatus::Pending);
    Ok(())
}

/// A refund that expires at once; returns the id of its payment.
pub(super) async fn unclaimed(payer: &Node) -> Result<String> {
    let request = CreateRefundRequest {
        amount_msat: AMOUNT_MSAT,
        expiry_secs: Some(1),
        ..Default::default()
    };
    Ok(payer.client().create_refund(request).await?.payment_id)
}

pub(super) async fn what_nobody_claims_fails(payer: &Node, payment_id: &str) -> Result<()> {
    until("the refund has failed", PATIENCE, async || {
        let payment = payer.payment(payment_id).await?;
        ensure!(payment.status() == PaymentStatus::Failed, "{payment:?}");
        Ok(())
    })
    .await
}
