//! Why a text is no invoice, offer or address, in words that somebody who pasted it can use.

use std::ops::RangeInclusive;
use std::str::FromStr as _;

use ldk_node::bitcoin::address::NetworkUnchecked;
use ldk_node::bitcoin::bech32::primitives::decode::{
    CharError, CheckedHrpstring, CheckedHrpstringError, UncheckedHrpstringError,
};
use ldk_node::bitcoin::bech32::{Bech32, Bech32m};
use ldk_node::bitcoin::{Address, base58};
use ldk_node::lightning::offers::parse::Bolt12ParseError;
use ldk_node::lightning_invoice::{Bolt11ParseError, Bolt11SemanticError, ParseOrSemanticError};

const WRONG_CHECKSUM: &str = "its checksum is wrong: a letter is wrong or missing";
const CUT_OFF: &str = "it is cut off";
const NO_BEGINNING: &str = "an address begins with bc1, tb1 or bcrt1, or is in base58";
/// How many characters an address in base58 has, or one that lacks or repeats a few.
const BASE58_CHARS: RangeInclusive<usize> = 22..=40;
const SEGWIT_BEGINNINGS: [&str; 3] = ["bc1", "tb1", "bcrt1"];

/// What is wrong with an invoice.
pub fn of_invoice(error: &ParseOrSemanticError) -> String {
    match error {
        ParseOrSemanticError::ParseError(error) => of_parsed_invoice(error),
        ParseOrSemanticError::SemanticError(error) => of_sense(error).to_owned(),
    }
}

/// What is wrong with the text of an invoice.
pub fn of_parsed_invoice(error: &Bolt11ParseError) -> String {
    let reason = match error {
        Bolt11ParseError::Bech32Error(error) => return of_bech32(error),
        Bolt11ParseError::BadPrefix | Bolt11ParseError::UnknownCurrency => {
            "it begins with none of lnbc, lntb, lntbs and lnbcrt"
        },
        Bolt11ParseError::ParseAmountError(_)
        | Bolt11ParseError::UnknownSiPrefix
        | Bolt11ParseError::MalformedHRP => "the amount at its beginning is malformed",
        Bolt11ParseError::MalformedSignature(_) => "its signature is malformed",
        Bolt11ParseError::TooShortDataPart | Bolt11ParseError::UnexpectedEndOfTaggedFields => {
            CUT_OFF
        },
        Bolt11ParseError::DescriptionDecodeError(_) => "its description is not UTF-8",
        Bolt11ParseError::PaddingError
        | Bolt11ParseError::IntegerOverflowError
        | Bolt11ParseError::InvalidSegWitProgramLength
        | Bolt11ParseError::InvalidPubKeyHashLength
        | Bolt11ParseError::InvalidScriptHashLength
        | Bolt11ParseError::InvalidSliceLength(..)
        | Bolt11ParseError::Skip => "one of its fields has a wrong length",
    };
    reason.to_owned()
}

/// Which rule of BOLT 11 an invoice breaks.
pub fn of_sense(error: &Bolt11SemanticError) -> &'static str {
    match error {
        Bolt11SemanticError::NoPaymentHash => "it has no payment hash",
        Bolt11SemanticError::MultiplePaymentHashes => "it has several payment hashes",
        Bolt11SemanticError::NoDescription => "it has neither a description nor the hash of one",
        Bolt11SemanticError::MultipleDescriptions => "it has several descriptions",
        Bolt11SemanticError::NoPaymentSecret => "it has no payment secret",
        Bolt11SemanticError::MultiplePaymentSecrets => "it has several payment secrets",
        Bolt11SemanticError::InvalidFeatures => "it needs a feature that this node does not have",
        Bolt11SemanticError::InvalidSignature => "its signature is not the payee's",
        Bolt11SemanticError::ImpreciseAmount => "its amount is no whole number of millisatoshis",
    }
}

/// What is wrong with an offer. Offers have no checksum.
pub fn of_offer(error: &Bolt12ParseError) -> String {
    let reason = match error {
        Bolt12ParseError::Bech32(error) => return of_bech32(error),
        // There is no text for these, but their names say it.
        Bolt12ParseError::InvalidSemantics(error) => {
            return format!("it breaks a rule of BOLT 12: {error:?}");
        },
        Bolt12ParseError::InvalidContinuation => "a + stands in a wrong place",
        Bolt12ParseError::InvalidLeadingWhitespace => "it begins with white space",
        Bolt12ParseError::InvalidBech32Hrp => "it does not begin with lno1",
        Bolt12ParseError::Decode(_) => "a letter is wrong or missing",
        Bolt12ParseError::InvalidSignature(_) => "its signature is malformed",
    };
    reason.to_owned()
}

/// What is wrong with a refund. Refunds have no checksum.
pub fn of_refund(error: &Bolt12ParseError) -> String {
    match error {
        Bolt12ParseError::InvalidBech32Hrp => "it does not begin with lnr1".to_owned(),
        other => of_offer(other),
    }
}

/// What is wrong with an address; nothing if it is one, of whatever network.
pub fn of_address(text: &str) -> Option<String> {
    if Address::<NetworkUnchecked>::from_str(text).is_ok() {
        return None;
    }
    let is_segwit = |beginning: &&str| {
        text.get(..beginning.len()).is_some_and(|found| found.eq_ignore_ascii_case(beginning))
    };
    Some(if SEGWIT_BEGINNINGS.iter().any(is_segwit) {
        of_segwit_address(text)
    } else {
        of_base58(text)
    })
}

fn of_segwit_address(text: &str) -> String {
    let checked = CheckedHrpstring::new::<Bech32>(text);
    match checked.and_then(|_| CheckedHrpstring::new::<Bech32m>(text)) {
        Err(error) if CheckedHrpstring::new::<Bech32m>(text).is_err() => of_bech32(&error),
        _ => "its witness program has a wrong length or version".to_owned(),
    }
}

fn of_base58(text: &str) -> String {
    if !BASE58_CHARS.contains(&text.len()) {
        return NO_BEGINNING.to_owned();
    }
    match base58::decode_check(text) {
        Err(base58::Error::IncorrectChecksum(_)) => WRONG_CHECKSUM.to_owned(),
        Err(_) => NO_BEGINNING.to_owned(),
        Ok(_) => "it is something else in base58".to_owned(),
    }
}

fn of_bech32(error: &CheckedHrpstringError) -> String {
    match error {
        CheckedHrpstringError::Checksum(_) => WRONG_CHECKSUM.to_owned(),
        CheckedHrpstringError::Parse(UncheckedHrpstringError::Char(error)) => match error {
            CharError::InvalidChar(character) => {
                format!("it has the character {character:?}, which cannot be in it")
            },
            CharError::MixedCase => "it mixes upper and lower case".to_owned(),
            _ => CUT_OFF.to_owned(),
        },
        _ => "its beginning is malformed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::offers::offer::Offer;
    use ldk_node::lightning_invoice::Bolt11Invoice;

    use super::*;
    use crate::wire::vectors;

    #[test]
    fn an_invoice_with_a_wrong_letter_has_a_wrong_checksum() {
        let sound = vectors::text(vectors::BOLT11, "coffee");
        let fault = |text: &str| of_invoice(&Bolt11Invoice::from_str(text).unwrap_err());
        assert_eq!(fault(&sound.replacen("pvjl", "pvjq", 1)), WRONG_CHECKSUM);
        assert_eq!(fault(&sound[..sound.len() - 1]), WRONG_CHECKSUM);
        assert!(fault(&sound.replacen("pvjl", "pvjL", 1)).contains("upper and lower case"));
        assert!(fault(&format!("{sound} x")).contains("' '"));
        assert_eq!(fault("lnbc1"), WRONG_CHECKSUM);
    }

    #[test]
    fn an_offer_with_a_wrong_letter_says_so() {
        let fault = |text: &str| of_offer(&Offer::from_str(text).unwrap_err());
        assert!(fault("lno1qqq").contains("letter"));
        assert!(fault("lnr1qqq").contains("lno1"));
    }

    #[test]
    fn an_address_with_a_wrong_letter_has_a_wrong_checksum() {
        for text in [
            "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6q",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj1",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
        ] {
            let fault = of_address(text).unwrap();
            assert!(
                fault == WRONG_CHECKSUM || fault.contains("cannot be in it"),
                "{text}: {fault}"
            );
        }
        assert_eq!(of_address("bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x"), None);
        assert!(of_address("coffee").unwrap().contains("bcrt1"));
    }
}
