//! What invoices and offers say. No node is needed for that.

mod invoice;
mod offer;

use std::fmt::Display;
use std::time::Duration;

use ldk_server_grpc::api::{
    DecodeInvoiceRequest, DecodeInvoiceResponse, DecodeOfferRequest, DecodeOfferResponse,
};

use super::pasted;
use crate::clock::since_epoch;
use crate::error::{Error, quoted};
use crate::ops;

/// Longer than any invoice or offer in use. Each of its bits could become an entry of the answer, so
/// there has to be a limit.
const MAX_TEXT_BYTES: usize = 32 * 1024;

pub(super) fn invoice(request: DecodeInvoiceRequest) -> Result<DecodeInvoiceResponse, Error> {
    let DecodeInvoiceRequest { invoice } = request;
    // A clock before 1970 makes nothing expired.
    invoice_at(&invoice, since_epoch())
}

/// The answer at this time since 1970.
pub(crate) fn invoice_at(text: &str, now: Duration) -> Result<DecodeInvoiceResponse, Error> {
    let decoded = read("invoice", text, ops::decode::invoice)?;
    Ok(invoice::shown(&decoded, now))
}

pub(super) fn offer(request: DecodeOfferRequest) -> Result<DecodeOfferResponse, Error> {
    let DecodeOfferRequest { offer } = request;
    offer_at(&offer, since_epoch())
}

/// The answer at this time since 1970.
pub(crate) fn offer_at(text: &str, now: Duration) -> Result<DecodeOfferResponse, Error> {
    let decoded = read("offer", text, ops::decode::offer)?;
    Ok(offer::shown(&decoded, now))
}

fn read<T, E: Display>(
    field: &'static str,
    text: &str,
    read: fn(&str) -> Result<T, E>,
) -> Result<T, Error> {
    if text.len() > MAX_TEXT_BYTES {
        let bytes = text.len();
        return Err(Error::invalid(field, format!("has {bytes} bytes; at most {MAX_TEXT_BYTES}")));
    }
    read(pasted::lightning(text)).map_err(|error| {
        let reason = pasted::instead_of(field, text).unwrap_or_else(|| error.to_string());
        Error::invalid(field, format!("{} {reason}", quoted(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_refused_by_its_length() {
        let offer = offer(DecodeOfferRequest { offer: "lno1".repeat(10_000) }).unwrap_err();
        assert_eq!(offer.to_string(), "offer: has 40000 bytes; at most 32768");
        let invoice = invoice(DecodeInvoiceRequest { invoice: "x".repeat(32_769) }).unwrap_err();
        assert_eq!(invoice.to_string(), "invoice: has 32769 bytes; at most 32768");
    }

    #[test]
    fn what_cannot_be_read_is_quoted_with_the_reason() {
        let offer = offer(DecodeOfferRequest { offer: "coffee".to_owned() }).unwrap_err();
        assert!(offer.to_string().starts_with("offer: \"coffee\" is not a BOLT 12 offer: "));
        let mistaken = super::invoice(DecodeInvoiceRequest { invoice: "LNO1QGS".to_owned() });
        let mistaken = mistaken.unwrap_err().to_string();
        assert!(mistaken.contains("is a BOLT 12 offer") && mistaken.contains("decode-offer"));
        let invoice = invoice(DecodeInvoiceRequest { invoice: String::new() }).unwrap_err();
        assert!(invoice.to_string().starts_with("invoice: \"\" is not a BOLT 11 invoice: "));
    }
}
