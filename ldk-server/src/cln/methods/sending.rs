//! Sending a payment and waiting for what comes of it, which all methods that pay have in common.

use std::time::{Duration, Instant};

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::api::WaitPaymentRequest;
use ldk_server_grpc::types::{Payment, PaymentFailureReason, PaymentOutcomeStatus};

use super::payment;
use crate::api::{MAX_WAIT_SECS, rpc};
use crate::app::App;
use crate::cln::Call;
use crate::cln::error::{RpcError, code};
use crate::error::Error;
use crate::store::PayOrder;

/// A payment that has succeeded.
pub(super) struct Paid {
    pub(super) payment: Payment,
    pub(super) preimage: String,
    pub(super) payment_hash: String,
}

impl Paid {
    pub(super) fn of(payment: Payment) -> Result<Self, RpcError> {
        let preimage = payment::preimage(&payment).ok_or_else(unknown_outcome)?;
        let payment_hash = payment::hash(&payment).ok_or_else(unknown_outcome)?;
        Ok(Self { payment, preimage, payment_hash })
    }

    pub(super) fn amount_msat(&self) -> u64 {
        self.payment.amount_msat.unwrap_or_default()
    }
}

/// Why a payment has no result.
pub(super) enum NotPaid {
    /// It has failed: nothing of it is under way.
    Failed(PaymentFailureReason, String),
    /// Something else.
    Other(RpcError),
}

impl From<NotPaid> for RpcError {
    fn from(not_paid: NotPaid) -> Self {
        match not_paid {
            NotPaid::Failed(reason, text) => {
                Self::new(failure_code(reason), format!("Failed: {text}"))
            },
            NotPaid::Other(error) => error,
        }
    }
}

/// Until when attempts are made.
pub(super) struct Attempts {
    until: Instant,
}

impl Attempts {
    pub(super) fn within(retry_for: Duration) -> Self {
        Self { until: Instant::now() + retry_for }
    }

    /// Whether to send once more after this. The library itself tries for ten seconds only; a payment
    /// that has failed is over, so that it can be sent again.
    pub(super) fn go_on(&self, not_paid: &NotPaid) -> bool {
        let is_worth_it =
            matches!(not_paid, NotPaid::Failed(PaymentFailureReason::RetriesExhausted, _));
        is_worth_it && Instant::now() < self.until
    }
}

/// Waits until a payment is over. While the server stops, what comes of it is not known.
pub(super) async fn outcome(call: &Call, payment_id: String) -> Result<Paid, NotPaid> {
    loop {
        let (payment_id, timeout_secs) = (payment_id.clone(), Some(MAX_WAIT_SECS));
        let request = WaitPaymentRequest { payment_id, timeout_secs };
        let waited = call.ask(rpc::WaitPayment, request).await;
        let waited = waited.map_err(|error| NotPaid::Other(error.into()))?;
        let outcome = waited.outcome.unwrap_or_default();
        match outcome.status() {
            PaymentOutcomeStatus::Pending => {},
            PaymentOutcomeStatus::Unknown => return Err(NotPaid::Other(unknown_outcome())),
            PaymentOutcomeStatus::Succeeded => {
                let payment = waited.payment.ok_or_else(|| NotPaid::Other(unknown_outcome()))?;
                return Paid::of(payment).map_err(NotPaid::Other);
            },
            PaymentOutcomeStatus::Failed => {
                return Err(NotPaid::Failed(outcome.failure_reason(), outcome.failure_text));
            },
        }
    }
}

pub(super) fn unknown_outcome() -> RpcError {
    RpcError::generic("the outcome of the payment is unknown; ask listpays for it")
}

/// No route, or not enough to send.
pub(super) fn no_route(reason: &str) -> RpcError {
    RpcError::new(code::PAY_ROUTE_NOT_FOUND, format!("Failed: {reason}"))
}

pub(in crate::cln) fn failure_code(reason: PaymentFailureReason) -> i64 {
    match reason {
        PaymentFailureReason::RecipientRejected | PaymentFailureReason::InvoiceRequestRejected => {
            code::PAY_DESTINATION_PERM_FAIL
        },
        PaymentFailureReason::RouteNotFound | PaymentFailureReason::NotSent => {
            code::PAY_ROUTE_NOT_FOUND
        },
        PaymentFailureReason::PaymentExpired | PaymentFailureReason::InvoiceRequestExpired => {
            code::PAY_INVOICE_EXPIRED
        },
        PaymentFailureReason::RetriesExhausted => code::PAY_STOPPED_RETRYING,
        PaymentFailureReason::Unspecified
        | PaymentFailureReason::UserAbandoned
        | PaymentFailureReason::UnexpectedError
        | PaymentFailureReason::UnknownRequiredFeatures
        | PaymentFailureReason::BlindedPathCreationFailed => code::PAY_UNSPECIFIED_ERROR,
    }
}

/// Keeps what the caller has said of a payment, for `listpays`. It is on disk before the payment is sent,
/// where its id is known by then.
pub(super) async fn keep_order(
    call: &Call,
    payment_id: &str,
    order: PayOrder,
) -> Result<(), RpcError> {
    let id = id_of(payment_id).ok_or_else(|| RpcError::internal(&"a payment has no id"))?;
    let keep = move |app: &App| app.store.keep_pay_order(id, order).map_err(Error::internal);
    call.work("keep_pay_order", keep).await
}

/// Forgets what was said of a payment that was refused before anything was sent.
pub(super) async fn forget_order(call: &Call, payment_id: &str) -> Result<(), RpcError> {
    let Some(id) = id_of(payment_id) else { return Ok(()) };
    let forget = move |app: &App| app.store.forget_pay_order(id).map_err(Error::internal);
    call.work("forget_pay_order", forget).await
}

/// The id of a payment in its text.
pub(super) fn id_of(text: &str) -> Option<PaymentId> {
    let mut id = [0; 32];
    hex::decode_to_slice(text, &mut id).ok()?;
    Some(PaymentId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ran_out_of_time_is_tried_again() {
        let failed = |reason| NotPaid::Failed(reason, String::new());
        let attempts = Attempts::within(Duration::from_secs(60));
        assert!(attempts.go_on(&failed(PaymentFailureReason::RetriesExhausted)));
        assert!(!attempts.go_on(&failed(PaymentFailureReason::RecipientRejected)));
        assert!(!attempts.go_on(&failed(PaymentFailureReason::RouteNotFound)));
        assert!(!attempts.go_on(&NotPaid::Other(unknown_outcome())));
        let over = Attempts::within(Duration::ZERO);
        assert!(!over.go_on(&failed(PaymentFailureReason::RetriesExhausted)));
    }

    #[test]
    fn a_failure_has_the_number_of_core_lightning() {
        let code = |reason| RpcError::from(NotPaid::Failed(reason, String::new())).code;
        assert_eq!(code(PaymentFailureReason::RecipientRejected), 203);
        assert_eq!(code(PaymentFailureReason::RouteNotFound), 205);
        assert_eq!(code(PaymentFailureReason::PaymentExpired), 207);
        assert_eq!(code(PaymentFailureReason::RetriesExhausted), 210);
        assert_eq!(code(PaymentFailureReason::UnexpectedError), 209);
    }
}
