//! BOLT 12 refunds.

use clap::Args;
use ldk_server_grpc::api::{ClaimRefundRequest, CreateRefundRequest};

use crate::amount::Amount;
use crate::args::{OnceArgs, PaymentNoteArgs, RouteArgs};

unary_commands!(Commands {
    CreateRefund => create_refund,
    ClaimRefund => claim_refund,
});

/// Create a refund, which pays the first who claims it
///
/// Whoever has the text can claim the money. `get-payment-details` and `events` show the outcome.
#[derive(Debug, Args)]
pub(crate) struct CreateRefund {
    /// Amount to pay, with its unit (sat or msat)
    amount: Amount,

    /// How long the refund can be claimed, in seconds [default: a day]
    #[arg(long, value_name = "SECONDS")]
    expiry_secs: Option<u32>,

    /// Number of items that are refunded
    #[arg(short, long, value_name = "NUMBER")]
    quantity: Option<u64>,

    /// Note to the payee
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    payer_note: Option<String>,

    #[command(flatten)]
    route: RouteArgs,

    #[command(flatten)]
    once: OnceArgs,

    #[command(flatten)]
    notes: PaymentNoteArgs,
}

impl From<CreateRefund> for CreateRefundRequest {
    fn from(command: CreateRefund) -> Self {
        let (label, metadata) = command.notes.notes();
        Self {
            amount_msat: command.amount.msat(),
            expiry_secs: command.expiry_secs,
            quantity: command.quantity,
            payer_note: command.payer_note,
            route_parameters: Some(command.route.into()),
            idempotency_key: command.once.key(),
            label: label.unwrap_or_default(),
            metadata,
        }
    }
}

/// Claim a refund: send its maker an invoice
///
/// `get-payment-details` and `events` show when the payment arrives.
#[derive(Debug, Args)]
pub(crate) struct ClaimRefund {
    /// Refund to claim
    refund: String,
}

impl From<ClaimRefund> for ClaimRefundRequest {
    fn from(command: ClaimRefund) -> Self {
        Self { refund: command.refund }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{default_route, request};

    #[test]
    fn a_refund_has_an_amount_and_may_have_more() {
        let request = request::<CreateRefund, CreateRefundRequest>;
        let plain = CreateRefundRequest {
            amount_msat: 3_000,
            expiry_secs: None,
            quantity: None,
            payer_note: None,
            route_parameters: Some(default_route()),
            ..Default::default()
        };
        assert_eq!(request("3sat"), Ok(plain.clone()));
        let full = CreateRefundRequest {
            expiry_secs: Some(60),
            quantity: Some(2),
            payer_note: Some("--sorry".to_owned()),
            ..plain
        };
        assert_eq!(request("3sat --expiry-secs 60 -q 2 -p --sorry"), Ok(full));
    }

    #[test]
    fn a_refund_is_claimed() {
        let expected = ClaimRefundRequest { refund: "lnr1".to_owned() };
        assert_eq!(request::<ClaimRefund, ClaimRefundRequest>("lnr1"), Ok(expected));
    }
}
