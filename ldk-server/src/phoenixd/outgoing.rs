//! `payments/outgoing`: what was paid, and what is being paid.

use ldk_server_grpc::api::ListPaymentsRequest;
use ldk_server_grpc::types::payment_kind::Kind;
use ldk_server_grpc::types::{PageToken, Payment, PaymentDirection, PaymentStatus};
use serde::Serialize;

use super::Call;
use super::answer::{Answer, Refusal};
use super::ids::{beginning, payment_id, uuid};
use super::params::{Params, hex32};
use super::span::Span;
use super::under_way::Beginning;
use crate::api::rpc;
use crate::app::App;
use crate::error::Error;
use crate::wire;

const PAGE_SIZE: u32 = 1_000;
const MS_PER_SEC: u64 = 1_000;
const MSAT_PER_SAT: u64 = 1_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing {
    r#type: &'static str,
    sub_type: &'static str,
    payment_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preimage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_id: Option<String>,
    is_paid: bool,
    /// In satoshis, with fees.
    sent: u64,
    /// In millisatoshis.
    fees: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<u64>,
    created_at: u64,
}

impl Outgoing {
    fn of(payment: &Payment, invoice: Option<String>) -> Self {
        let (status, tx_id) = (payment.status(), txid(payment));
        let fees = payment.fee_paid_msat.unwrap_or_default();
        let sent_msat = payment.amount_msat.unwrap_or_default().saturating_add(fees);
        let is_over = status != PaymentStatus::Pending;
        let completed_at = payment.latest_update_timestamp.saturating_mul(MS_PER_SEC);
        Self {
            r#type: "outgoing_payment",
            sub_type: if tx_id.is_some() { "onchain" } else { "lightning" },
            payment_id: uuid(&payment.id),
            payment_hash: wire::payment::hash(payment),
            preimage: wire::payment::preimage(payment)
                .filter(|_| status == PaymentStatus::Succeeded),
            // A transaction cannot be taken back once it was sent.
            is_paid: status == PaymentStatus::Succeeded
                || (tx_id.is_some() && status == PaymentStatus::Pending),
            tx_id,
            sent: sent_msat / MSAT_PER_SAT,
            fees,
            invoice,
            completed_at: is_over.then_some(completed_at),
            created_at: payment.created_at.saturating_mul(MS_PER_SEC),
        }
    }

    /// Of a payment that is being begun, of which there is no record yet.
    fn beginning(payment_hash: String, beginning: Beginning) -> Self {
        let Beginning { invoice, amount_msat, begun_at_secs } = beginning;
        let payment = Payment {
            id: payment_hash.clone(),
            amount_msat: Some(amount_msat),
            status: PaymentStatus::Pending.into(),
            created_at: begun_at_secs,
            ..Default::default()
        };
        Self { payment_hash: Some(payment_hash), ..Self::of(&payment, Some(invoice)) }
    }
}

fn txid(payment: &Payment) -> Option<String> {
    match payment.kind.as_ref()?.kind.as_ref()? {
        Kind::Onchain(kind) => Some(kind.txid.clone()),
        _ => None,
    }
}

fn outbound() -> ListPaymentsRequest {
    ListPaymentsRequest {
        page_size: Some(PAGE_SIZE),
        direction: Some(PaymentDirection::Outbound.into()),
        ..Default::default()
    }
}

async fn page(
    call: &Call,
    request: ListPaymentsRequest,
) -> Result<(Vec<Payment>, Option<PageToken>), Error> {
    let page = call.ask(rpc::ListPayments, request).await?;
    Ok((page.payments, page.next_page_token))
}

/// The payments with this hash. There are few: those of an invoice are one.
pub(super) async fn with_hash(call: &Call, payment_hash: &str) -> Result<Vec<Payment>, Error> {
    let request = ListPaymentsRequest { payment_hash: payment_hash.to_owned(), ..outbound() };
    Ok(page(call, request).await?.0)
}

pub(super) async fn get_by_hash(call: &Call, payment_hash: &str) -> Result<Answer, Refusal> {
    let payment_hash = hex32("paymentHash", payment_hash)?;
    // Before the records: in between it may come to be there.
    let under_way = call.phoenixd.0.under_way.find(&payment_hash);
    let found = with_hash(call, &payment_hash).await?;
    let best = found.into_iter().max_by_key(|payment| match payment.status() {
        PaymentStatus::Succeeded => 2,
        PaymentStatus::Pending => 1,
        PaymentStatus::Failed => 0,
    });
    // One that has failed is being tried again.
    let has_failed = best.as_ref().is_none_or(|payment| payment.status() == PaymentStatus::Failed);
    if let Some(beginning) = under_way.filter(|_| has_failed) {
        return Answer::json(&Outgoing::beginning(payment_hash, beginning));
    }
    one(call, best).await
}

pub(super) async fn get(call: &Call, uuid: &str) -> Result<Answer, Refusal> {
    let beginning = beginning(uuid)?;
    let mut page_token = None;
    loop {
        let (payments, next) = page(call, ListPaymentsRequest { page_token, ..outbound() }).await?;
        let found = payments.into_iter().find(|payment| payment.id.starts_with(&beginning));
        if found.is_some() || next.is_none() {
            return one(call, found).await;
        }
        page_token = next;
    }
}

async fn one(call: &Call, payment: Option<Payment>) -> Result<Answer, Refusal> {
    let rows = rows(call, payment.into_iter().collect()).await?;
    Answer::json(rows.first().ok_or(Refusal::NotFound)?)
}

pub(super) async fn list(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let mut span = Span::read(params)?;
    let (mut taken, mut page_token) = (Vec::new(), None);
    let mut wants_more = !span.is_empty();
    while wants_more {
        let created_before = span.created_before_secs();
        let request = ListPaymentsRequest { page_token, created_before, ..outbound() };
        let (payments, next) = page(call, request).await?;
        for payment in payments {
            let is_wanted = span.is_all || payment.status() != PaymentStatus::Failed;
            if wants_more && is_wanted && span.has_ms(at_ms(&payment)) {
                wants_more = span.take(&mut taken, payment);
            }
        }
        page_token = next;
        wants_more &= page_token.is_some();
    }
    Answer::json(&rows(call, taken).await?)
}

/// When it was completed, or else begun.
fn at_ms(payment: &Payment) -> u64 {
    let secs = match payment.status() {
        PaymentStatus::Pending => payment.created_at,
        PaymentStatus::Succeeded | PaymentStatus::Failed => payment.latest_update_timestamp,
    };
    secs.saturating_mul(MS_PER_SEC)
}

/// Adds the invoices, of those payments that were begun with one to be kept.
async fn rows(call: &Call, payments: Vec<Payment>) -> Result<Vec<Outgoing>, Error> {
    let look_up = move |app: &App| {
        let ids: Option<Vec<_>> = payments.iter().map(|payment| payment_id(&payment.id)).collect();
        let ids = ids.ok_or_else(|| Error::internal("a payment has no id"))?;
        let orders = app.store.pay_orders(&ids).map_err(Error::internal)?;
        let row = |(payment, order): (&Payment, Option<crate::store::PayOrder>)| {
            let invoice = order.and_then(|order| order.invstring);
            // phoenixd has invoices here, and no offers.
            let is_bolt11 = |text: &String| text.get(..3) != Some("lno");
            Outgoing::of(payment, invoice.filter(is_bolt11))
        };
        Ok(payments.iter().zip(orders).map(row).collect())
    };
    call.work("invoices of payments", look_up).await
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::types::{Bolt11, Onchain, PaymentKind};
    use serde_json::json;

    use super::*;

    fn payment(status: PaymentStatus) -> Payment {
        let kind =
            Bolt11 { hash: "aa".to_owned(), preimage: Some("bb".to_owned()), ..Default::default() };
        Payment {
            id: "00112233445566778899aabbccddeeff".repeat(2),
            kind: Some(PaymentKind { kind: Some(Kind::Bolt11(kind)) }),
            amount_msat: Some(10_000),
            fee_paid_msat: (status == PaymentStatus::Succeeded).then_some(1_001),
            status: status.into(),
            created_at: 10,
            latest_update_timestamp: 12,
            ..Default::default()
        }
    }

    #[test]
    fn a_payment_has_phoenixds_members() {
        let row = Outgoing::of(&payment(PaymentStatus::Succeeded), Some("lnbc1".to_owned()));
        let expected = json!({
            "type": "outgoing_payment",
            "subType": "lightning",
            "paymentId": "00112233-4455-6677-8899-aabbccddeeff",
            "paymentHash": "aa",
            "preimage": "bb",
            "isPaid": true,
            "sent": 11,
            "fees": 1_001,
            "invoice": "lnbc1",
            "completedAt": 12_000,
            "createdAt": 10_000,
        });
        assert_eq!(serde_json::to_value(row).unwrap(), expected);
    }

    #[test]
    fn only_what_is_over_is_complete() {
        let pending = Outgoing::of(&payment(PaymentStatus::Pending), None);
        assert!(!pending.is_paid && pending.completed_at.is_none() && pending.preimage.is_none());
        let failed = Outgoing::of(&payment(PaymentStatus::Failed), None);
        assert!(!failed.is_paid && failed.completed_at.is_some() && failed.preimage.is_none());
        let kind = Kind::Onchain(Onchain { txid: "cc".to_owned(), ..Default::default() });
        let mut sent = payment(PaymentStatus::Pending);
        sent.kind = Some(PaymentKind { kind: Some(kind) });
        let sent = Outgoing::of(&sent, None);
        assert!(sent.is_paid && sent.tx_id.as_deref() == Some("cc"));
        assert_eq!((sent.sub_type, sent.payment_hash), ("onchain", None));
    }

    #[test]
    fn what_is_being_begun_is_pending() {
        let beginning =
            Beginning { invoice: "lnbc1".to_owned(), amount_msat: 5_000, begun_at_secs: 7 };
        let row = Outgoing::beginning("ab".repeat(32), beginning);
        assert!(!row.is_paid && row.completed_at.is_none());
        assert_eq!((row.sent, row.created_at), (5, 7_000));
        assert_eq!(row.payment_hash, Some("ab".repeat(32)));
    }
}
