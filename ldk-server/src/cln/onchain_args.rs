//! Parameters of methods that have to do with the chain: amounts in satoshis, and fee rates.

use serde_json::Value;

use super::amount::parse_msat;
use super::args::Param;

/// An amount in satoshis: a number is one of satoshis, and a text may have a unit.
#[derive(Debug, PartialEq)]
pub(super) struct Sat(pub(super) u64);

impl Param for Sat {
    const EXPECTED: &'static str = "a satoshi amount";

    fn read(value: &Value) -> Option<Self> {
        let text = match value {
            Value::Number(number) => return number.as_u64().map(Self),
            Value::String(text) => text,
            _ => return None,
        };
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self);
        }
        let msat = parse_msat(text)?;
        msat.is_multiple_of(1_000).then_some(Self(msat / 1_000))
    }
}

/// An amount in satoshis, or `None` for all there is.
#[derive(Debug, PartialEq)]
pub(super) struct SatOrAll(pub(super) Option<u64>);

impl Param for SatOrAll {
    const EXPECTED: &'static str = "a satoshi amount or 'all'";

    fn read(value: &Value) -> Option<Self> {
        if value == "all" {
            return Some(Self(None));
        }
        Sat::read(value).map(|sats| Self(Some(sats.0)))
    }
}

/// A fee rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeeRate {
    /// In satoshis per 1000 weight units.
    PerKw(u64),
    /// What is expected to get a transaction into one of so many blocks.
    Blocks(u16),
    /// The lowest that the network relays.
    Minimum,
}

/// The targets of the words, in blocks.
const WORDS: [(&str, u16); 6] = [
    ("urgent", 6),
    ("normal", 12),
    ("slow", 100),
    ("opening", 12),
    ("mutual_close", 100),
    ("unilateral_close", 6),
];

impl Param for FeeRate {
    const EXPECTED: &'static str =
        "a feerate such as 'normal', '6blocks', '253perkw' or '1000perkb'";

    fn read(value: &Value) -> Option<Self> {
        const WEIGHT_PER_VBYTE: u64 = 4;
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return None,
        };
        if text == "minimum" {
            return Some(Self::Minimum);
        }
        if let Some((_, blocks)) = WORDS.iter().find(|(word, _)| *word == text) {
            return Some(Self::Blocks(*blocks));
        }
        if let Some(blocks) = text.strip_suffix("blocks") {
            return blocks.parse().ok().filter(|blocks| *blocks > 0).map(Self::Blocks);
        }
        let number = |digits: &str| digits.parse::<u32>().ok().map(u64::from);
        if let Some(digits) = text.strip_suffix("perkw") {
            return number(digits).map(Self::PerKw);
        }
        let per_kvb = number(text.strip_suffix("perkb").unwrap_or(&text))?;
        Some(Self::PerKw(per_kvb.div_ceil(WEIGHT_PER_VBYTE)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_one_of_satoshis() {
        for (value, sats) in [
            (json!(5), Some(5)),
            (json!("5"), Some(5)),
            (json!("5sat"), Some(5)),
            (json!("5000msat"), Some(5)),
            (json!("0.1btc"), Some(10_000_000)),
            (json!("5001msat"), None),
            (json!("1.5sat"), None),
            (json!(1.5), None),
            (json!(-1), None),
            (json!(""), None),
            (json!("any"), None),
        ] {
            assert_eq!(Sat::read(&value).map(|sats| sats.0), sats, "{value}");
        }
        assert_eq!(SatOrAll::read(&json!("all")), Some(SatOrAll(None)));
        assert_eq!(SatOrAll::read(&json!(7)), Some(SatOrAll(Some(7))));
    }

    #[test]
    fn fee_rates_are_words_targets_or_numbers() {
        for (value, rate) in [
            (json!("1000perkb"), Some(FeeRate::PerKw(250))),
            (json!("1001perkb"), Some(FeeRate::PerKw(251))),
            (json!("253perkw"), Some(FeeRate::PerKw(253))),
            (json!(4000), Some(FeeRate::PerKw(1_000))),
            (json!("4000"), Some(FeeRate::PerKw(1_000))),
            (json!("6blocks"), Some(FeeRate::Blocks(6))),
            (json!("urgent"), Some(FeeRate::Blocks(6))),
            (json!("slow"), Some(FeeRate::Blocks(100))),
            (json!("minimum"), Some(FeeRate::Minimum)),
            (json!("0blocks"), None),
            (json!("fast"), None),
            (json!("-1perkb"), None),
            (json!(1.5), None),
            (json!("99999999999perkw"), None),
        ] {
            assert_eq!(FeeRate::read(&value), rate, "{value}");
        }
    }
}
