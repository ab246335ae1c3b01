//! `pay` and `xpay`: BOLT 11 invoices, until the outcome is known.

use ldk_node::lightning_types::payment::PaymentHash;
use ldk_server_grpc::api::{
    Bolt11SendRequest, DecodeInvoiceRequest, DecodeInvoiceResponse, WaitPaymentRequest,
};
use ldk_server_grpc::types::{
    Payment, PaymentFailureReason, PaymentOutcomeStatus, PaymentStatus, RouteParametersConfig,
};
use serde::Serialize;
use serde_json::Value;

use super::listpays::sent;
use super::{Method, payment};
use crate::api::{MAX_WAIT_SECS, rpc};
use crate::cln::Call;
use crate::cln::args::{Args, Msat, Param};
use crate::cln::error::{RpcError, code};
use crate::clock::unix_secs;
use crate::error::Error;

/// A parameter that is read so that it may be given, and that the library has no use for.
struct Unused;

impl Param for Unused {
    const EXPECTED: &'static str = "a value";

    fn read(_: &Value) -> Option<Self> {
        Some(Self)
    }
}

/// The most that a route may cost.
enum FeeLimit {
    Msat(u64),
    /// A share of the amount, or an amount below which fees need no share.
    Share {
        percent: f64,
        exempt_msat: u64,
    },
}

impl FeeLimit {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of an amount is rounded down, and a cast of a float saturates"
    )]
    fn msat(&self, amount_msat: u64) -> u64 {
        match *self {
            Self::Msat(msat) => msat,
            Self::Share { percent, exempt_msat } => {
                exempt_msat.max((amount_msat as f64 * percent / 100.0) as u64)
            },
        }
    }
}

/// What is to be paid, and at what cost.
struct Order {
    invoice: String,
    amount_msat: Option<u64>,
    fee_limit: FeeLimit,
    max_delay_blocks: u32,
}

/// A payment that has succeeded.
struct Paid {
    payment: Payment,
    preimage: String,
    amount_msat: u64,
    destination: String,
    payment_hash: String,
}

impl Order {
    async fn decode(&self, call: &Call) -> Result<DecodeInvoiceResponse, RpcError> {
        let request = DecodeInvoiceRequest { invoice: self.invoice.clone() };
        let decoded = call.ask(rpc::DecodeInvoice, request).await;
        decoded.map_err(|error| match error {
            Error::InvalidArgument { reason, .. } => {
                RpcError::params(format!("Invalid bolt11 invoice: {reason}"))
            },
            other => other.into(),
        })
    }

    /// The amount to pay, which must be known from one side only.
    fn amount_msat(&self, invoice: &DecodeInvoiceResponse) -> Result<u64, RpcError> {
        match (invoice.amount_msat, self.amount_msat) {
            (Some(_), Some(_)) => Err(RpcError::params("amount_msat parameter unnecessary")),
            (None, None) => Err(RpcError::params("amount_msat parameter required")),
            (asked, chosen) => Ok(asked.or(chosen).unwrap_or_default()),
        }
    }

    /// Pays, unless the same invoice was paid or is being paid: then the outcome is that of the earlier
    /// payment.
    async fn pay(self, call: &Call, repeated: Repeated) -> Result<Paid, RpcError> {
        let invoice = self.decode(call).await?;
        let paid = |payment: Payment, amount_msat: u64| -> Result<Paid, RpcError> {
            let preimage = payment::preimage(&payment).ok_or_else(unknown_outcome)?;
            let (destination, payment_hash) =
                (invoice.destination.clone(), invoice.payment_hash.clone());
            Ok(Paid { payment, preimage, amount_msat, destination, payment_hash })
        };
        let earlier = sent(call, Some(invoice.payment_hash.clone()), None).await?;
        let of_status = |status: PaymentStatus| {
            earlier.iter().find(|payment| payment.status() == status).cloned()
        };
        if let Some(succeeded) = of_status(PaymentStatus::Succeeded) {
            return match repeated {
                Repeated::AnsweredAgain => {
                    let amount_msat = succeeded.amount_msat.unwrap_or_default();
                    paid(succeeded, amount_msat)
                },
                Repeated::Refused => Err(RpcError::new(
                    code::PAY_INJECTPAYMENTONION_ALREADY_PAID,
                    "Already paid this invoice successfully",
                )),
            };
        }
        let amount_msat = self.amount_msat(&invoice)?;
        let id = match of_status(PaymentStatus::Pending) {
            Some(pending) => pending.id,
            None => self.send(call, &invoice, amount_msat).await?,
        };
        paid(outcome(call, id).await?, amount_msat)
    }

    /// Begins to pay, and returns the id of the payment.
    async fn send(
        self,
        call: &Call,
        invoice: &DecodeInvoiceResponse,
        amount_msat: u64,
    ) -> Result<String, RpcError> {
        let expired_at = invoice.timestamp.saturating_add(invoice.expiry);
        if invoice.is_expired {
            let secs = unix_secs().saturating_sub(expired_at);
            let reason = format!("Invoice expired {secs} seconds ago");
            return Err(RpcError::new(code::PAY_INVOICE_EXPIRED, reason));
        }
        let request = Bolt11SendRequest {
            invoice: self.invoice,
            amount_msat: self.amount_msat,
            route_parameters: Some(RouteParametersConfig {
                max_total_routing_fee_msat: Some(self.fee_limit.msat(amount_msat)),
                max_total_cltv_expiry_delta: self.max_delay_blocks,
                ..Default::default()
            }),
            ..Default::default()
        };
        match call.ask(rpc::Bolt11Send, request).await {
            Ok(begun) => Ok(begun.payment_id),
            Err(Error::FailedPrecondition(reason)) if !is_paid_otherwise(call, invoice)? => {
                let reason = format!("Failed: {reason}");
                Err(RpcError::new(code::PAY_ROUTE_NOT_FOUND, reason))
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// What comes of paying an invoice again that was paid.
#[derive(Clone, Copy)]
enum Repeated {
    AnsweredAgain,
    Refused,
}

/// Whether the invoice is part of a payment request of which something else was paid.
fn is_paid_otherwise(call: &Call, invoice: &DecodeInvoiceResponse) -> Result<bool, Error> {
    let mut hash = [0; 32];
    hex::decode_to_slice(&invoice.payment_hash, &mut hash).map_err(Error::internal)?;
    let app = call.cln.0.dispatcher.app()?;
    Ok(app.payment_requests.paid_by(PaymentHash(hash)).is_some())
}

/// Waits until a payment is over. While the server stops, what comes of it is not known.
async fn outcome(call: &Call, payment_id: String) -> Result<Payment, RpcError> {
    loop {
        let (payment_id, timeout_secs) = (payment_id.clone(), Some(MAX_WAIT_SECS));
        let request = WaitPaymentRequest { payment_id, timeout_secs };
        let waited = call.ask(rpc::WaitPayment, request).await?;
        let outcome = waited.outcome.unwrap_or_default();
        match outcome.status() {
            PaymentOutcomeStatus::Pending => {},
            PaymentOutcomeStatus::Unknown => return Err(unknown_outcome()),
            PaymentOutcomeStatus::Succeeded => return waited.payment.ok_or_else(unknown_outcome),
            PaymentOutcomeStatus::Failed => {
                return Err(RpcError::new(
                    failure_code(outcome.failure_reason()),
                    format!("Failed: {}", outcome.failure_text),
                ));
            },
        }
    }
}

fn unknown_outcome() -> RpcError {
    RpcError::generic("the outcome of the payment is unknown; ask listpays for it")
}

/// The number of a failure.
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

const ONE_NODE_PAYS: &str = "the node library pays an invoice as a whole";

/// `pay`.
pub(super) struct Pay(Order);

#[derive(Serialize)]
pub(super) struct PayAnswer {
    payment_preimage: String,
    status: &'static str,
    amount_msat: u64,
    amount_sent_msat: u64,
    destination: String,
    payment_hash: String,
    created_at: u64,
    parts: u32,
}

impl Method for Pay {
    const NAME: &'static str = "pay";
    const USAGE: &'static str = "bolt11 [amount_msat] [label] [riskfactor] [maxfeepercent] [retry_for] \
                                 [maxdelay] [exemptfee] [localinvreqid] [exclude] [maxfee] \
                                 [description] [partial_msat]";
    type Answer = PayAnswer;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["partial_msat"], ONE_NODE_PAYS)?;
        args.refuse(&["exclude", "localinvreqid"], "the node library finds routes by itself")?;
        for unused in ["label", "riskfactor", "retry_for", "description"] {
            args.optional::<Unused>(unused)?;
        }
        let max_fee = args.optional::<Msat>("maxfee")?;
        let percent: Option<f64> = args.optional("maxfeepercent")?;
        let exempt = args.optional::<Msat>("exemptfee")?;
        if max_fee.is_some() && (percent.is_some() || exempt.is_some()) {
            let reason = "If you specify maxfee, cannot specify maxfeepercent or exemptfee.";
            return Err(RpcError::params(reason));
        }
        let share = || FeeLimit::Share {
            percent: percent.unwrap_or(0.5),
            exempt_msat: exempt.map_or(5_000, |msat| msat.0),
        };
        Ok(Self(Order {
            invoice: args.required("bolt11")?,
            amount_msat: args.optional::<Msat>("amount_msat")?.map(|msat| msat.0),
            fee_limit: max_fee.map_or_else(share, |msat| FeeLimit::Msat(msat.0)),
            max_delay_blocks: args.optional::<u16>("maxdelay")?.unwrap_or_default().into(),
        }))
    }

    async fn run(self, call: Call) -> Result<PayAnswer, RpcError> {
        let paid = self.0.pay(&call, Repeated::AnsweredAgain).await?;
        Ok(PayAnswer {
            status: "complete",
            amount_sent_msat: payment::sent_msat(&paid.payment),
            created_at: paid.payment.created_at,
            payment_preimage: paid.preimage,
            amount_msat: paid.amount_msat,
            destination: paid.destination,
            payment_hash: paid.payment_hash,
            // How many there were is not known.
            parts: 1,
        })
    }
}

/// `xpay`.
pub(super) struct Xpay(Order);

#[derive(Serialize)]
pub(super) struct XpayAnswer {
    payment_preimage: String,
    amount_msat: u64,
    amount_sent_msat: u64,
    /// Of those that failed nothing is known.
    failed_parts: u32,
    successful_parts: u32,
}

impl Method for Xpay {
    const NAME: &'static str = "xpay";
    const USAGE: &'static str = "invstring [amount_msat] [maxfee] [layers] [retry_for] [partial_msat] \
                                 [maxdelay] [payer_note] [label]";
    type Answer = XpayAnswer;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["partial_msat"], ONE_NODE_PAYS)?;
        args.refuse(&["layers"], "the node library finds routes by itself")?;
        args.refuse(&["payer_note"], "a BOLT 11 invoice has no room for it")?;
        for unused in ["retry_for", "label"] {
            args.optional::<Unused>(unused)?;
        }
        let share = FeeLimit::Share { percent: 1.0, exempt_msat: 5_000 };
        let max_fee = args.optional::<Msat>("maxfee")?;
        Ok(Self(Order {
            invoice: args.required("invstring")?,
            amount_msat: args.optional::<Msat>("amount_msat")?.map(|msat| msat.0),
            fee_limit: max_fee.map_or(share, |msat| FeeLimit::Msat(msat.0)),
            max_delay_blocks: args.optional::<u16>("maxdelay")?.unwrap_or_default().into(),
        }))
    }

    async fn run(self, call: Call) -> Result<XpayAnswer, RpcError> {
        let paid = self.0.pay(&call, Repeated::Refused).await?;
        Ok(XpayAnswer {
            payment_preimage: paid.preimage,
            amount_msat: paid.amount_msat,
            amount_sent_msat: payment::sent_msat(&paid.payment),
            failed_parts: 0,
            successful_parts: 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pay(params: Value) -> Result<Pay, RpcError> {
        Pay::read(&Args::of(Pay::USAGE, Some(params))?)
    }

    #[test]
    fn fees_are_limited_as_core_lightning_limits_them() {
        let limit = |params, amount_msat| pay(params).unwrap().0.fee_limit.msat(amount_msat);
        assert_eq!(limit(json!(["lnbc"]), 1_000), 5_000);
        assert_eq!(limit(json!(["lnbc"]), 100_000_000), 500_000);
        assert_eq!(limit(json!({"bolt11": "lnbc", "maxfeepercent": "1", "exemptfee": 0}), 100), 1);
        assert_eq!(limit(json!({"bolt11": "lnbc", "maxfee": "1sat"}), 100), 1_000);
        let xpay = Xpay::read(&Args::of(Xpay::USAGE, Some(json!(["lnbc"]))).unwrap()).unwrap();
        assert_eq!(xpay.0.fee_limit.msat(10_000_000), 100_000);
    }

    #[test]
    fn what_would_be_passed_over_is_refused() {
        for params in [
            json!({"bolt11": "lnbc", "partial_msat": 1}),
            json!({"bolt11": "lnbc", "exclude": []}),
            json!({"bolt11": "lnbc", "maxfee": 1, "exemptfee": 1}),
        ] {
            assert_eq!(pay(params).err().unwrap().code, code::INVALID_PARAMS);
        }
        pay(json!({"bolt11": "lnbc", "retry_for": 60, "label": "l", "description": "d"})).unwrap();
    }
}
