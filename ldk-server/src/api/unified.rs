//! UnifiedSend: pays by the first of the payment methods in a URI that works.

use std::mem::take;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::api::unified_send_response::PaymentResult;
use ldk_server_grpc::api::{UnifiedSendRequest, UnifiedSendResponse};

use super::dispatcher::Call;
use super::{amount, notes, pasted, route, uri};
use crate::app::App;
use crate::error::Error;
use crate::hrn;
use crate::ops;
use crate::ops::payment_request::{PaymentMethod, PaymentRequest, texts};
use crate::ops::unified::Paid;
use crate::payment_requests::PaidBy;
use crate::store::with_notes;

pub(super) async fn send(
    call: Call,
    request: UnifiedSendRequest,
) -> Result<UnifiedSendResponse, Error> {
    let (mut request, app) = (request, call.app()?);
    let (label, metadata) = (take(&mut request.label), take(&mut request.metadata));
    let notes = notes::of_payment(label, metadata)?;
    let request = parse(&app, request).await?;
    // A name takes its time: the server may be stopping by now.
    let app = call.app()?;
    let (working, caller) = (app.clone(), call.caller);
    let work = move || {
        caller.still_waits()?;
        with_notes(&notes, || ops::unified::send(&working, &caller, request))
    };
    let paid = app.executor.run("unified_send", work).await?;
    Ok(response(&paid))
}

/// Parses the request. If it names a payee (BIP 353), the name is looked up.
async fn parse(app: &App, request: UnifiedSendRequest) -> Result<PaymentRequest, Error> {
    let UnifiedSendRequest {
        uri,
        amount_msat,
        route_parameters,
        allow_overpayment,
        idempotency_key: _,
        wait_timeout_secs: _,
        label: _,
        metadata: _,
    } = request;
    let amount = amount::parse(amount_msat, allow_overpayment)?;
    let limits = route::limits(app.route_defaults, route_parameters)?;
    let uri = pasted::uri(&uri);
    let instructions = if hrn::is_name(&uri) {
        uri::read(&app.names.resolve(&uri).await?, app.network)?
    } else {
        uri::read(&uri, app.network)?
    };
    PaymentRequest::new(instructions, amount, limits)
}

fn response(paid: &Paid) -> UnifiedSendResponse {
    let id = |PaymentId(id)| hex::encode(id);
    let result = match (paid.by, &paid.method) {
        (PaidBy::Transaction(txid), _) => PaymentResult::Txid(txid.to_string()),
        (PaidBy::Payment(payment), PaymentMethod::Offer(_)) => {
            PaymentResult::Bolt12PaymentId(id(payment))
        },
        (PaidBy::Payment(payment), _) => PaymentResult::Bolt11PaymentId(id(payment)),
    };
    UnifiedSendResponse {
        payment_result: Some(result),
        left_out: texts(&paid.left_out),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::Network;
    use ldk_node::lightning::routing::router::RouteParametersConfig;

    use super::*;
    use crate::api::uri::examples::{ADDRESS, expired_invoice, invoice, offer};
    use crate::ops::amount::Amount;
    use crate::ops::route::RouteLimits;

    fn led_to(uri: &str, msat: Option<u64>) -> Result<PaymentRequest, String> {
        let amount = Amount { msat, allow_overpayment: false };
        let limits = RouteLimits::new(RouteParametersConfig::default(), None);
        let instructions = uri::read(uri, Network::Regtest);
        instructions
            .and_then(|instructions| PaymentRequest::new(instructions, amount, limits))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_amount_must_come_from_somewhere() {
        let uri = format!("bitcoin:{ADDRESS}");
        let refused = led_to(&uri, None).unwrap_err();
        assert!(refused.starts_with("amount_msat: must be set"), "{refused}");
        assert!(led_to(&uri, Some(1)).is_ok());
        assert!(led_to(&format!("{uri}?amount=0.001"), None).is_ok());
        let expired = format!("{uri}?lightning={}", expired_invoice(Some(1)));
        let refused = led_to(&expired, None).unwrap_err();
        assert!(refused.starts_with("amount_msat: must be set"), "{refused}");
        let all = format!(
            "{uri}?amount=0.00001&lightning={}&lno={}",
            invoice(Some(1_000_000)),
            offer(Some(1_000_000), Network::Regtest)
        );
        assert!(led_to(&all, None).is_ok());
    }

    #[test]
    fn what_the_uri_asks_for_bounds_the_amount() {
        let offer = offer(None, Network::Regtest);
        for uri in [
            format!("bitcoin:?amount=0.00001&lno={offer}"),
            format!("bitcoin:{ADDRESS}?amount=0.00001"),
        ] {
            let refused = led_to(&uri, Some(999_999)).unwrap_err();
            assert!(refused.contains("999999 is less than the uri's 1000000"), "{refused}");
            let slip = led_to(&uri, Some(2_000_001)).unwrap_err();
            assert!(slip.contains("more than twice the uri's 1000000"), "{slip}");
            assert!(led_to(&uri, Some(1_000_000)).is_ok());
        }
    }

    #[test]
    fn what_was_left_out_is_told() {
        let uri = format!("bitcoin:{ADDRESS}?lightning={}&lno=lno1", expired_invoice(None));
        let instructions = uri::read(&uri, Network::Regtest).unwrap();
        let by = PaidBy::Payment(PaymentId([7; 32]));
        let crate::ops::payment_request::Instructions { mut methods, left_out, .. } = instructions;
        let paid = Paid { by, method: methods.remove(0), left_out };
        let response = response(&paid);
        assert_eq!(response.left_out[0], "by invoice: the invoice has expired");
        let offer = &response.left_out[1];
        assert!(offer.starts_with("by offer: \"lno1\" is not a BOLT 12 offer"), "{offer}");
    }
}
