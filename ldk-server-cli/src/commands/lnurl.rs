//! LNURL services and Lightning addresses.

use clap::Args;
use ldk_server_grpc::api::{LnurlPayRequest, LnurlWithdrawRequest, ResolveLnurlRequest};

use crate::amount::Amount;
use crate::args::{OnceArgs, PaymentNoteArgs, RouteArgs};

unary_commands!(Commands {
    ResolveLnurl => resolve_lnurl,
    LnurlPay => lnurl_pay,
    LnurlWithdraw => lnurl_withdraw,
});

/// Ask an LNURL service or a Lightning address what it offers
#[derive(Debug, Args)]
pub(crate) struct ResolveLnurl {
    /// LNURL, or address such as user@example.org
    lnurl: String,
}

impl From<ResolveLnurl> for ResolveLnurlRequest {
    fn from(command: ResolveLnurl) -> Self {
        Self { lnurl: command.lnurl }
    }
}

/// Pay an LNURL service or a Lightning address
///
/// Prints the payment's id as soon as it is begun. `get-payment-details` and `events` show the
/// outcome. Each call is a new payment, unless it has an idempotency key.
#[derive(Debug, Args)]
pub(crate) struct LnurlPay {
    /// LNURL, or address such as user@example.org
    lnurl: String,

    /// Amount with its unit (sat or msat); needed unless the service takes one amount only
    amount: Option<Amount>,

    /// Comment to the payee, if the service takes comments
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    comment: Option<String>,

    #[command(flatten)]
    route: RouteArgs,

    #[command(flatten)]
    once: OnceArgs,

    #[command(flatten)]
    notes: PaymentNoteArgs,
}

impl From<LnurlPay> for LnurlPayRequest {
    fn from(command: LnurlPay) -> Self {
        let (label, metadata) = command.notes.notes();
        Self {
            lnurl: command.lnurl,
            amount_msat: command.amount.map(Amount::msat),
            comment: command.comment,
            route_parameters: Some(command.route.into()),
            idempotency_key: command.once.key(),
            label: label.unwrap_or_default(),
            metadata,
        }
    }
}

/// Have an LNURL service pay out to this node
#[derive(Debug, Args)]
pub(crate) struct LnurlWithdraw {
    /// LNURL of the service
    lnurl: String,

    /// Amount with its unit (sat or msat) [default: as much as the service pays]
    amount: Option<Amount>,

    /// Description of the invoice [default: what the service suggests]
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    description: Option<String>,

    /// How long the invoice can be paid, in seconds [default: a day]
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    expiry_secs: u32,
}

impl From<LnurlWithdraw> for LnurlWithdrawRequest {
    fn from(command: LnurlWithdraw) -> Self {
        Self {
            lnurl: command.lnurl,
            amount_msat: command.amount.map(Amount::msat),
            description: command.description,
            expiry_secs: command.expiry_secs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{default_route, request};

    #[test]
    fn a_service_is_asked() {
        let expected = ResolveLnurlRequest { lnurl: "alice@example.org".to_owned() };
        assert_eq!(request::<ResolveLnurl, ResolveLnurlRequest>("alice@example.org"), Ok(expected));
    }

    #[test]
    fn a_service_is_paid_with_a_comment() {
        let request = request::<LnurlPay, LnurlPayRequest>;
        let plain = LnurlPayRequest {
            lnurl: "lnurl1".to_owned(),
            amount_msat: None,
            comment: None,
            route_parameters: Some(default_route()),
            ..Default::default()
        };
        assert_eq!(request("lnurl1"), Ok(plain.clone()));
        let full = LnurlPayRequest {
            amount_msat: Some(5_000),
            comment: Some("--thanks".to_owned()),
            ..plain
        };
        assert_eq!(request("lnurl1 5sat -c --thanks"), Ok(full));
    }

    #[test]
    fn a_service_pays_out() {
        let request = request::<LnurlWithdraw, LnurlWithdrawRequest>;
        let plain = LnurlWithdrawRequest { lnurl: "lnurl1".to_owned(), ..Default::default() };
        assert_eq!(request("lnurl1"), Ok(plain.clone()));
        let full = LnurlWithdrawRequest {
            amount_msat: Some(7),
            description: Some("prize".to_owned()),
            expiry_secs: 60,
            ..plain
        };
        assert_eq!(request("lnurl1 7msat -d prize --expiry-secs 60"), Ok(full));
    }
}
