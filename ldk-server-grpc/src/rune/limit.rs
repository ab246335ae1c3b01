//! Conditions that depend on earlier calls.

use std::fmt;
use std::time::Duration;

use super::budget::{Budget, whole_number};
use super::restriction::{Alternative, Operator};

const RATE: &str = "rate";
const PER: &str = "per";
const BUDGET: &str = "budget";

/// The units of `per` in nanoseconds, the longest first.
const UNITS: [(&str, u64); 7] = [
    ("day", 86_400 * NANOS_PER_SEC),
    ("hour", 3_600 * NANOS_PER_SEC),
    ("min", 60 * NANOS_PER_SEC),
    ("msec", 1_000_000),
    ("usec", 1_000),
    ("nsec", 1),
    ("sec", NANOS_PER_SEC),
];
const NANOS_PER_SEC: u64 = 1_000_000_000;

/// How often a rune may be used, or how much may be spent with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `rate=60`: at most so many calls in a minute.
    Rate {
        /// How many, at least one.
        per_minute: u64,
    },
    /// `per=10sec`: at most one call in so long, which is not zero.
    Interval(Duration),
    /// `budget=100000sat/day`: at most so much is spent.
    Budget(Budget),
}

impl Limit {
    /// The limit that an alternative sets, or why it is none. `None` if it is about something else.
    pub(super) fn of(alternative: &Alternative) -> Option<Result<Self, String>> {
        let (field, value) = (alternative.field(), alternative.value());
        let limit = match field {
            RATE => rate(value).ok_or("is not a whole number of calls per minute"),
            PER => {
                interval(value).ok_or("is not a time in nsec, usec, msec, sec, min, hour or day")
            },
            BUDGET => value.parse().map(Self::Budget).map_err(|_| "is not a budget"),
            _ => return None,
        };
        if alternative.operator() != Operator::Equal {
            return Some(Err(format!("{field} operator must be =")));
        }
        Some(limit.map_err(|problem| format!("{field} {problem}")))
    }
}

fn rate(value: &str) -> Option<Limit> {
    whole_number(value).filter(|rate| *rate > 0).map(|per_minute| Limit::Rate { per_minute })
}

/// Seconds, unless there is a unit.
fn interval(value: &str) -> Option<Limit> {
    let unit = UNITS.iter().find_map(|(unit, nanos)| Some((value.strip_suffix(unit)?, *nanos)));
    let (number, nanos) = unit.unwrap_or((value, NANOS_PER_SEC));
    let nanos = whole_number(number)?.checked_mul(nanos).filter(|nanos| *nanos > 0)?;
    Some(Limit::Interval(Duration::from_nanos(nanos)))
}

/// As an alternative, such as `per=10sec`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate { per_minute } => write!(f, "{RATE}={per_minute}"),
            Self::Interval(interval) => {
                let (number, unit) = in_unit(*interval);
                write!(f, "{PER}={number}{unit}")
            },
            Self::Budget(budget) => write!(f, "{BUDGET}={budget}"),
        }
    }
}

/// A time as a whole number of the longest unit that it is a multiple of.
pub(super) fn in_unit(time: Duration) -> (u128, &'static str) {
    let nanos = time.as_nanos();
    let mut units = UNITS.map(|(unit, length)| (u128::from(length), unit));
    units.sort_unstable();
    let fitting = units.into_iter().rev().find(|(length, _)| nanos.is_multiple_of(*length));
    fitting.map_or((nanos, "nsec"), |(length, unit)| (nanos / length, unit))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Restriction;
    use super::*;

    fn limit(text: &str) -> Option<Result<Limit, String>> {
        Limit::of(&text.parse::<Restriction>().unwrap().alternatives()[0])
    }

    #[test]
    fn limits_are_parsed_and_written() {
        for (text, written, expected) in [
            ("rate=60", "rate=60", Limit::Rate { per_minute: 60 }),
            ("per=10sec", "per=10sec", Limit::Interval(Duration::from_secs(10))),
            ("per=10", "per=10sec", Limit::Interval(Duration::from_secs(10))),
            ("per=90sec", "per=90sec", Limit::Interval(Duration::from_secs(90))),
            ("per=120sec", "per=2min", Limit::Interval(Duration::from_secs(120))),
            ("per=24hour", "per=1day", Limit::Interval(Duration::from_secs(86_400))),
            ("per=1500msec", "per=1500msec", Limit::Interval(Duration::from_millis(1_500))),
            ("per=7usec", "per=7usec", Limit::Interval(Duration::from_micros(7))),
            ("per=1000000000nsec", "per=1sec", Limit::Interval(Duration::from_secs(1))),
            ("budget=2sat/day", "budget=2sat/day", Limit::Budget("2sat/day".parse().unwrap())),
        ] {
            assert_eq!(limit(text), Some(Ok(expected)), "{text}");
            assert_eq!(expected.to_string(), written);
        }
    }

    #[test]
    fn what_is_no_limit_is_refused_or_something_else() {
        for text in [
            "rate=",
            "rate=0",
            "rate=+1",
            "rate=x",
            "rate=1.5",
            "rate<5",
            "rate!",
            "per=",
            "per=0sec",
            "per=sec",
            "per=1week",
            "per=-1sec",
            "per=18446744073709551615sec",
            "per>1sec",
            "budget=1",
            "budget/1sat/day",
        ] {
            assert!(limit(text).is_some_and(|limit| limit.is_err()), "{text}");
        }
        for text in ["method=a", "rates=1", "Rate=1"] {
            assert_eq!(limit(text), None, "{text}");
        }
    }
}
