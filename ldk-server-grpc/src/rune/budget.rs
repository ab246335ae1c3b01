//! How much may be spent in a time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const MSAT_PER_SAT: u64 = 1_000;
const HOUR: Duration = Duration::from_secs(3_600);

/// A time in which a budget may be spent. It rolls: what was spent longer ago does not count any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// For ever: nothing comes back.
    Total,
}

impl Window {
    /// All windows, the shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Total];

    /// As it is written in a budget.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// How long it is; none if it does not end.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Hour => Some(HOUR),
            Self::Day => Some(24 * HOUR),
            Self::Week => Some(7 * 24 * HOUR),
            Self::Month => Some(30 * 24 * HOUR),
            Self::Total => None,
        }
    }
}

/// The most that may be spent in a [`Window`], written `100000sat/day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// The amount, in msat.
    pub amount_msat: u64,
    /// In which time.
    pub window: Window,
}

/// Why a text is no budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a budget is a whole number of sat or msat in an hour, day, week, month or total, as 100000sat/day"
)]
pub struct BudgetError;

/// Parses a whole number of `sat` or `msat`, `/`, and the name of a window.
impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let (amount, name) = text.split_once('/').ok_or(BudgetError)?;
        let window = Window::ALL.into_iter().find(|window| window.name() == name);
        let (number, msat_per_unit) = match amount.strip_suffix("msat") {
            Some(number) => (number, 1),
            None => (amount.strip_suffix("sat").ok_or(BudgetError)?, MSAT_PER_SAT),
        };
        let number = whole_number(number).ok_or(BudgetError)?;
        Ok(Self {
            amount_msat: number.checked_mul(msat_per_unit).ok_or(BudgetError)?,
            window: window.ok_or(BudgetError)?,
        })
    }
}

/// As it is parsed, in sat where that is exact.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Msat(self.amount_msat), self.window.name())
    }
}

/// An amount with its unit.
pub(super) struct Msat(pub(super) u64);

impl fmt::Display for Msat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(MSAT_PER_SAT) {
            write!(f, "{}sat", self.0 / MSAT_PER_SAT)
        } else {
            write!(f, "{}msat", self.0)
        }
    }
}

/// Digits only: `u64::from_str` accepts a leading `+` as well.
pub(super) fn whole_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_parsed_and_written() {
        for (text, amount_msat, window) in [
            ("100000sat/day", 100_000_000, Window::Day),
            ("1500msat/hour", 1_500, Window::Hour),
            ("0sat/week", 0, Window::Week),
            ("18446744073709551615msat/month", u64::MAX, Window::Month),
            ("1sat/total", 1_000, Window::Total),
        ] {
            let budget = Budget { amount_msat, window };
            assert_eq!((text.parse(), budget.to_string()), (Ok(budget), text.to_owned()));
        }
        assert_eq!(
            "5000msat/day".parse::<Budget>().map(|budget| budget.to_string()),
            Ok("5sat/day".into())
        );
    }

    #[test]
    fn what_is_no_budget_is_refused() {
        for text in [
            "",
            "/",
            "sat/day",
            "1/day",
            "1sat",
            "1sat/",
            "1sat/days",
            "1sat/Day",
            "1 sat/day",
            "+1sat/day",
            "-1sat/day",
            "1.5sat/day",
            "1btc/day",
            "18446744073709551616msat/day",
            "18446744073709552sat/day",
            "1sat/day/day",
            "1ssat/day",
        ] {
            assert_eq!(text.parse::<Budget>(), Err(BudgetError), "{text}");
        }
    }

    #[test]
    fn windows_get_longer() {
        let days: Vec<_> = Window::ALL.map(Window::duration).into_iter().flatten().collect();
        assert!(days.is_sorted() && days.len() == 4);
        assert_eq!(Window::Month.duration(), Some(Duration::from_secs(30 * 86_400)));
    }
}
