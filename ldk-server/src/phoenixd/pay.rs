//! `payinvoice` and `payoffer`.

use ldk_server_grpc::api::{
    Bolt11SendRequest, Bolt11SendResponse, Bolt12SendRequest, DecodeInvoiceResponse,
    WaitPaymentRequest,
};
use ldk_server_grpc::types::offer_amount::Amount;
use ldk_server_grpc::types::{Payment, PaymentFailureReason, PaymentOutcomeStatus, PaymentStatus};
use serde::Serialize;

use super::Call;
use super::answer::{Answer, Refusal};
use super::channels::{Channels, NO_ROUTE};
use super::fee::FeeLimit;
use super::ids::{payment_id, uuid};
use super::params::Params;
use super::under_way::{Beginning, Guard};
use super::{decode, outgoing};
use crate::api::{MAX_WAIT_SECS, rpc};
use crate::app::App;
use crate::clock::unix_secs;
use crate::error::Error;
use crate::store::PayOrder;
use crate::wire;

const MSAT_PER_SAT: u64 = 1_000;
const ALREADY_PAID: &str = "this invoice has already been paid";

/// A payment that has succeeded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentSent {
    recipient_amount_sat: u64,
    routing_fee_sat: u64,
    payment_id: String,
    payment_hash: String,
    payment_preimage: String,
}

/// A payment of which nothing is under way.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentFailed {
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer_id: Option<String>,
    reason: String,
}

/// Which payment has failed.
#[derive(Clone)]
pub(super) enum Of {
    Hash(String),
    Offer(String),
}

/// An answer that says that nothing was paid, and nothing will be.
pub(super) fn failed(of: Of, reason: impl Into<String>) -> Result<Answer, Refusal> {
    let (payment_hash, offer_id) = match of {
        Of::Hash(hash) => (Some(hash), None),
        Of::Offer(id) => (None, Some(id)),
    };
    Answer::json(&PaymentFailed { payment_hash, offer_id, reason: reason.into() })
}

pub(super) async fn pay_invoice(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let (chosen_msat, fee_limit) = (params.amount_msat()?, call.fee_limit().or_of(params)?);
    let invoice = params.required("invoice")?;
    let decoded = decode::decode_invoice(call, invoice).await?;
    let amount_msat = chosen_msat.or(decoded.amount_msat);
    let amount_msat = amount_msat.ok_or_else(|| Refusal::missing("amountSat"))?;
    InvoiceOrder { invoice, decoded: &decoded, chosen_msat, amount_msat, fee_limit }.pay(call).await
}

/// An invoice that is to be paid.
struct InvoiceOrder<'a> {
    invoice: &'a str,
    decoded: &'a DecodeInvoiceResponse,
    chosen_msat: Option<u64>,
    amount_msat: u64,
    fee_limit: FeeLimit,
}

impl InvoiceOrder<'_> {
    /// Pays, unless the invoice was paid. If it is being paid, the answer is what comes of that.
    async fn pay(&self, call: &Call) -> Result<Answer, Refusal> {
        let hash = &self.decoded.payment_hash;
        let of = Of::Hash(hash.clone());
        let guard = call.phoenixd.0.under_way.begin(hash, self.beginning());
        let earlier = outgoing::with_hash(call, hash).await?;
        if has_status(&earlier, PaymentStatus::Succeeded).is_some() {
            return failed(of, ALREADY_PAID);
        }
        if let Some(pending) = has_status(&earlier, PaymentStatus::Pending) {
            return outcome(call, pending.id.clone(), of).await;
        }
        keep_order(call, hash, self.order()).await?;
        let request = Bolt11SendRequest {
            invoice: self.invoice.to_owned(),
            amount_msat: self.chosen_msat,
            route_parameters: Some(self.fee_limit.route(self.amount_msat)),
            ..Default::default()
        };
        match begin(call.clone(), guard, request).await {
            Ok(begun) => outcome(call, begun.payment_id, of).await,
            Err(refused) => self.refused(call, refused, of).await,
        }
    }

    /// What is answered if the payment was not begun. Somebody else may have begun it meanwhile.
    async fn refused(&self, call: &Call, refused: Error, of: Of) -> Result<Answer, Refusal> {
        let now = outgoing::with_hash(call, &self.decoded.payment_hash).await?;
        if has_status(&now, PaymentStatus::Succeeded).is_some() {
            return failed(of, ALREADY_PAID);
        }
        if let Some(pending) = has_status(&now, PaymentStatus::Pending) {
            return outcome(call, pending.id.clone(), of).await;
        }
        if now.is_empty() {
            forget_order(call, &self.decoded.payment_hash).await?;
        }
        if self.is_expired() {
            return failed(of, "the invoice has expired");
        }
        not_sent(call, refused, of, self.amount_msat).await
    }

    fn is_expired(&self) -> bool {
        unix_secs() >= self.decoded.timestamp.saturating_add(self.decoded.expiry)
    }

    fn beginning(&self) -> Beginning {
        let (invoice, amount_msat) = (self.invoice.to_owned(), self.amount_msat);
        Beginning { invoice, amount_msat, begun_at_secs: unix_secs() }
    }

    fn order(&self) -> PayOrder {
        PayOrder {
            invstring: Some(self.invoice.to_owned()),
            label: None,
            description: self.decoded.description.clone(),
            destination: Some(self.decoded.destination.clone()),
        }
    }
}

/// Begins a payment. If the client hangs up meanwhile, only the guard tells of the payment until the library
/// has written it down, or has not begun it.
async fn begin(
    call: Call,
    guard: Guard,
    request: Bolt11SendRequest,
) -> Result<Bolt11SendResponse, Error> {
    let sending = async move {
        let begun = call.ask(rpc::Bolt11Send, request).await;
        drop(guard);
        begun
    };
    tokio::spawn(sending).await.unwrap_or_else(|failed| Err(Error::internal(failed)))
}

pub(super) async fn pay_offer(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let (chosen_msat, fee_limit) = (params.amount_msat()?, call.fee_limit().or_of(params)?);
    let note = params.text("message").filter(|note| !note.is_empty());
    let offer = params.required("offer")?;
    pay_this_offer(call, offer, chosen_msat, note, fee_limit).await
}

/// Pays an offer. Each time that is another payment.
pub(super) async fn pay_this_offer(
    call: &Call,
    offer: &str,
    chosen_msat: Option<u64>,
    note: Option<&str>,
    fee_limit: FeeLimit,
) -> Result<Answer, Refusal> {
    let decoded = decode::decode_offer(call, offer).await?;
    let asked_msat = match decoded.amount.and_then(|amount| amount.amount) {
        Some(Amount::BitcoinAmountMsats(msat)) => Some(msat),
        _ => None,
    };
    let amount_msat = chosen_msat.or(asked_msat).ok_or_else(|| Refusal::missing("amountSat"))?;
    let of = Of::Offer(decoded.offer_id);
    let request = Bolt12SendRequest {
        offer: offer.to_owned(),
        amount_msat: chosen_msat,
        payer_note: note.map(str::to_owned),
        route_parameters: Some(fee_limit.route(amount_msat)),
        ..Default::default()
    };
    match call.ask(rpc::Bolt12Send, request).await {
        Ok(begun) => {
            let invstring = Some(offer.to_owned());
            let order =
                PayOrder { invstring, description: decoded.description, ..Default::default() };
            keep_order(call, &begun.payment_id, order).await?;
            outcome(call, begun.payment_id, of).await
        },
        Err(refused) => not_sent(call, refused, of, amount_msat).await,
    }
}

/// What is answered if a payment was not begun, and nobody else has begun it.
pub(super) async fn not_sent(
    call: &Call,
    refused: Error,
    of: Of,
    amount_msat: u64,
) -> Result<Answer, Refusal> {
    match refused {
        Error::FailedPrecondition(reason) => {
            let is_of_node = reason.contains("this node's own");
            let why = Channels::of(call).await.map_or(NO_ROUTE, |all| all.why_not(amount_msat));
            failed(of, if is_of_node { reason } else { why.to_owned() })
        },
        // The caller may call, and what this would have cost was too much.
        Error::PermissionDenied(reason) => failed(of, reason),
        other => Err(other.into()),
    }
}

/// Waits until a payment is over, and tells what has come of it.
pub(super) async fn outcome(call: &Call, payment_id: String, of: Of) -> Result<Answer, Refusal> {
    loop {
        let (payment_id, timeout_secs) = (payment_id.clone(), Some(MAX_WAIT_SECS));
        let request = WaitPaymentRequest { payment_id, timeout_secs };
        let waited = call.ask(rpc::WaitPayment, request).await?;
        let outcome = waited.outcome.unwrap_or_default();
        match outcome.status() {
            PaymentOutcomeStatus::Pending => {},
            PaymentOutcomeStatus::Unknown => return Err(Refusal::OutcomeUnknown),
            PaymentOutcomeStatus::Succeeded => return sent(waited.payment),
            PaymentOutcomeStatus::Failed => {
                let reason = reason(outcome.failure_reason(), &outcome.failure_text);
                // An offer was not answered, or its invoice was not paid.
                let hash = waited.payment.as_ref().and_then(wire::payment::hash);
                return failed(hash.map_or(of, Of::Hash), reason);
            },
        }
    }
}

fn sent(payment: Option<Payment>) -> Result<Answer, Refusal> {
    let payment = payment.ok_or(Refusal::OutcomeUnknown)?;
    let fee_msat = payment.fee_paid_msat.unwrap_or_default();
    Answer::json(&PaymentSent {
        recipient_amount_sat: payment.amount_msat.unwrap_or_default() / MSAT_PER_SAT,
        routing_fee_sat: fee_msat / MSAT_PER_SAT,
        payment_id: uuid(&payment.id),
        payment_hash: wire::payment::hash(&payment).ok_or(Refusal::OutcomeUnknown)?,
        payment_preimage: wire::payment::preimage(&payment).ok_or(Refusal::OutcomeUnknown)?,
    })
}

/// Why a payment has failed: in phoenixd's words, where programs compare them.
fn reason(reason: PaymentFailureReason, text: &str) -> String {
    match reason {
        PaymentFailureReason::RouteNotFound | PaymentFailureReason::NotSent => NO_ROUTE.to_owned(),
        PaymentFailureReason::RetriesExhausted => {
            "the recipient was offline or did not have enough \
                                                   liquidity to receive the payment"
                .to_owned()
        },
        _ => text.to_owned(),
    }
}

fn has_status(payments: &[Payment], status: PaymentStatus) -> Option<&Payment> {
    payments.iter().find(|payment| payment.status() == status)
}

/// Keeps what is paid, for the lists of payments.
pub(super) async fn keep_order(call: &Call, payment: &str, order: PayOrder) -> Result<(), Error> {
    let id = payment_id(payment).ok_or_else(|| Error::internal("a payment has no id"))?;
    let keep = move |app: &App| app.store.keep_pay_order(id, order).map_err(Error::internal);
    call.work("keep_pay_order", keep).await
}

async fn forget_order(call: &Call, payment: &str) -> Result<(), Error> {
    let Some(id) = payment_id(payment) else { return Ok(()) };
    let forget = move |app: &App| app.store.forget_pay_order(id).map_err(Error::internal);
    call.work("forget_pay_order", forget).await
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::types::payment_kind::Kind;
    use ldk_server_grpc::types::{Bolt11, PaymentKind};
    use serde_json::{Value, json};

    use super::*;

    fn json_of(answer: Result<Answer, Refusal>) -> Value {
        match answer.unwrap() {
            Answer::Json(json) => serde_json::from_str(&json).unwrap(),
            Answer::Text(text) => panic!("{text}"),
        }
    }

    #[test]
    fn what_was_paid_has_phoenixds_members() {
        let kind =
            Bolt11 { hash: "aa".to_owned(), preimage: Some("bb".to_owned()), ..Default::default() };
        let payment = Payment {
            id: "00112233445566778899aabbccddeeff".repeat(2),
            kind: Some(PaymentKind { kind: Some(Kind::Bolt11(kind)) }),
            amount_msat: Some(10_999),
            fee_paid_msat: Some(1_999),
            ..Default::default()
        };
        let expected = json!({
            "recipientAmountSat": 10,
            "routingFeeSat": 1,
            "paymentId": "00112233-4455-6677-8899-aabbccddeeff",
            "paymentHash": "aa",
            "paymentPreimage": "bb",
        });
        assert_eq!(json_of(sent(Some(payment.clone()))), expected);
        let without_proof = Payment { kind: None, ..payment };
        assert!(matches!(sent(Some(without_proof)), Err(Refusal::OutcomeUnknown)));
        assert!(matches!(sent(None), Err(Refusal::OutcomeUnknown)));
    }

    #[test]
    fn what_has_failed_says_why_in_phoenixds_words() {
        let of_invoice = json_of(failed(Of::Hash("aa".to_owned()), ALREADY_PAID));
        let expected = json!({"paymentHash": "aa", "reason": "this invoice has already been paid"});
        assert_eq!(of_invoice, expected);
        let of_offer = json_of(failed(Of::Offer("bb".to_owned()), "x"));
        assert_eq!(of_offer, json!({"offerId": "bb", "reason": "x"}));
        assert_eq!(reason(PaymentFailureReason::RouteNotFound, "x"), NO_ROUTE);
        let offline = reason(PaymentFailureReason::RetriesExhausted, "x");
        assert!(offline.starts_with("the recipient was offline"), "{offline}");
        assert_eq!(reason(PaymentFailureReason::RecipientRejected, "x"), "x");
    }
}
