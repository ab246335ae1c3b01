//! The fields of BOLT 12, by the types of their records.

use serde_json::{Map, Value, json};

use super::paths::{paths, pay_infos};
use super::tlv::{Reader, Record, number};

/// How a field is written.
#[derive(Clone, Copy)]
enum Form {
    Hex,
    Text,
    Number,
    Chains,
    Paths,
    /// Two texts, each behind its length.
    Name,
}

/// Type, name and form.
const FIELDS: [(u64, &str, Form); 28] = [
    (0, "invreq_metadata", Form::Hex),
    (2, "offer_chains", Form::Chains),
    (4, "offer_metadata", Form::Hex),
    (6, "offer_currency", Form::Text),
    (OFFER_AMOUNT, "offer_amount_msat", Form::Number),
    (10, "offer_description", Form::Text),
    (12, "offer_features", Form::Hex),
    (14, "offer_absolute_expiry", Form::Number),
    (16, "offer_paths", Form::Paths),
    (18, "offer_issuer", Form::Text),
    (20, "offer_quantity_max", Form::Number),
    (22, "offer_issuer_id", Form::Hex),
    (80, "invreq_chain", Form::Hex),
    (82, "invreq_amount_msat", Form::Number),
    (84, "invreq_features", Form::Hex),
    (86, "invreq_quantity", Form::Number),
    (88, "invreq_payer_id", Form::Hex),
    (89, "invreq_payer_note", Form::Text),
    (90, "invreq_paths", Form::Paths),
    (91, "invreq_bip_353_name", Form::Name),
    (160, "invoice_paths", Form::Paths),
    (164, "invoice_created_at", Form::Number),
    (166, "invoice_relative_expiry", Form::Number),
    (168, "invoice_payment_hash", Form::Hex),
    (170, "invoice_amount_msat", Form::Number),
    (174, "invoice_features", Form::Hex),
    (176, "invoice_node_id", Form::Hex),
    (240, "signature", Form::Hex),
];

const OFFER_AMOUNT: u64 = 8;
const OFFER_CURRENCY: u64 = 6;
const BLINDED_PAY: u64 = 162;

/// Adds the fields that are known; `None` if one cannot be read.
pub(super) fn add(records: &[Record<'_>], members: &mut Map<String, Value>) -> Option<()> {
    let has_currency = records.iter().any(|record| record.type_num == OFFER_CURRENCY);
    let prices = records.iter().find(|record| record.type_num == BLINDED_PAY);
    for Record { type_num, value, .. } in records {
        let field = FIELDS.iter().find(|(known, ..)| known == type_num);
        let Some((_, name, form)) = field else { continue };
        // An amount in another currency is in units of that.
        let name = if *type_num == OFFER_AMOUNT && has_currency { "offer_amount" } else { name };
        let value = match (name, prices) {
            ("invoice_paths", Some(prices)) => with_prices(value, prices.value)?,
            _ => form.read(value)?,
        };
        members.insert(name.to_owned(), value);
    }
    Some(())
}

fn with_prices(value: &[u8], prices: &[u8]) -> Option<Value> {
    let priced = paths(value)?.into_iter().zip(pay_infos(prices)?);
    let priced = priced.map(|(mut path, price)| {
        path.insert("payinfo".to_owned(), price);
        Value::Object(path)
    });
    Some(priced.collect())
}

impl Form {
    fn read(self, value: &[u8]) -> Option<Value> {
        const HASH_BYTES: usize = 32;
        Some(match self {
            Self::Hex => hex::encode(value).into(),
            Self::Text => str::from_utf8(value).ok()?.into(),
            Self::Number => number(value)?.into(),
            Self::Chains => value.chunks(HASH_BYTES).map(hex::encode).collect(),
            Self::Paths => paths(value)?.into_iter().map(Value::Object).collect(),
            Self::Name => {
                let mut reader = Reader(value);
                let (name, domain) = (text(&mut reader)?, text(&mut reader)?);
                json!({"name": name, "domain": domain})
            },
        })
    }
}

fn text(reader: &mut Reader<'_>) -> Option<String> {
    let length = usize::try_from(reader.number(1)?).ok()?;
    Some(str::from_utf8(reader.take(length)?).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_in_order() {
        assert!(FIELDS.is_sorted_by_key(|(type_num, ..)| *type_num));
    }

    #[test]
    fn an_amount_is_in_its_currency() {
        let record = |type_num, value| Record { type_num, value, whole: &[] };
        let told = |records: &[Record<'_>]| {
            let mut members = Map::new();
            add(records, &mut members).map(|()| Value::Object(members))
        };
        assert_eq!(told(&[record(8, &[1, 0])]), Some(json!({"offer_amount_msat": 256})));
        let euros = [record(6, b"EUR"), record(8, &[5])];
        assert_eq!(told(&euros), Some(json!({"offer_currency": "EUR", "offer_amount": 5})));
        let name = [record(91, b"\x03bob\x07bob.com")];
        let expected = json!({"invreq_bip_353_name": {"name": "bob", "domain": "bob.com"}});
        assert_eq!(told(&name), Some(expected));
        assert_eq!(told(&[record(10, &[0xff])]), None);
        assert_eq!(told(&[record(16, &[2, 2])]), None);
        // What is not known is passed over.
        assert_eq!(told(&[record(1_000_000_001, &[1])]), Some(json!({})));
    }
}
