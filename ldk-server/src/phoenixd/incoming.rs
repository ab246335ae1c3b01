//! `payments/incoming`: invoices of this node, and what was received without one.

use ldk_server_grpc::api::{GetInvoiceRequest, ListInvoicesRequest};
use ldk_server_grpc::types::payment_kind::Kind;
use ldk_server_grpc::types::{Invoice, InvoiceKind, InvoiceState, Payment};
use serde::Serialize;

use super::Call;
use super::answer::{Answer, Refusal};
use super::ids::payment_id;
use super::params::{Params, hex32};
use super::span::Span;
use crate::api::rpc;
use crate::app::App;
use crate::clock::unix_secs;
use crate::error::Error;
use crate::ops;
use crate::wire;

const PAGE_SIZE: u32 = 1_000;
const MS_PER_SEC: u64 = 1_000;
const MSAT_PER_SAT: u64 = 1_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Incoming {
    r#type: &'static str,
    sub_type: &'static str,
    payment_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    preimage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice: Option<String>,
    is_paid: bool,
    is_expired: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_sat: Option<u64>,
    received_sat: u64,
    /// In millisatoshis, as phoenixd has it.
    fees: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    payer_note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<u64>,
    created_at: u64,
}

impl Incoming {
    fn of(invoice: Invoice, payment: Option<&Payment>, now_secs: u64) -> Self {
        let is_bolt11 = !is_receipt(&invoice);
        let is_paid = invoice.state() == InvoiceState::Paid;
        let is_over = invoice.expires_at.is_some_and(|at| at < now_secs);
        let is_expired = is_over || invoice.state() == InvoiceState::Cancelled;
        let has = |text: &String| is_bolt11 && !text.is_empty();
        Self {
            r#type: "incoming_payment",
            sub_type: "lightning",
            preimage: payment.and_then(wire::payment::preimage),
            external_id: invoice.external_id,
            description: Some(invoice.description).filter(has),
            invoice: Some(invoice.invoice).filter(has),
            is_paid,
            is_expired,
            requested_sat: invoice.amount_msat.filter(|_| is_bolt11).map(sats),
            received_sat: sats(
                invoice.amount_received_msat.filter(|_| is_paid).unwrap_or_default(),
            ),
            fees: payment.and_then(skimmed_msat).unwrap_or_default(),
            payer_note: payment.and_then(payer_note),
            expires_at: invoice.expires_at.map(ms),
            completed_at: invoice.paid_at.filter(|_| is_paid).map(ms),
            created_at: ms(invoice.created_at),
            payment_hash: invoice.payment_hash.unwrap_or_default(),
        }
    }
}

fn is_receipt(invoice: &Invoice) -> bool {
    matches!(
        invoice.kind(),
        InvoiceKind::OfferReceipt | InvoiceKind::RefundReceipt | InvoiceKind::KeysendReceipt
    )
}

fn ms(secs: u64) -> u64 {
    secs.saturating_mul(MS_PER_SEC)
}

fn sats(msat: u64) -> u64 {
    msat / MSAT_PER_SAT
}

/// What a provider kept back for a channel.
fn skimmed_msat(payment: &Payment) -> Option<u64> {
    match payment.kind.as_ref()?.kind.as_ref()? {
        Kind::Bolt11Jit(kind) => kind.counterparty_skimmed_fee_msat,
        _ => None,
    }
}

/// What the payer of an offer wrote.
pub(super) fn payer_note(payment: &Payment) -> Option<String> {
    match payment.kind.as_ref()?.kind.as_ref()? {
        Kind::Bolt12Offer(kind) => kind.payer_note.clone(),
        Kind::Bolt12Refund(kind) => kind.payer_note.clone(),
        _ => None,
    }
}

/// The invoice or receipt with this hash.
pub(super) async fn find(call: &Call, payment_hash: String) -> Result<Option<Invoice>, Error> {
    let request = GetInvoiceRequest { payment_hash, ..Default::default() };
    match call.ask(rpc::GetInvoice, request).await {
        Ok(found) => Ok(found.invoice),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn get(call: &Call, payment_hash: &str) -> Result<Answer, Refusal> {
    let found = find(call, hex32("paymentHash", payment_hash)?).await?;
    let rows = rows(call, found.into_iter().collect()).await?;
    Answer::json(rows.first().ok_or(Refusal::NotFound)?)
}

pub(super) async fn list(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let mut span = Span::read(params)?;
    let external_id = params.text("externalId").unwrap_or_default();
    let states = if span.is_all { Vec::new() } else { vec![InvoiceState::Paid.into()] };
    let (mut taken, mut page_token) = (Vec::new(), None);
    let mut wants_more = !span.is_empty();
    while wants_more {
        let request = ListInvoicesRequest {
            page_token,
            page_size: Some(PAGE_SIZE),
            states: states.clone(),
            kinds: wire::invoice::KINDS_WITHOUT_OFFERS.map(Into::into).to_vec(),
            external_id: external_id.to_owned(),
            created_from: None,
            created_before: span.created_before_secs(),
        };
        let page = call.ask(rpc::ListInvoices, request).await?;
        for invoice in page.invoices {
            let at_ms = ms(invoice.paid_at.unwrap_or(invoice.created_at));
            if wants_more && span.has_ms(at_ms) {
                wants_more = span.take(&mut taken, invoice);
            }
        }
        page_token = page.next_page_token;
        wants_more &= page_token.is_some();
    }
    Answer::json(&rows(call, taken).await?)
}

/// Adds what is known of the payments.
async fn rows(call: &Call, invoices: Vec<Invoice>) -> Result<Vec<Incoming>, Error> {
    let look_up = move |app: &App| {
        let now_secs = unix_secs();
        let row = |invoice: Invoice| {
            let id = invoice.payment_id.as_ref().or(invoice.payment_hash.as_ref());
            let id = id.and_then(|id| payment_id(id));
            let payment = id.map(|id| ops::payments::get(app, id)).transpose()?.flatten();
            Ok(Incoming::of(invoice, payment.as_ref(), now_secs))
        };
        invoices.into_iter().map(row).collect()
    };
    call.work("payments of invoices", look_up).await
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::types::{Bolt11, Bolt12Offer, PaymentKind};
    use serde_json::json;

    use super::*;

    fn payment(kind: Kind) -> Payment {
        Payment { kind: Some(PaymentKind { kind: Some(kind) }), ..Default::default() }
    }

    fn invoice(kind: InvoiceKind, state: InvoiceState) -> Invoice {
        Invoice {
            kind: kind.into(),
            state: state.into(),
            external_id: Some("order 7".to_owned()),
            invoice: "lnbc1".to_owned(),
            description: "tea".to_owned(),
            amount_msat: Some(1_500),
            created_at: 10,
            expires_at: Some(20),
            payment_hash: Some("aa".to_owned()),
            ..Default::default()
        }
    }

    #[test]
    fn an_invoice_has_phoenixds_members() {
        let open = invoice(InvoiceKind::Bolt11, InvoiceState::Open);
        let known = Bolt11 { preimage: Some("bb".to_owned()), ..Default::default() };
        let row = Incoming::of(open, Some(&payment(Kind::Bolt11(known))), 15);
        let expected = json!({
            "type": "incoming_payment",
            "subType": "lightning",
            "paymentHash": "aa",
            "preimage": "bb",
            "externalId": "order 7",
            "description": "tea",
            "invoice": "lnbc1",
            "isPaid": false,
            "isExpired": false,
            "requestedSat": 1,
            "receivedSat": 0,
            "fees": 0,
            "expiresAt": 20_000,
            "createdAt": 10_000,
        });
        assert_eq!(serde_json::to_value(row).unwrap(), expected);
    }

    #[test]
    fn what_was_paid_is_told_with_its_time() {
        let mut paid = invoice(InvoiceKind::Bolt11, InvoiceState::Paid);
        (paid.amount_received_msat, paid.paid_at) = (Some(2_999), Some(12));
        let row = serde_json::to_value(Incoming::of(paid, None, 30)).unwrap();
        assert_eq!((&row["isPaid"], &row["isExpired"]), (&json!(true), &json!(true)));
        assert_eq!((&row["receivedSat"], &row["completedAt"]), (&json!(2), &json!(12_000)));
        let cancelled = invoice(InvoiceKind::Bolt11, InvoiceState::Cancelled);
        assert!(Incoming::of(cancelled, None, 15).is_expired);
    }

    #[test]
    fn the_receipt_of_an_offer_has_a_note_and_no_invoice() {
        let note = Bolt12Offer { payer_note: Some("thanks".to_owned()), ..Default::default() };
        let receipt = invoice(InvoiceKind::OfferReceipt, InvoiceState::Paid);
        let row = Incoming::of(receipt, Some(&payment(Kind::Bolt12Offer(note))), 15);
        let row = serde_json::to_value(row).unwrap();
        assert_eq!(row["payerNote"], "thanks");
        assert!(row.get("invoice").is_none() && row.get("requestedSat").is_none());
    }
}
