//! What invoices and offers say. No node is needed for that.

use std::time::Duration;

use ldk_server_grpc::api::{
    DecodeInvoiceRequest, DecodeInvoiceResponse, DecodeOfferRequest, DecodeOfferResponse,
};

use super::pasted;
use crate::clock::since_epoch;
use crate::error::{Error, quoted};
use crate::wire;

/// Longer than any invoice or offer in use. Each of its bits could become an entry of the answer, so
/// there has to be a limit.
const MAX_TEXT_BYTES: usize = 32 * 1024;

pub(super) fn invoice(request: DecodeInvoiceRequest) -> Result<DecodeInvoiceResponse, Error> {
    let DecodeInvoiceRequest { invoice } = request;
    decode("invoice", &invoice, wire::invoice::decode)
}

pub(super) fn offer(request: DecodeOfferRequest) -> Result<DecodeOfferResponse, Error> {
    let DecodeOfferRequest { offer } = request;
    decode("offer", &offer, wire::offer::decode)
}

fn decode<R>(
    field: &'static str,
    text: &str,
    decode: fn(&str, Duration) -> Result<R, String>,
) -> Result<R, Error> {
    if text.len() > MAX_TEXT_BYTES {
        let bytes = text.len();
        return Err(Error::invalid(field, format!("has {bytes} bytes; at most {MAX_TEXT_BYTES}")));
    }
    // A clock before 1970 makes nothing expired.
    decode(pasted::lightning(text), since_epoch()).map_err(|reason| {
        let reason = pasted::instead_of(field, text).unwrap_or(reason);
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
