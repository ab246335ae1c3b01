//! Whether restrictions allow a call.

use std::borrow::Cow;
use std::fmt;

use super::{Alternative, Field, Limit, Operator, Restriction, UniqueId};

/// So much of a value is shown in the reason of a denial, in characters.
const SHOWN_CHARACTERS: usize = 66;
/// So many reasons of one restriction are shown.
const SHOWN_REASONS: usize = 16;

/// What is known of a call.
pub trait Facts {
    /// The value of a field of this call.
    fn fact(&self, field: Field<'_>) -> Fact<'_>;
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<'a> {
    /// No call of this kind has the field: every operator denies, `!` as well.
    Unknown,
    /// This call has no value of it: every operator but `!` denies.
    Missing,
    /// It is not known yet, and is asked for again when it is: every operator holds until then.
    Open,
    /// One value, in each of its spellings: `=`, `^`, `$`, `~`, `<`, `>`, `{`, `}` hold if they do for one of
    /// them, and `/` if it does for all.
    Spellings(Vec<Cow<'a, str>>),
    /// A list of values: an operator holds if it does for each of them. An empty list is missing.
    List(Vec<Cow<'a, str>>),
}

impl<'a> Fact<'a> {
    /// One value.
    pub fn text(value: impl Into<Cow<'a, str>>) -> Self {
        Self::Spellings(vec![value.into()])
    }

    /// One number.
    pub fn number(value: u64) -> Self {
        Self::text(value.to_string())
    }

    /// The value, if there is one with one spelling.
    pub fn only(&self) -> Option<&str> {
        match self {
            Self::Spellings(all) => all.first().filter(|_| all.len() == 1).map(AsRef::as_ref),
            Self::Unknown | Self::Missing | Self::Open | Self::List(_) => None,
        }
    }

    fn holds(&self, operator: Operator, value: &str) -> bool {
        let is = |actual: &Cow<'_, str>| compare(operator, actual, value);
        match self {
            Self::Unknown => false,
            Self::Open => true,
            Self::Missing => operator == Operator::Missing,
            Self::Spellings(all) | Self::List(all) if all.is_empty() => {
                operator == Operator::Missing
            },
            Self::Spellings(all) if operator != Operator::NotEqual => all.iter().any(is),
            Self::Spellings(all) | Self::List(all) => all.iter().all(is),
        }
    }

    fn values(&self) -> &[Cow<'a, str>] {
        match self {
            Self::Unknown | Self::Missing | Self::Open => &[],
            Self::Spellings(all) | Self::List(all) => all,
        }
    }

    fn is_integer(&self) -> bool {
        self.values().iter().any(|value| integer(value).is_some())
    }
}

/// A limit that the caller of [`evaluate`] has to keep, because it depends on earlier calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Demand {
    /// The limit.
    pub limit: Limit,
    /// The restrictions up to and with that of the limit, as in `=3&group=pay&budget=100000sat/day`. What
    /// counts towards the limit is every use with this scope: a rune shares it with all that are made of it
    /// by restricting, and with no other.
    pub scope: String,
}

/// Why a call is not allowed: the reasons why no alternative of a restriction holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denial {
    restriction: String,
    reason: String,
}

impl Denial {
    pub(super) fn of_version(id: &UniqueId) -> Self {
        let version = shown(id.version().unwrap_or_default());
        Self { restriction: id.to_string(), reason: format!("unknown version {version}") }
    }

    /// The restriction that does not hold, as it is in the rune.
    pub fn restriction(&self) -> &str {
        &self.restriction
    }
}

/// Evaluates restrictions: all must hold, and of each at least one alternative.
///
/// | field | |
/// |--|--|
/// | `method`, `group`, `time`, `id`, `pnum`, `parr0`, `pname_…` | what the call is: see [`Field`] |
/// | `rate`, `per`, `budget` | a [`Limit`], with `=` only |
/// | any other | does not hold, but as a comment |
///
/// Limits depend on earlier calls, and are returned, to be kept by the caller: the call is allowed if all
/// of them can be kept at once. If an alternative of a restriction holds that is no limit, none of that
/// restriction is returned: `method/Bolt11Send|rate=5` limits Bolt11Send only. Otherwise all limits of that
/// restriction are, in their order. With two limits as alternatives, both must be kept; that is narrower than
/// the format, in which either would do, and never wider.
///
/// `<` and `>` compare integers of up to 64 bits, with or without sign, and do not hold for anything else.
pub fn evaluate(restrictions: &[Restriction], facts: &impl Facts) -> Result<Vec<Demand>, Denial> {
    let mut demands = Vec::new();
    for (index, restriction) in restrictions.iter().enumerate() {
        let limits = limits_of(restriction, facts)?;
        if !limits.is_empty() {
            let until: Vec<_> = restrictions[..=index].iter().map(ToString::to_string).collect();
            let scope = until.join("&");
            demands.extend(limits.into_iter().map(|limit| Demand { limit, scope: scope.clone() }));
        }
    }
    Ok(demands)
}

/// What has to be kept so that a restriction holds.
fn limits_of(restriction: &Restriction, facts: &impl Facts) -> Result<Vec<Limit>, Denial> {
    let (mut limits, mut reasons) = (Vec::new(), Vec::new());
    for alternative in restriction.alternatives() {
        match outcome(alternative, facts) {
            Outcome::Holds => return Ok(Vec::new()),
            Outcome::Limited(limit) => limits.push(limit),
            Outcome::Fails(reason) => reasons.push(reason),
        }
    }
    if !limits.is_empty() {
        return Ok(limits);
    }
    reasons.truncate(SHOWN_REASONS);
    Err(Denial { restriction: restriction.to_string(), reason: reasons.join(" AND ") })
}

enum Outcome {
    Holds,
    Limited(Limit),
    Fails(String),
}

fn outcome(alternative: &Alternative, facts: &impl Facts) -> Outcome {
    if alternative.operator() == Operator::Comment {
        return Outcome::Holds;
    }
    if let Some(limit) = Limit::of(alternative) {
        return limit.map_or_else(Outcome::Fails, Outcome::Limited);
    }
    let fact = Field::named(alternative.field()).map_or(Fact::Unknown, |field| facts.fact(field));
    if fact.holds(alternative.operator(), alternative.value()) {
        Outcome::Holds
    } else {
        Outcome::Fails(Failure { alternative, fact: &fact }.to_string())
    }
}

fn compare(operator: Operator, actual: &str, value: &str) -> bool {
    match operator {
        Operator::Equal => actual == value,
        Operator::NotEqual => actual != value,
        Operator::StartsWith => actual.starts_with(value),
        Operator::EndsWith => actual.ends_with(value),
        Operator::Contains => actual.contains(value),
        Operator::Less => integers(actual, value).is_some_and(|(actual, value)| actual < value),
        Operator::Greater => integers(actual, value).is_some_and(|(actual, value)| actual > value),
        Operator::SortsBefore => actual < value,
        Operator::SortsAfter => actual > value,
        Operator::Missing => false,
        Operator::Comment => true,
    }
}

fn integers(actual: &str, value: &str) -> Option<(i128, i128)> {
    Some((integer(actual)?, integer(value)?))
}

/// An integer between the least of `i64` and the greatest of `u64`.
fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number: i128 = text.parse().ok().filter(|_| is_number)?;
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number).then_some(number)
}

/// Why an alternative does not hold, in the words of Core Lightning.
struct Failure<'a> {
    alternative: &'a Alternative,
    fact: &'a Fact<'a>,
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = shown(self.alternative.field());
        let value = shown(self.alternative.value());
        let complaint = match self.alternative.operator() {
            _ if *self.fact == Fact::Unknown => {
                return write!(f, "{field} is not a known condition");
            },
            _ if self.fact.values().is_empty() => return write!(f, "{field} not present"),
            Operator::Missing => return write!(f, "{field} is present"),
            Operator::Less | Operator::Greater if !self.fact.is_integer() => {
                return write!(f, "{field} is not an integer field");
            },
            Operator::Less | Operator::Greater if integer(self.alternative.value()).is_none() => {
                return write!(f, "{value} is not a valid integer");
            },
            Operator::Equal => "is not equal to",
            Operator::NotEqual => "is equal to",
            Operator::StartsWith => "does not start with",
            Operator::EndsWith => "does not end with",
            Operator::Contains => "does not contain",
            Operator::Less => "is greater or equal to",
            Operator::Greater => "is less or equal to",
            Operator::SortsBefore => "is equal to or ordered after",
            Operator::SortsAfter => "is equal to or ordered before",
            // A comment never fails.
            Operator::Comment => "is a comment",
        };
        write!(f, "{field} {complaint} {value}")
    }
}

/// A text, if it is not too long to be shown whole.
fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
