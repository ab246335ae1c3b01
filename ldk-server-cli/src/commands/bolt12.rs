//! BOLT 12 offers.

use clap::Args;
use ldk_server_grpc::api::{Bolt12ReceiveRequest, Bolt12SendRequest};

use crate::amount::Amount;
use crate::args::{NoteArgs, Notes, OnceArgs, PaymentNoteArgs, RouteArgs, WaitArgs};

unary_commands!(Commands {
    Bolt12Receive => bolt12_receive shows offer,
    Bolt12Send => bolt12_send as waiting,
});

/// Create an offer, which can be paid more than once
#[derive(Debug, Args)]
pub(crate) struct Bolt12Receive {
    /// Text that the payer is shown
    #[arg(allow_hyphen_values = true)]
    description: String,

    /// Amount for each item, with its unit (sat or msat); without it the payer chooses
    amount: Option<Amount>,

    /// How long the offer can be paid, in seconds [default: for ever]
    #[arg(long, value_name = "SECONDS")]
    expiry_secs: Option<u32>,

    /// Maximum number of items in one payment; needs an amount [default: one, not counted]
    #[arg(long, value_name = "NUMBER")]
    quantity: Option<u64>,

    #[command(flatten)]
    pub(crate) notes: NoteArgs,
}

impl From<Bolt12Receive> for Bolt12ReceiveRequest {
    fn from(command: Bolt12Receive) -> Self {
        let Notes { label, external_id, metadata } = command.notes.notes();
        Self {
            description: command.description,
            amount_msat: command.amount.map(Amount::msat),
            expiry_secs: command.expiry_secs,
            quantity: command.quantity,
            label,
            external_id,
            metadata,
        }
    }
}

/// Pay an offer
///
/// Prints the payment's id as soon as the invoice is requested. `get-payment-details` and `events`
/// show the outcome. Each call is a new payment: an offer can be paid twice.
#[derive(Debug, Args)]
pub(crate) struct Bolt12Send {
    /// Offer to pay
    offer: String,

    /// Amount with its unit (sat or msat); needed if the offer names none
    amount: Option<Amount>,

    /// Number of items to pay for
    #[arg(short, long, value_name = "NUMBER")]
    quantity: Option<u64>,

    /// Note to the payee
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    payer_note: Option<String>,

    /// Pay the amount even if it is more than twice the offer's
    #[arg(long)]
    allow_overpayment: bool,

    #[command(flatten)]
    route: RouteArgs,

    #[command(flatten)]
    once: OnceArgs,

    #[command(flatten)]
    wait: WaitArgs,

    #[command(flatten)]
    notes: PaymentNoteArgs,
}

impl From<Bolt12Send> for Bolt12SendRequest {
    fn from(command: Bolt12Send) -> Self {
        let (label, metadata) = command.notes.notes();
        Self {
            offer: command.offer,
            amount_msat: command.amount.map(Amount::msat),
            quantity: command.quantity,
            payer_note: command.payer_note,
            route_parameters: Some(command.route.into()),
            allow_overpayment: command.allow_overpayment,
            idempotency_key: command.once.key(),
            wait_timeout_secs: command.wait.secs(),
            label: label.unwrap_or_default(),
            metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{default_route, request};

    #[test]
    fn an_offer_has_a_description_and_may_have_limits() {
        let request = request::<Bolt12Receive, Bolt12ReceiveRequest>;
        let plain = Bolt12ReceiveRequest {
            description: "tea".to_owned(),
            amount_msat: None,
            expiry_secs: None,
            quantity: None,
            ..Default::default()
        };
        assert_eq!(request("tea"), Ok(plain.clone()));
        assert_eq!(
            request("tea 3sat --expiry-secs 60 --quantity 5"),
            Ok(Bolt12ReceiveRequest {
                amount_msat: Some(3_000),
                expiry_secs: Some(60),
                quantity: Some(5),
                ..plain
            })
        );
    }

    #[test]
    fn texts_may_begin_with_a_dash() {
        let offer = request::<Bolt12Receive, Bolt12ReceiveRequest>;
        assert_eq!(offer("-5% 3sat --quantity 5").unwrap().description, "-5%");
        assert_eq!(offer("--tea--").unwrap().description, "--tea--");
        let paid = request::<Bolt12Send, Bolt12SendRequest>;
        let note = paid("lno1 --payer-note --thanks -q 2").unwrap();
        assert_eq!((note.payer_note.as_deref(), note.quantity), (Some("--thanks"), Some(2)));
    }

    #[test]
    fn an_offer_is_paid_with_quantity_and_note() {
        let request = request::<Bolt12Send, Bolt12SendRequest>;
        let plain = Bolt12SendRequest {
            offer: "lno1".to_owned(),
            amount_msat: None,
            quantity: None,
            payer_note: None,
            route_parameters: Some(default_route()),
            allow_overpayment: false,
            ..Default::default()
        };
        assert_eq!(request("lno1"), Ok(plain.clone()));
        assert!(request("lno1 7msat --allow-overpayment").unwrap().allow_overpayment);
        let full = Bolt12SendRequest {
            amount_msat: Some(7),
            quantity: Some(2),
            payer_note: Some("thanks".to_owned()),
            ..plain
        };
        assert_eq!(request("lno1 7msat -q 2 -p thanks"), Ok(full.clone()));
        assert_eq!(request("lno1 7msat --quantity 2 --payer-note thanks"), Ok(full));
    }
}
