//! Pays a request by the first of its payment methods that works.

use ldk_node::bitcoin::Address;

use super::amount::{self, Amount};
use super::payment_request::{
    Instructions, LeftOut, PaymentMethod, PaymentRequest, no_way, of_the_uri, texts,
};
use super::route::RouteLimits;
use super::send::SendError;
use super::{bolt11, bolt12, bounds, onchain};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::payment_requests::PaidBy;

/// A payment that was begun.
#[derive(Debug)]
pub struct Paid {
    /// What the request is paid by.
    pub by: PaidBy,
    /// In which way.
    pub method: PaymentMethod,
    /// The ways that were left out before, and why.
    pub left_out: Vec<LeftOut>,
}

/// Begins to pay in one of the ways. Goes on to the next only if nothing at all was sent.
pub fn send(app: &App, caller: &Caller, request: PaymentRequest) -> Result<Paid, SendError> {
    let PaymentRequest { instructions, amount, limits } = request;
    let Instructions { methods, asked_msat, invoices, mut left_out } = instructions;
    let _turn = app.payment_requests.turn(methods.iter().map(PaymentMethod::key))?;
    for hash in &invoices {
        bolt11::check_unpaid(app, *hash)?;
    }
    for method in methods {
        if let Some(intent) = caller.intent() {
            intent.leaves_out(texts(&left_out));
        }
        match begin(app, caller, &method, asked_msat, amount, limits) {
            Ok(by) => {
                app.payment_requests.paid(&invoices, by);
                return Ok(Paid { by, method, left_out });
            },
            // No other way costs less.
            Err(SendError::NotSent(error @ Error::PermissionDenied(_))) => {
                return Err(SendError::NotSent(error));
            },
            Err(SendError::NotSent(error)) => left_out.push((method.name(), error)),
            Err(SendError::Unknown(error)) => return Err(SendError::Unknown(of_the_uri(error))),
        }
    }
    Err(SendError::NotSent(no_way(left_out)))
}

fn begin(
    app: &App,
    caller: &Caller,
    method: &PaymentMethod,
    asked_msat: Option<u64>,
    amount: Amount,
    limits: RouteLimits,
) -> Result<PaidBy, SendError> {
    // What asks for nothing itself is paid what the other parts ask for.
    let other_msat = asked_msat.filter(|_| method.asked_msat().is_none());
    let amount = Amount { msat: amount.msat.or(other_msat), ..amount };
    match method {
        PaymentMethod::Offer(offer) => {
            let quantity = offer.expects_quantity().then_some(1);
            bolt12::send(app, caller, offer, amount, quantity, None, limits).map(PaidBy::Payment)
        },
        PaymentMethod::Invoice(invoice) => {
            bolt11::send(app, caller, invoice, amount, limits).map(PaidBy::Payment)
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
) -> Result<PaidBy, SendError> {
    let amount_sats = bounds::output_sat("amount_sats", amount_sats, address)?;
    let amount = onchain::Amount::Sats(amount_sats);
    let paid = onchain::send(app, caller, address, amount, None)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_chain_amounts_are_whole() {
        assert_eq!(whole_sats(Some(5_000), None).ok(), Some(5));
        assert_eq!(whole_sats(Some(7_000), Some(6_000)).ok(), Some(7));
        assert_eq!(whole_sats(Some(5_001), Some(5_001)).ok(), Some(6), "the payee's is rounded up");
        let refused = whole_sats(Some(5_001), Some(5_000)).unwrap_err().to_string();
        assert!(refused.contains("whole satoshis"), "{refused}");
    }
}
