//! BOLT 12 offers.

use ldk_node::NodeError;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::offers::offer::{Amount as OfferAmount, Offer, Quantity};
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_server_grpc::api::{
    Bolt12ReceiveRequest, Bolt12ReceiveResponse, Bolt12SendRequest, Bolt12SendResponse,
};

use super::amount::{self, Amount};
use super::attempt::{self, Earlier, NotPaid};
use super::{App, fields, liquidity, own_offers, route};
use crate::error::Error;

/// The request for an invoice and the invoice repeat it, and each has to fit one onion message.
const MAX_DESCRIPTION_BYTES: usize = 4096;
/// The library keeps no more of it on the payee's side.
const MAX_PAYER_NOTE_BYTES: usize = 512;

pub(super) fn receive(
    app: &App,
    request: Bolt12ReceiveRequest,
) -> Result<Bolt12ReceiveResponse, Error> {
    let Bolt12ReceiveRequest { description, amount_msat, expiry_secs, quantity } = request;
    at_most_bytes("description", &description, MAX_DESCRIPTION_BYTES)?;
    let amount_msat =
        amount_msat.map(|amount| fields::amount_msat("amount_msat", amount)).transpose()?;
    if expiry_secs == Some(0) {
        return Err(Error::invalid("expiry_secs", "must be greater than 0, or absent"));
    }
    if let Some(quantity) = quantity {
        fields::positive("quantity", quantity)?;
        if amount_msat.is_none() {
            return Err(Error::invalid("quantity", "must not be set without amount_msat"));
        }
    }
    let bolt12 = app.node.bolt12_payment();
    let offer = match amount_msat {
        Some(amount_msat) => bolt12.receive(amount_msat, &description, expiry_secs, quantity),
        None => bolt12.receive_variable_amount(&description, expiry_secs),
    }
    .map_err(not_reachable)?;
    own_offers::remember(&*app.store, &offer)?;
    Ok(Bolt12ReceiveResponse { offer: offer.to_string(), offer_id: hex::encode(offer.id().0) })
}

/// All that the library can fail at with fields that were checked is a way for payers to reach us.
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

pub(super) fn send(app: &App, request: Bolt12SendRequest) -> Result<Bolt12SendResponse, Error> {
    let Bolt12SendRequest {
        offer,
        amount_msat,
        quantity,
        payer_note,
        route_parameters,
        allow_overpayment,
    } = request;
    let offer = fields::offer("offer", &offer, app.network)?;
    let amount = Amount::parse(amount_msat, allow_overpayment)?;
    check_quantity(&offer, quantity)?;
    if let Some(note) = &payer_note {
        at_most_bytes("payer_note", note, MAX_PAYER_NOTE_BYTES)?;
    }
    let limits = route::limits(app.route_defaults, route_parameters)?;
    let id = pay(app, &offer, amount, quantity, payer_note, limits)?;
    Ok(Bolt12SendResponse { payment_id: hex::encode(id.0) })
}

/// Begins to pay an offer of this network, for as many items as it allows.
pub(super) fn pay(
    app: &App,
    offer: &Offer,
    amount: Amount,
    quantity: Option<u64>,
    payer_note: Option<String>,
    limits: RouteParametersConfig,
) -> Result<PaymentId, NotPaid> {
    let total_msat = amount_to_send(offer, amount, quantity)?;
    let unpayable = |reason: &str| Err(Error::FailedPrecondition(reason.to_owned()).into());
    if offer.is_expired() {
        return unpayable("the offer has expired");
    }
    if offer.offer_features().requires_unknown_bits() {
        return unpayable("the offer needs a feature that this node does not know");
    }
    if own_offers::is_own(&*app.store, offer)? {
        return Err(Earlier::refused("the offer is this node's own"));
    }
    liquidity::check(app, total_msat)?;
    let bolt12 = app.node.bolt12_payment();
    let begun = attempt::hand_over(app, || {
        if amount.msat.is_none() && quantity.is_none() {
            bolt12.send(offer, None, payer_note, Some(limits))
        } else {
            // The library notes the amount it is told, and would note that of one item.
            bolt12.send_using_amount(offer, total_msat, quantity, payer_note, Some(limits))
        }
    });
    begun.map_err(|error| {
        let otherwise = "the invoice could not be sent to this node: it has no suitable peer";
        NotPaid::of(error, &liquidity::no_way(app, total_msat, otherwise))
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
    fields::amount_msat(amount::FIELD, amount_msat)
}

fn check_quantity(offer: &Offer, quantity: Option<u64>) -> Result<(), Error> {
    let refused = |reason: String| Err(Error::invalid("quantity", reason));
    match (offer.supported_quantity(), quantity) {
        (Quantity::One, Some(_)) => {
            refused("must not be set: the offer counts no items".to_owned())
        },
        (Quantity::Bounded(_) | Quantity::Unbounded, None) => {
            refused("must be set: the offer is for a number of items".to_owned())
        },
        (_, Some(0)) => refused("must be greater than 0".to_owned()),
        (Quantity::Bounded(most), Some(quantity)) if quantity > most.get() => {
            refused(format!("{quantity} is more than the {most} items of the offer"))
        },
        (Quantity::One, None) | (Quantity::Bounded(_) | Quantity::Unbounded, Some(_)) => Ok(()),
    }
}

fn at_most_bytes(field: &'static str, text: &str, limit: usize) -> Result<(), Error> {
    if text.len() <= limit {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("has {} bytes; at most {limit}", text.len())))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use ldk_node::bitcoin::secp256k1::PublicKey;
    use ldk_node::lightning::offers::offer::OfferBuilder;

    use super::*;

    const KEY: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

    fn offer(item_msat: Option<u64>, items: Quantity) -> Offer {
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

    #[test]
    fn the_number_of_items_is_what_the_offer_allows() {
        let single = offer(Some(1), Quantity::One);
        assert!(check_quantity(&single, None).is_ok());
        assert!(reason(check_quantity(&single, Some(1))).contains("counts no items"));
        let some = offer(Some(1), Quantity::Bounded(NonZeroU64::new(3).unwrap()));
        assert!(check_quantity(&some, Some(3)).is_ok());
        assert!(reason(check_quantity(&some, None)).contains("must be set"));
        assert!(reason(check_quantity(&some, Some(0))).contains("greater than 0"));
        assert!(reason(check_quantity(&some, Some(4))).contains("4 is more than the 3 items"));
        let any = offer(Some(1), Quantity::Unbounded);
        assert!(check_quantity(&any, Some(u64::MAX)).is_ok());
        assert!(check_quantity(&any, None).is_err());
    }
}
