//! BOLT 11 invoices.

use clap::Args;
use ldk_server_grpc::api::{Bolt11ReceiveRequest, Bolt11SendRequest, Bolt11SendUnderpayingRequest};

use crate::amount::Amount;
use crate::args::{
    DescriptionArgs, NoteArgs, Notes, OnceArgs, PaymentNoteArgs, RouteArgs, WaitArgs,
};
use crate::failure::Failure;

unary_commands!(ReceiveCommands {
    Bolt11Receive => bolt11_receive shows invoice,
});

unary_commands!(SendCommands {
    Bolt11Send => bolt11_send as waiting,
    Bolt11SendUnderpaying => bolt11_send_underpaying,
});

/// Create an invoice
#[derive(Debug, Args)]
pub(crate) struct Bolt11Receive {
    /// Amount with its unit (sat or msat); without it the payer chooses
    amount: Option<Amount>,

    #[command(flatten)]
    description: DescriptionArgs,

    /// Preimage of your choice, as hex; the server claims the payment with it. Other users of this
    /// machine can see it while the command runs, and shells keep it in their history
    #[arg(long, value_name = "HEX")]
    preimage: Option<String>,

    #[command(flatten)]
    pub(crate) notes: NoteArgs,
}

impl TryFrom<Bolt11Receive> for Bolt11ReceiveRequest {
    type Error = Failure;

    fn try_from(command: Bolt11Receive) -> Result<Self, Failure> {
        let Notes { label, external_id, metadata } = command.notes.notes();
        Ok(Self {
            amount_msat: command.amount.map(Amount::msat),
            expiry_secs: command.description.expiry_secs,
            description: command.description.description()?,
            label,
            external_id,
            metadata,
            preimage: command.preimage.unwrap_or_default(),
        })
    }
}

/// Pay an invoice
///
/// Prints the payment's id as soon as the payment is sent. `get-payment-details` and `events` show the
/// outcome.
#[derive(Debug, Args)]
pub(crate) struct Bolt11Send {
    /// Invoice to pay
    invoice: String,

    /// Amount with its unit (sat or msat); needed if the invoice names none
    amount: Option<Amount>,

    /// Pay the amount even if it is more than twice the invoice's
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

impl From<Bolt11Send> for Bolt11SendRequest {
    fn from(command: Bolt11Send) -> Self {
        let (label, metadata) = command.notes.notes();
        Self {
            invoice: command.invoice,
            amount_msat: command.amount.map(Amount::msat),
            route_parameters: Some(command.route.into()),
            allow_overpayment: command.allow_overpayment,
            idempotency_key: command.once.key(),
            wait_timeout_secs: command.wait.secs(),
            label: label.unwrap_or_default(),
            metadata,
        }
    }
}

/// Pay less than an invoice asks for, if the server supports it
///
/// Servers of this version refuse it, because their Lightning library does not support it.
#[derive(Debug, Args)]
pub(crate) struct Bolt11SendUnderpaying {
    /// Invoice to pay
    invoice: String,

    /// Amount with its unit (sat or msat), less than the invoice's
    amount: Amount,

    #[command(flatten)]
    route: RouteArgs,
}

impl From<Bolt11SendUnderpaying> for Bolt11SendUnderpayingRequest {
    fn from(command: Bolt11SendUnderpaying) -> Self {
        Self {
            invoice: command.invoice,
            amount_msat: command.amount.msat(),
            route_parameters: Some(command.route.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::types::bolt11_invoice_description::Kind;
    use ldk_server_grpc::types::{Bolt11InvoiceDescription, RouteParametersConfig};

    use super::*;
    use crate::commands::testing::{default_route, request};

    #[test]
    fn an_invoice_is_described_by_a_text_or_a_hash() {
        let request = request::<Bolt11Receive, Bolt11ReceiveRequest>;
        assert_eq!(
            request(""),
            Ok(Bolt11ReceiveRequest { expiry_secs: 86_400, ..Default::default() })
        );
        let described = |kind| Some(Bolt11InvoiceDescription { kind: Some(kind) });
        assert_eq!(
            request("2sat -d tea -e 60"),
            Ok(Bolt11ReceiveRequest {
                amount_msat: Some(2_000),
                description: described(Kind::Direct("tea".to_owned())),
                expiry_secs: 60,
                ..Default::default()
            })
        );
        let noted =
            request("--label a --external-id 7 --metadata k=v=w --metadata l= --preimage 0f");
        assert_eq!(
            noted,
            Ok(Bolt11ReceiveRequest {
                expiry_secs: 86_400,
                label: "a".to_owned(),
                external_id: "7".to_owned(),
                metadata: [("k", "v=w"), ("l", "")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                preimage: "0f".to_owned(),
                ..Default::default()
            })
        );
        assert_eq!(
            request("2msat --description-hash 00ff").unwrap().description,
            described(Kind::Hash("00ff".to_owned()))
        );
        let dashed = request("2sat -d -5% -e 60").unwrap();
        assert_eq!(dashed.description, described(Kind::Direct("-5%".to_owned())));
        assert_eq!(dashed.expiry_secs, 60);
        let both = request("-d tea --description-hash 00ff").unwrap_err();
        assert!(both.starts_with("Error (Invalid Request): "), "{both}");
    }

    #[test]
    fn a_payment_always_carries_its_route_limits() {
        let request = request::<Bolt11Send, Bolt11SendRequest>;
        assert_eq!(
            request("lnbcrt1 5msat"),
            Ok(Bolt11SendRequest {
                invoice: "lnbcrt1".to_owned(),
                amount_msat: Some(5),
                route_parameters: Some(default_route()),
                allow_overpayment: false,
                ..Default::default()
            })
        );
        assert!(request("lnbcrt1 5msat --allow-overpayment").unwrap().allow_overpayment);
        let noted = request("lnbcrt1 --label a --metadata k=v=w --metadata l=").unwrap();
        let entries = [("k", "v=w"), ("l", "")];
        let entries = entries.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!((&*noted.label, noted.metadata), ("a", entries.into()));
        let line = "lnbcrt1 --max-total-routing-fee 4sat --max-total-cltv-expiry-delta 3 \
                --max-path-count 2 --max-channel-saturation-power-of-half 1 \
                --max-total-routing-fee-ppm 5000";
        assert_eq!(
            request(line).unwrap().route_parameters,
            Some(RouteParametersConfig {
                max_total_routing_fee_msat: Some(4_000),
                max_total_cltv_expiry_delta: 3,
                max_path_count: 2,
                max_channel_saturation_power_of_half: 1,
                max_total_routing_fee_ppm: Some(5_000),
            })
        );
    }
    #[test]
    fn paying_less_needs_an_amount() {
        assert_eq!(
            request::<Bolt11SendUnderpaying, _>("lnbcrt1 5msat"),
            Ok(Bolt11SendUnderpayingRequest {
                invoice: "lnbcrt1".to_owned(),
                amount_msat: 5,
                route_parameters: Some(default_route()),
            })
        );
    }
}
