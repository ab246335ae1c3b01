//! BOLT 12 texts: offers, invoice requests and invoices, told as Core Lightning tells them.

mod fields;
mod paths;
mod tlv;

use std::fmt::Debug;

use ldk_node::lightning::offers::invoice::Bolt12Invoice;
use ldk_node::lightning::offers::invoice_request::InvoiceRequest;
use ldk_node::lightning::offers::offer::Offer;
use ldk_node::lightning::offers::refund::Refund;
use serde_json::{Map, Value, json};

use self::tlv::Record;
use crate::cln::error::RpcError;

/// For how long an invoice can be paid that does not tell, in seconds (BOLT 12).
const DEFAULT_EXPIRY_SECS: u64 = 7_200;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Offer,
    /// An answer to an offer, or a refund, which asks for an invoice without one.
    InvoiceRequest,
    Invoice,
}

impl Kind {
    /// What this text seems to be; `None` if it is nothing of BOLT 12.
    pub(super) fn of(text: &str) -> Option<Self> {
        match text.get(..4)?.to_ascii_lowercase().as_str() {
            "lno1" => Some(Self::Offer),
            "lnr1" => Some(Self::InvoiceRequest),
            "lni1" => Some(Self::Invoice),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Offer => "bolt12 offer",
            Self::InvoiceRequest => "bolt12 invoice_request",
            Self::Invoice => "bolt12 invoice",
        }
    }
}

/// The text without `lightning:`.
pub(super) fn without_scheme(text: &str) -> &str {
    const SCHEME: &str = "lightning:";
    match text.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
        _ => text,
    }
}

/// What a text of this kind says, if it is one that keeps the rules of BOLT 12.
pub(super) fn decode(kind: Kind, text: &str) -> Result<Value, RpcError> {
    let unreadable =
        |reason: &str| RpcError::params(format!("string: Unparsable string: {reason}"));
    let bytes = tlv::bytes(text).ok_or_else(|| unreadable("is not bech32 without a checksum"))?;
    let records = tlv::records(&bytes).ok_or_else(|| unreadable("has no whole TLV records"))?;
    let offer_id = check(kind, &bytes, &records).map_err(|reason| unreadable(&reason))?;
    let mut members = Map::new();
    members.insert("type".to_owned(), kind.name().into());
    members.insert("valid".to_owned(), true.into());
    if let Some(offer_id) = offer_id {
        members.insert("offer_id".to_owned(), offer_id.into());
    }
    fields::add(&records, &mut members).ok_or_else(|| unreadable("has a field that is cut off"))?;
    if kind == Kind::Invoice {
        let expiry = json!(DEFAULT_EXPIRY_SECS);
        members.entry("invoice_relative_expiry").or_insert(expiry);
    }
    Ok(Value::Object(members))
}

/// Checks by the library that the rules are kept, signatures included. Returns the id of the offer that it
/// is or answers, as the library and the node's own API have it.
fn check(kind: Kind, bytes: &[u8], records: &[Record<'_>]) -> Result<Option<String>, String> {
    match kind {
        Kind::Offer => Ok(Some(offer_id(bytes.to_vec())?)),
        Kind::Invoice => {
            let invoice = parsed(Bolt12Invoice::try_from(bytes.to_vec()))?;
            Ok(invoice.offer_id().map(|id| hex::encode(id.0)))
        },
        Kind::InvoiceRequest if Refund::try_from(bytes.to_vec()).is_ok() => Ok(None),
        Kind::InvoiceRequest => {
            parsed(InvoiceRequest::try_from(bytes.to_vec()))?;
            let of_offer = records.iter().filter(|record| record.is_of_offer());
            Ok(Some(offer_id(of_offer.flat_map(|record| record.whole.to_vec()).collect())?))
        },
    }
}

fn offer_id(bytes: Vec<u8>) -> Result<String, String> {
    parsed(Offer::try_from(bytes)).map(|offer| hex::encode(offer.id().0))
}

fn parsed<T, E: Debug>(parsed: Result<T, E>) -> Result<T, String> {
    parsed.map_err(|error| format!("breaks a rule of BOLT 12: {error:?}"))
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::secp256k1::PublicKey;
    use ldk_node::lightning::offers::refund::RefundBuilder;

    use super::*;

    /// What Core Lightning 26.06 tells of texts of its own and of LDK's.
    const SAMPLES: &str = include_str!("samples.jsonl");

    #[test]
    fn what_is_told_is_what_core_lightning_tells() {
        for sample in SAMPLES.lines() {
            let mut sample: Value = serde_json::from_str(sample).unwrap();
            let text = sample["text"].as_str().unwrap().to_owned();
            let mut told = decode(Kind::of(&text).unwrap(), &text).unwrap();
            // The library has ids of its own for offers.
            let ids = [&mut told, &mut sample["decoded"]].map(|of| of["offer_id"].take());
            assert!(ids.iter().all(|id| id.as_str().unwrap().len() == 64), "{ids:?}");
            assert_eq!(told, sample["decoded"]);
        }
    }

    #[test]
    fn texts_are_told_by_their_beginning() {
        assert_eq!(Kind::of("LNO1abc"), Some(Kind::Offer));
        assert_eq!(Kind::of("lni1abc"), Some(Kind::Invoice));
        assert_eq!(Kind::of("lnr1abc"), Some(Kind::InvoiceRequest));
        for text in ["lnbc1", "lno", "", "lnö1", "€€"] {
            assert_eq!(Kind::of(text), None, "{text}");
        }
        assert_eq!(without_scheme("LIGHTNING:lno1"), "lno1");
        assert_eq!(without_scheme("lno1"), "lno1");
    }

    #[test]
    fn a_refund_is_a_request_without_an_offer() {
        let key: PublicKey =
            "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".parse().unwrap();
        let refund = RefundBuilder::new(vec![1; 32], key, 1_500).unwrap();
        let refund = refund.payer_note("sorry".to_owned()).build().unwrap().to_string();
        let told = decode(Kind::of(&refund).unwrap(), &refund).unwrap();
        assert_eq!(told["type"], "bolt12 invoice_request");
        assert_eq!(
            (&told["invreq_amount_msat"], &told["invreq_payer_note"]),
            (&json!(1_500), &json!("sorry"))
        );
        assert_eq!(told["invreq_payer_id"], key.to_string());
        assert!(told.get("offer_id").is_none());
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        for text in ["lno1", "lno1b", "lno1!", "lno1pg", "lni1pg", "lnr1pg"] {
            let refused = decode(Kind::of(text).unwrap(), text).unwrap_err();
            assert!(refused.message.starts_with("string: Unparsable string: "), "{refused:?}");
        }
    }
}
