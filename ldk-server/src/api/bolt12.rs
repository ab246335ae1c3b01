//! BOLT 12 offers.

use ldk_node::lightning::offers::offer::{Offer, Quantity};
use ldk_server_grpc::api::{
    Bolt12ReceiveRequest, Bolt12ReceiveResponse, Bolt12SendRequest, Bolt12SendResponse,
};

use super::{amount, fields, notes, route};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::ops::bolt12::Items;
use crate::store::with_notes;

/// The request for an invoice and the invoice repeat it, and each has to fit one onion message.
const MAX_DESCRIPTION_BYTES: usize = 4096;
/// The library truncates longer notes on the payee's side.
pub(super) const MAX_PAYER_NOTE_BYTES: usize = 512;

pub(super) fn receive(
    app: &App,
    _: &Caller,
    mut request: Bolt12ReceiveRequest,
) -> Result<Bolt12ReceiveResponse, Error> {
    let noted = notes::take(&mut request)?;
    let Bolt12ReceiveRequest { description, amount_msat, expiry_secs, quantity, .. } = request;
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
    let items = amount_msat.map(|amount_msat| Items { amount_msat, quantity });
    let offer = ops::bolt12::receive(app, items, &description, expiry_secs, noted)?;
    Ok(Bolt12ReceiveResponse { offer: offer.to_string(), offer_id: hex::encode(offer.id().0) })
}

pub(super) fn send(
    app: &App,
    caller: &Caller,
    request: Bolt12SendRequest,
) -> Result<Bolt12SendResponse, Error> {
    let Bolt12SendRequest {
        offer,
        amount_msat,
        quantity,
        payer_note,
        route_parameters,
        allow_overpayment,
        idempotency_key: _,
        wait_timeout_secs: _,
        label,
        metadata,
    } = request;
    let notes = notes::of_payment(label, metadata)?;
    let offer = fields::offer("offer", &offer, app.network)?;
    let amount = amount::parse(amount_msat, allow_overpayment)?;
    check_quantity(&offer, quantity)?;
    if let Some(note) = &payer_note {
        at_most_bytes("payer_note", note, MAX_PAYER_NOTE_BYTES)?;
    }
    let limits = route::limits(app.route_defaults, route_parameters)?;
    let send = || ops::bolt12::send(app, caller, &offer, amount, quantity, payer_note, limits);
    let id = with_notes(&notes, send)?;
    Ok(Bolt12SendResponse { payment_id: hex::encode(id.0), ..Default::default() })
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

/// Checks how long a text is.
pub(super) fn at_most_bytes(field: &'static str, text: &str, limit: usize) -> Result<(), Error> {
    if text.len() <= limit {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("has {} bytes; at most {limit}", text.len())))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::ops::bolt12::tests::offer;

    fn reason<T>(result: Result<T, Error>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
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
