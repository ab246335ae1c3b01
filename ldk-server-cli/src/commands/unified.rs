//! Paying whatever it is.

use clap::Args;
use ldk_server_grpc::api::UnifiedSendRequest;

use crate::amount::Amount;
use crate::args::{OnceArgs, PaymentNoteArgs, RouteArgs, WaitArgs};

unary_commands!(Commands {
    Pay => unified_send as waiting,
});

/// Pay a payment URI, name, offer, invoice or address
///
/// If there are several ways to pay, the server uses the first that works: offer, invoice, on chain.
/// Prints the payment's id, or the txid if it was paid on chain.
#[derive(Debug, Args)]
pub(crate) struct Pay {
    /// What to pay: bitcoin: or lightning: URI, name (user@domain), offer, invoice or address
    uri: String,

    /// Amount with its unit (sat or msat); needed if the URI names none
    amount: Option<Amount>,

    /// Pay the amount even if it is more than twice what is asked for
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

impl From<Pay> for UnifiedSendRequest {
    fn from(command: Pay) -> Self {
        let (label, metadata) = command.notes.notes();
        Self {
            uri: command.uri,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{default_route, request};

    #[test]
    fn anything_is_paid_with_an_amount_or_without() {
        let request = request::<Pay, UnifiedSendRequest>;
        let plain = UnifiedSendRequest {
            uri: "bitcoin:bcrt1q?amount=1".to_owned(),
            amount_msat: None,
            route_parameters: Some(default_route()),
            allow_overpayment: false,
            ..Default::default()
        };
        assert_eq!(request("bitcoin:bcrt1q?amount=1"), Ok(plain.clone()));
        assert_eq!(
            request("me@example.org 1500msat --max-path-count 1"),
            Ok(UnifiedSendRequest {
                uri: "me@example.org".to_owned(),
                amount_msat: Some(1_500),
                route_parameters: Some(ldk_server_grpc::types::RouteParametersConfig {
                    max_path_count: 1,
                    ..default_route()
                }),
                allow_overpayment: false,
                ..Default::default()
            })
        );
        assert!(request("lno1 7msat --allow-overpayment").unwrap().allow_overpayment);
    }
}
