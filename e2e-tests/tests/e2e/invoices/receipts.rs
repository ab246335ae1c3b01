//! Payments that no invoice has asked for.

use anyhow::{Context as _, Result};
use e2e_tests::Node;
use ldk_server_client::Code;
use ldk_server_client::api::{
    Bolt12ReceiveRequest, Bolt12SendRequest, CancelInvoiceRequest, GetInvoiceRequest,
    SpontaneousSendRequest, WaitAnyInvoiceRequest, WaitInvoiceRequest,
};
use ldk_server_client::types::{Invoice, InvoiceKind, InvoiceState};

use crate::invoices::{AMOUNT_MSAT, get};

/// Offers are paid again and again, and keysend needs no invoice: each payment has its own number.
pub(super) async fn every_payment_has_a_row(payer: &Node, payee: &Node) -> Result<()> {
    let keysend = SpontaneousSendRequest {
        amount_msat: AMOUNT_MSAT,
        node_id: payee.id().to_owned(),
        ..Default::default()
    };
    let first = next(payee, async || {
        payer.client().spontaneous_send(keysend.clone()).await?;
        Ok(())
    })
    .await?;
    assert_eq!(first.kind(), InvoiceKind::KeysendReceipt);
    let request = Bolt12ReceiveRequest {
        description: "tea".to_owned(),
        amount_msat: Some(AMOUNT_MSAT),
        label: "offer".to_owned(),
        ..Default::default()
    };
    let made = payee.client().bolt12_receive(request.clone()).await?;
    assert_eq!(payee.client().bolt12_receive(request).await?, made);
    for times in 1..=2 {
        let receipt = next(payee, async || {
            let request = Bolt12SendRequest { offer: made.offer.clone(), ..Default::default() };
            payer.client().bolt12_send(request).await?;
            Ok(())
        })
        .await?;
        assert_eq!(receipt.kind(), InvoiceKind::OfferReceipt);
        assert_eq!(receipt.offer_id.as_ref(), Some(&made.offer_id));
        assert_eq!(receipt.offer_label.as_deref(), Some("offer"));
        let offer = get(payee, "offer").await?;
        assert_eq!((offer.state(), offer.kind()), (InvoiceState::Open, InvoiceKind::Bolt12Offer));
        assert_eq!(offer.amount_received_msat, Some(times * AMOUNT_MSAT));
    }
    an_offer_is_no_invoice(payee, &made.offer).await
}

/// The receipt of the payment that this makes.
async fn next(payee: &Node, pay: impl AsyncFn() -> Result<()>) -> Result<Invoice> {
    let ask = |last_pay_index, timeout_secs| async move {
        let request = WaitAnyInvoiceRequest { last_pay_index, timeout_secs: Some(timeout_secs) };
        payee.client().wait_any_invoice(request).await
    };
    let before = ask(u64::MAX, 0).await?.last_pay_index;
    pay().await?;
    let receipt = ask(before, 60).await?.invoice.context("no payment has arrived")?;
    assert_eq!(receipt.pay_index, Some(before + 1));
    assert_eq!(receipt.amount_received_msat, Some(AMOUNT_MSAT));
    assert_eq!(receipt.state(), InvoiceState::Paid);
    Ok(receipt)
}

async fn an_offer_is_no_invoice(payee: &Node, offer: &str) -> Result<()> {
    let by_text = GetInvoiceRequest { invoice: offer.to_owned(), ..Default::default() };
    let found = payee.client().get_invoice(by_text).await?.invoice.context("no offer")?;
    assert_eq!(found.label.as_deref(), Some("offer"));
    let label = || "offer".to_owned();
    let cancel = CancelInvoiceRequest { label: label(), ..Default::default() };
    let cancelled = payee.client().cancel_invoice(cancel).await;
    e2e_tests::refused(cancelled, Code::FailedPrecondition, &["offer"]);
    let wait = WaitInvoiceRequest { label: label(), ..Default::default() };
    let waited = payee.client().wait_invoice(wait).await;
    e2e_tests::refused(waited, Code::FailedPrecondition, &["WaitAnyInvoice"]);
    Ok(())
}
