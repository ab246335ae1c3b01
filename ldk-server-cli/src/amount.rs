//! Amounts as they are written on the command line: a whole number with its unit.

use std::str::FromStr;

use crate::failure::Failure;

const MSAT_PER_SAT: u64 = 1_000;

/// `<number>sat`, `<number>sats`, `<number>msat` or `<number>msats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amount {
    msat: u64,
}

impl Amount {
    pub(crate) fn msat(self) -> u64 {
        self.msat
    }

    /// The amount in satoshis, for what happens on chain: there are no fractions there.
    pub(crate) fn sat(self) -> Result<u64, Failure> {
        if self.msat.is_multiple_of(MSAT_PER_SAT) {
            Ok(self.msat / MSAT_PER_SAT)
        } else {
            Err(Failure::Local(format!(
                "amount {}msats is not evenly divisible by {MSAT_PER_SAT}, and a whole number of \
                 sats is needed here",
                self.msat
            )))
        }
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let text = text.trim();
        let units = [("msats", 1), ("msat", 1), ("sats", MSAT_PER_SAT), ("sat", MSAT_PER_SAT)];
        let (number, msat_per_unit) = units
            .into_iter()
            .find_map(|(unit, msat)| Some((text.strip_suffix(unit)?, msat)))
            .ok_or(AmountError::Unit)?;
        let number: u64 = number.parse().map_err(|_| AmountError::Number)?;
        let msat = number.checked_mul(msat_per_unit).ok_or(AmountError::TooLarge)?;
        Ok(Self { msat })
    }
}

/// An amount, or the word `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AmountOrAll {
    Amount(Amount),
    All,
}

impl FromStr for AmountOrAll {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        match text.trim() {
            "all" => Ok(Self::All),
            text => text.parse().map(Self::Amount),
        }
    }
}

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AmountError {
    #[error("an amount ends in its unit, sat or msat, as in 2500sat or 1200msat")]
    Unit,
    #[error("an amount is a whole number and its unit, as in 2500sat or 1200msat")]
    Number,
    #[error("the amount is too large")]
    TooLarge,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_four_units_are_understood() {
        for (text, msat) in [
            ("1sat", 1_000),
            ("2sats", 2_000),
            ("3msat", 3),
            ("4msats", 4),
            (" 5sat\n", 5_000),
            ("+6sat", 6_000),
            ("007msat", 7),
            ("0sat", 0),
            ("18446744073709551615msat", u64::MAX),
        ] {
            assert_eq!(text.parse::<Amount>().map(Amount::msat), Ok(msat), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, reason) in [
            ("", AmountError::Unit),
            ("100", AmountError::Unit),
            ("100SAT", AmountError::Unit),
            ("1btc", AmountError::Unit),
            ("all", AmountError::Unit),
            ("sat", AmountError::Number),
            ("-1sat", AmountError::Number),
            ("1.5sat", AmountError::Number),
            ("1 sat", AmountError::Number),
            ("1_000sat", AmountError::Number),
            ("18446744073709551616msat", AmountError::Number),
            ("18446744073709552sat", AmountError::TooLarge),
        ] {
            assert_eq!(text.parse::<Amount>(), Err(reason), "{text}");
        }
    }

    #[test]
    fn fractions_of_a_sat_are_refused_where_sats_are_needed() {
        assert_eq!("1500sat".parse::<Amount>().unwrap().sat().unwrap(), 1_500);
        assert_eq!("2000msat".parse::<Amount>().unwrap().sat().unwrap(), 2);
        let failure = "1500msat".parse::<Amount>().unwrap().sat().unwrap_err();
        let message = failure.to_string();
        assert!(
            message.starts_with("Error: amount 1500msats is not evenly divisible"),
            "{message}"
        );
    }

    #[test]
    fn all_is_a_word_of_its_own() {
        assert_eq!(" all ".parse(), Ok(AmountOrAll::All));
        assert_eq!("1sat".parse(), Ok(AmountOrAll::Amount(Amount { msat: 1_000 })));
        assert_eq!("ALL".parse::<AmountOrAll>(), Err(AmountError::Unit));
    }

    proptest! {
        #[test]
        fn any_text_is_an_amount_or_an_error(text in ".*") {
            let _ = text.parse::<Amount>();
        }

        #[test]
        fn sats_and_msats_agree(sat in 0..=u64::MAX / MSAT_PER_SAT) {
            let from_sat: Amount = format!("{sat}sat").parse().unwrap();
            let from_msat: Amount = format!("{}msat", sat * MSAT_PER_SAT).parse().unwrap();
            prop_assert_eq!(from_sat, from_msat);
            prop_assert_eq!(from_sat.sat().unwrap(), sat);
        }
    }
}
