//! Paying whatever it is: of the ways that payment instructions name, the first that works.

use ldk_node::bitcoin::{Address, Network};
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_server_grpc::api::unified_send_response::PaymentResult;
use ldk_server_grpc::api::{UnifiedSendRequest, UnifiedSendResponse};

use super::amount::{self, Amount};
use super::attempt::NotPaid;
use super::bills::PaidBy;
use super::uri::{self, Instructions, LeftOut, PaymentMethod};
use super::{App, Calls, Names, bolt11, bolt12, names, onchain, pasted, route};
use crate::caller::Caller;
use crate::error::Error;

/// What to pay, with every field checked that can be without asking the library.
#[derive(Debug)]
pub(super) struct Bill {
    instructions: Instructions,
    amount: Amount,
    limits: RouteParametersConfig,
}

/// Reads the request; a name is looked up for that.
pub(super) async fn parse(
    names: &Names,
    network: Network,
    calls: &Calls,
    route_defaults: RouteParametersConfig,
    request: UnifiedSendRequest,
) -> Result<Bill, Error> {
    let UnifiedSendRequest { uri, amount_msat, route_parameters, allow_overpayment } = request;
    let amount = Amount::parse(amount_msat, allow_overpayment)?;
    let limits = route::limits(route_defaults, route_parameters)?;
    let uri = pasted::uri(&uri);
    let instructions = if names::is_name(&uri) {
        uri::read(&calls.look_up(names.resolve(&uri)).await?, network)?
    } else {
        uri::read(&uri, network)?
    };
    bill(instructions, amount, limits)
}

fn bill(
    instructions: Instructions,
    amount: Amount,
    limits: RouteParametersConfig,
) -> Result<Bill, Error> {
    match (amount.msat, instructions.asked_msat) {
        _ if instructions.methods.is_empty() => return Err(no_way(instructions.left_out)),
        (None, None) => {
            return Err(Error::invalid(amount::FIELD, "must be set: the uri names no amount"));
        },
        (Some(_), None) => {},
        (_, Some(asked_msat)) => drop(amount.to_pay(uri::FIELD, asked_msat)?),
    }
    Ok(Bill { instructions, amount, limits })
}

/// Begins to pay in one of the ways. Goes on to the next only if nothing at all was sent.
pub(super) fn pay(app: &App, caller: &Caller, bill: Bill) -> Result<UnifiedSendResponse, Error> {
    let Bill { instructions, amount, limits } = bill;
    let Instructions { methods, asked_msat, invoices, mut left_out } = instructions;
    let _turn = app.bills.turn(methods.iter().map(PaymentMethod::key))?;
    for hash in &invoices {
        bolt11::check_unpaid(app, *hash)?;
    }
    for method in methods {
        match begin(app, caller, &method, asked_msat, amount, limits) {
            Ok(paid_by) => {
                app.bills.paid(&invoices, paid_by);
                return Ok(response(paid_by, &method, &left_out));
            },
            Err(NotPaid::Untouched(error)) => left_out.push((method.name(), error)),
            Err(NotPaid::Unsure(error)) => return Err(of_the_uri(error)),
        }
    }
    Err(no_way(left_out))
}

fn begin(
    app: &App,
    caller: &Caller,
    method: &PaymentMethod,
    asked_msat: Option<u64>,
    amount: Amount,
    limits: RouteParametersConfig,
) -> Result<PaidBy, NotPaid> {
    // What asks for nothing itself is paid what the other parts ask for.
    let other_msat = asked_msat.filter(|_| method.asked_msat().is_none());
    let amount = Amount { msat: amount.msat.or(other_msat), ..amount };
    match method {
        PaymentMethod::Offer(offer) => {
            let quantity = offer.expects_quantity().then_some(1);
            bolt12::pay(app, offer, amount, quantity, None, limits).map(PaidBy::Payment)
        },
        PaymentMethod::Invoice(invoice) => {
            bolt11::pay(app, invoice, amount, limits).map(PaidBy::Payment)
        },
        PaymentMethod::Address(address) => {
            pay_on_chain(app, caller, address, whole_sats(amount.msat, asked_msat)?)
        },
    }
}

fn pay_on_chain(
    app: &App,
    caller: &Caller,
    address: &Address,
    amount_sats: u64,
) -> Result<PaidBy, NotPaid> {
    let paid = onchain::pay(app, caller, address, amount_sats).map_err(|error| match error {
        Error::InvalidArgument { .. } | Error::FailedPrecondition(_) => NotPaid::Untouched(error),
        other => NotPaid::Unsure(other),
    })?;
    Ok(PaidBy::Transaction(paid))
}

/// The amount to pay on chain: what is asked for is rounded up, what the caller wants is not.
fn whole_sats(amount_msat: Option<u64>, asked_msat: Option<u64>) -> Result<u64, Error> {
    match amount_msat {
        Some(msat) if msat.is_multiple_of(1000) => Ok(msat / 1000),
        Some(msat) if Some(msat) == asked_msat => Ok(msat.div_ceil(1000)),
        Some(msat) => {
            let reason = format!("{msat} is not a number of whole satoshis, as needed on chain");
            Err(Error::invalid(amount::FIELD, reason))
        },
        None => Err(Error::invalid(amount::FIELD, "must be set")),
    }
}

fn response(paid_by: PaidBy, method: &PaymentMethod, left_out: &[LeftOut]) -> UnifiedSendResponse {
    let id = |PaymentId(id)| hex::encode(id);
    let result = match (paid_by, method) {
        (PaidBy::Transaction(txid), _) => PaymentResult::Txid(txid.to_string()),
        (PaidBy::Payment(payment), PaymentMethod::Offer(_)) => {
            PaymentResult::Bolt12PaymentId(id(payment))
        },
        (PaidBy::Payment(payment), _) => PaymentResult::Bolt11PaymentId(id(payment)),
    };
    UnifiedSendResponse { payment_result: Some(result), left_out: texts(left_out) }
}

/// One refusal for those of all ways.
fn no_way(mut left_out: Vec<LeftOut>) -> Error {
    let all_invalid =
        left_out.iter().all(|(_, error)| matches!(error, Error::InvalidArgument { .. }));
    if left_out.len() == 1 || all_invalid && !left_out.is_empty() {
        return of_the_uri(left_out.swap_remove(0).1);
    }
    let reasons = texts(&left_out).join("; ");
    Error::FailedPrecondition(format!("none of the ways to pay works; {reasons}"))
}

fn texts(left_out: &[LeftOut]) -> Vec<String> {
    let text = |(name, error): &LeftOut| match error {
        Error::InvalidArgument { field: uri::FIELD, reason } => format!("{name}: {reason}"),
        error => format!("{name}: {error}"),
    };
    left_out.iter().map(text).collect()
}

/// The error with the field of this request, where it names one of another call's.
fn of_the_uri(error: Error) -> Error {
    match error {
        Error::InvalidArgument { field: "amount_sats", reason } => {
            Error::invalid(amount::FIELD, format!("on chain, in satoshis: {reason}"))
        },
        Error::InvalidArgument { field: "address" | "invoice" | "offer", reason } => {
            Error::invalid(uri::FIELD, reason)
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::uri::examples::{ADDRESS, expired_invoice, invoice, offer};
    use super::*;

    fn led_to(uri: &str, msat: Option<u64>) -> Result<Bill, String> {
        let amount = Amount { msat, allow_overpayment: false };
        let limits = RouteParametersConfig::default();
        let instructions = uri::read(uri, Network::Regtest);
        instructions
            .and_then(|instructions| bill(instructions, amount, limits))
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
    fn on_chain_amounts_are_whole() {
        assert_eq!(whole_sats(Some(5_000), None).ok(), Some(5));
        assert_eq!(whole_sats(Some(7_000), Some(6_000)).ok(), Some(7));
        assert_eq!(whole_sats(Some(5_001), Some(5_001)).ok(), Some(6), "the payee's is rounded up");
        let refused = whole_sats(Some(5_001), Some(5_000)).unwrap_err().to_string();
        assert!(refused.contains("whole satoshis"), "{refused}");
    }

    #[test]
    fn the_refusals_of_all_ways_are_told_in_one() {
        let precondition = |words: &str| Error::FailedPrecondition(words.to_owned());
        let one = no_way(vec![("on chain", Error::invalid("amount_sats", "1 is dust"))]);
        assert_eq!(one.to_string(), "amount_msat: on chain, in satoshis: 1 is dust");
        let both = no_way(vec![
            ("by offer", precondition("no peer")),
            ("on chain", Error::invalid("amount_sats", "1 is dust")),
        ]);
        assert!(matches!(both, Error::FailedPrecondition(_)), "{both:?}");
        assert!(both.to_string().contains("by offer: no peer; on chain: amount_sats: 1 is dust"));
        let invalid = no_way(vec![
            ("by offer", Error::invalid("amount_msat", "too little")),
            ("by invoice", Error::invalid("amount_msat", "too little")),
        ]);
        assert_eq!(invalid.to_string(), "amount_msat: too little");
    }

    #[test]
    fn what_was_left_out_is_told() {
        let uri = format!("bitcoin:{ADDRESS}?lightning={}&lno=lno1", expired_invoice(None));
        let instructions = uri::read(&uri, Network::Regtest).unwrap();
        let paid_by = PaidBy::Payment(PaymentId([7; 32]));
        let response = response(paid_by, &instructions.methods[0], &instructions.left_out);
        assert_eq!(response.left_out[0], "by invoice: the invoice has expired");
        let offer = &response.left_out[1];
        assert!(offer.starts_with("by offer: \"lno1\" is not a BOLT 12 offer"), "{offer}");
    }
}
