//! BOLT 12 offers.

use ldk_node::NodeError;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::offers::offer::{Amount as OfferAmount, Offer};

use super::amount::{self, Amount};
use super::labels::{Made, Noted, make_once};
use super::route::RouteLimits;
use super::send::{self, ExistingPayment, SendError};
use super::{bounds, budgets, liquidity, own_offers};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;

/// What an offer asks for.
#[derive(Clone, Copy, Debug)]
pub struct Items {
    /// For one item.
    pub amount_msat: u64,
    /// How many there are at most, if they are counted.
    pub quantity: Option<u64>,
}

/// Creates an offer, unless the same request has made one with its label. Without items, the payer
/// chooses the amount.
pub fn receive(
    app: &App,
    items: Option<Items>,
    description: &str,
    expiry_secs: Option<u32>,
    noted: Noted,
) -> Result<Offer, Error> {
    let offer = make_once(app, noted, || {
        let offer = make(app, items, description, expiry_secs)?;
        Ok(Made::offer(&offer, description, items.map(|items| items.amount_msat)))
    })?;
    offer.parse().map_err(|error| Error::Internal(format!("{error:?}")))
}

fn make(
    app: &App,
    items: Option<Items>,
    description: &str,
    expiry_secs: Option<u32>,
) -> Result<Offer, Error> {
    let bolt12 = app.node.bolt12_payment();
    let offer = match items {
        Some(Items { amount_msat, quantity }) => {
            bolt12.receive(amount_msat, description, expiry_secs, quantity)
        },
        None => bolt12.receive_variable_amount(description, expiry_secs),
    }
    .map_err(not_reachable)?;
    own_offers::remember(&*app.store, &offer)?;
    Ok(offer)
}

/// With checked arguments, the library fails only if it finds no path by which payers could reach us.
fn not_reachable(error: NodeError) -> Error {
    match error {
        NodeError::OfferCreationFailed => Error::FailedPrecondition(
            "payers could not reach this node: it needs a public channel, or a connection to one \
             peer that passes messages on; with several peers, to one of the public network"
                .to_owned(),
        ),
        other => other.into(),
    }
}

/// Starts paying an offer of this network. The quantity must be one that the offer allows.
pub fn send(
    app: &App,
    caller: &Caller,
    offer: &Offer,
    amount: Amount,
    quantity: Option<u64>,
    payer_note: Option<String>,
    limits: RouteLimits,
) -> Result<PaymentId, SendError> {
    let total_msat = amount_to_send(offer, amount, quantity)?;
    let unpayable = |reason: &str| Err(Error::FailedPrecondition(reason.to_owned()).into());
    if offer.is_expired() {
        return unpayable("the offer has expired");
    }
    if offer.offer_features().requires_unknown_bits() {
        return unpayable("the offer needs a feature that this node does not know");
    }
    if own_offers::is_own(&*app.store, offer)? {
        return Err(ExistingPayment::refused("the offer is this node's own"));
    }
    liquidity::check(app, total_msat)?;
    let bolt12 = app.node.bolt12_payment();
    caller.names_amount_msat(total_msat);
    let limits = limits.for_amount(total_msat);
    let cost_msat = budgets::lightning_cost_msat(total_msat, &limits);
    let reserved = budgets::reserve(app, caller, cost_msat, None)?;
    let begun = send::hand_over(app, caller, None, reserved, || {
        if amount.msat.is_none() && quantity.is_none() {
            bolt12.send(offer, None, payer_note, Some(limits))
        } else {
            // The library notes the amount it is told, and would note that of one item.
            bolt12.send_using_amount(offer, total_msat, quantity, payer_note, Some(limits))
        }
    });
    begun.map_err(|error| {
        let otherwise = "the invoice could not be sent to this node: it has no suitable peer";
        SendError::of_library(error, &liquidity::no_way(app, total_msat, otherwise))
    })
}

/// The amount for all items together.
fn amount_to_send(offer: &Offer, amount: Amount, quantity: Option<u64>) -> Result<u64, Error> {
    let item_msat = match offer.amount() {
        None => 0,
        Some(OfferAmount::Bitcoin { amount_msats }) => amount_msats,
        Some(OfferAmount::Currency { .. }) => {
            return Err(Error::FailedPrecondition(
                "the offer is in another currency than bitcoin".to_owned(),
            ));
        },
    };
    // Too much for the number is too much for the check below as well.
    let least_msat = item_msat.saturating_mul(quantity.unwrap_or(1));
    let amount_msat = match amount.msat {
        None if item_msat == 0 => {
            return Err(Error::invalid(amount::FIELD, "must be set: the offer names no amount"));
        },
        Some(chosen_msat) if item_msat == 0 => chosen_msat,
        _ => amount.to_pay("offer", least_msat)?,
    };
    bounds::amount_msat(amount::FIELD, amount_msat)
}

#[cfg(test)]
pub(crate) mod tests {
    use ldk_node::bitcoin::secp256k1::PublicKey;
    use ldk_node::lightning::offers::offer::{OfferBuilder, Quantity};

    use super::*;

    const KEY: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

    /// One of this amount for each item.
    pub(crate) fn offer(item_msat: Option<u64>, items: Quantity) -> Offer {
        let key: PublicKey = KEY.parse().unwrap();
        let builder = OfferBuilder::new(key).supported_quantity(items);
        match item_msat {
            Some(amount) => builder.amount_msats(amount).build().unwrap(),
            None => builder.build().unwrap(),
        }
    }

    fn to_send(offer: &Offer, msat: Option<u64>, quantity: Option<u64>) -> Result<u64, Error> {
        amount_to_send(offer, Amount { msat, allow_overpayment: false }, quantity)
    }

    fn reason<T>(result: Result<T, Error>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_amount_is_for_all_items() {
        let fixed = offer(Some(1_000), Quantity::Unbounded);
        assert_eq!(to_send(&fixed, None, None).ok(), Some(1_000));
        assert_eq!(to_send(&fixed, None, Some(3)).ok(), Some(3_000));
        assert_eq!(to_send(&fixed, Some(3_001), Some(3)).ok(), Some(3_001));
        let little = reason(to_send(&fixed, Some(2_999), Some(3)));
        assert!(little.contains("2999 is less than the offer's 3000"), "{little}");
        let slip = reason(to_send(&fixed, Some(6_001), Some(3)));
        assert!(slip.contains("6001 is more than twice the offer's 3000"), "{slip}");
        let much = reason(to_send(&fixed, None, Some(u64::MAX)));
        assert!(much.starts_with("amount_msat: "), "{much}");
        let overflowing = reason(to_send(&fixed, Some(5), Some(u64::MAX)));
        assert!(overflowing.contains("is less than"), "{overflowing}");
    }

    #[test]
    fn an_offer_without_amount_needs_one() {
        let variable = offer(None, Quantity::One);
        assert!(reason(to_send(&variable, None, None)).contains("must be set"));
        assert!(reason(to_send(&variable, Some(0), None)).contains("greater than 0"));
        assert_eq!(to_send(&variable, Some(u64::MAX / 10_000), None).ok(), Some(u64::MAX / 10_000));
        assert_eq!(to_send(&variable, Some(5), None).ok(), Some(5));
    }

    #[test]
    fn an_offer_in_another_currency_is_not_paid() {
        let mut bytes = vec![6, 3];
        bytes.extend_from_slice(b"USD");
        bytes.extend_from_slice(&[8, 1, 5, 10, 0, 22, 33]);
        bytes.extend_from_slice(&hex::decode(KEY).unwrap());
        let dollars = Offer::try_from(bytes).unwrap();
        let refused = to_send(&dollars, Some(1_000), None).unwrap_err();
        assert!(matches!(refused, Error::FailedPrecondition(_)), "{refused:?}");
    }
}
