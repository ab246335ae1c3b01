//! The amount of a payment, compared with what the payee asks for.

use crate::error::Error;

/// The argument that names it.
pub const FIELD: &str = "amount_msat";
/// A node that is paid accepts up to twice what it asked for (BOLT 4). More than that is most
/// likely a mistake of the unit.
const MOST_TIMES: u64 = 2;

/// The amount that a caller wants to pay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amount {
    /// In millisatoshis. `None` for what the payee asks for.
    pub msat: Option<u64>,
    /// Whether it may be more than twice what the payee asks for.
    pub allow_overpayment: bool,
}

impl Amount {
    /// The amount to pay to `payee`, which asks for `asked_msat`.
    pub fn to_pay(self, payee: &str, asked_msat: u64) -> Result<u64, Error> {
        let refused = |reason: String| Err(Error::invalid(FIELD, reason));
        match self.msat {
            None => Ok(asked_msat),
            Some(msat) if msat < asked_msat => {
                refused(format!("{msat} is less than the {payee}'s {asked_msat}"))
            },
            Some(msat) if self.is_too_much(asked_msat) => refused(format!(
                "{msat} is more than twice the {payee}'s {asked_msat} msat; at most {}, or more with \
                 allow_overpayment",
                asked_msat.saturating_mul(MOST_TIMES)
            )),
            Some(msat) => Ok(msat),
        }
    }

    fn is_too_much(self, asked_msat: u64) -> bool {
        let most_msat = asked_msat.saturating_mul(MOST_TIMES);
        !self.allow_overpayment && self.msat.is_some_and(|msat| msat > most_msat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_pay(msat: u64, allow_overpayment: bool) -> Result<u64, String> {
        let amount = Amount { msat: Some(msat), allow_overpayment };
        amount.to_pay("invoice", 5_000).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_asked_for_is_paid_where_nothing_is_said() {
        assert_eq!(Amount::default().to_pay("invoice", 5_000).ok(), Some(5_000));
    }

    #[test]
    fn up_to_twice_what_is_asked_for_is_paid() {
        assert_eq!(to_pay(5_000, false), Ok(5_000));
        assert_eq!(to_pay(10_000, false), Ok(10_000));
        let less = to_pay(4_999, true).unwrap_err();
        assert!(less.contains("4999 is less than the invoice's 5000"), "{less}");
    }

    #[test]
    fn more_than_twice_is_paid_only_where_it_is_meant() {
        for msat in [10_001, 5_000_000, u64::MAX] {
            let refused = to_pay(msat, false).unwrap_err();
            assert!(refused.starts_with("amount_msat: "), "{refused}");
            assert!(refused.contains("more than twice the invoice's 5000"), "{refused}");
            assert_eq!(to_pay(msat, true), Ok(msat));
        }
    }
}
