//! Restrictions in plain English.

use chrono::DateTime;

use super::budget::Msat;
use super::limit::in_unit;
use super::{Alternative, Field, Limit, Operator, Restriction, Window};

/// Says what restrictions allow: a sentence for each. Every one has to hold.
pub fn describe(restrictions: &[Restriction]) -> Vec<String> {
    if restrictions.is_empty() {
        return vec!["every call is allowed".to_owned()];
    }
    restrictions.iter().map(sentence).collect()
}

fn sentence(restriction: &Restriction) -> String {
    let alternatives = restriction.alternatives();
    if let Some(values) = values_of_one_field(alternatives) {
        return format!("{} is {}", subject(alternatives[0].field()), listed(&values));
    }
    let clauses: Vec<_> = alternatives.iter().map(clause).collect();
    clauses.join(", or ")
}

/// The values, if a field is to equal one of several.
fn values_of_one_field(alternatives: &[Alternative]) -> Option<Vec<&str>> {
    let (first, others) = alternatives.split_first()?;
    let same = |other: &Alternative| other.field() == first.field();
    let is_value = |alternative: &Alternative| {
        alternative.operator() == Operator::Equal && Field::named(alternative.field()).is_some()
    };
    (!others.is_empty() && others.iter().all(same) && alternatives.iter().all(is_value))
        .then(|| alternatives.iter().map(Alternative::value).collect())
}

/// `a`, `a or b`, `a, b or c`.
fn listed(values: &[&str]) -> String {
    match values {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        values => values.concat(),
    }
}

fn clause(alternative: &Alternative) -> String {
    let (field, value) = (alternative.field(), alternative.value());
    match (alternative.operator(), Limit::of(alternative), Field::named(field)) {
        (Operator::Comment, ..) => format!("always (a comment: {field} {value})"),
        (_, Some(Ok(limit)), _) => limited(limit),
        (_, Some(Err(problem)), _) => format!("never ({problem})"),
        (_, None, None) => format!("never ({field} is not a known condition)"),
        (Operator::Less, _, Some(Field::Time)) => format!("the time is before {}", date(value)),
        (Operator::Greater, _, Some(Field::Time)) => format!("the time is after {}", date(value)),
        (Operator::Missing, ..) => format!("{} is not given", subject(field)),
        (operator, ..) => format!("{} {} {value}", subject(field), verb(operator)),
    }
}

fn limited(limit: Limit) -> String {
    match limit {
        Limit::Rate { per_minute: 1 } => "at most 1 call in a minute".to_owned(),
        Limit::Rate { per_minute } => format!("at most {per_minute} calls in a minute"),
        Limit::Interval(interval) => {
            let (number, unit) = in_unit(interval);
            format!("at most one call in {number} {unit}")
        },
        Limit::Budget(budget) => {
            let time = match budget.window {
                Window::Hour => "in any hour",
                Window::Day => "in any 24 hours",
                Window::Week => "in any 7 days",
                Window::Month => "in any 30 days",
                Window::Total => "in total",
            };
            format!("at most {} is spent {time}", Msat(budget.amount_msat))
        },
    }
}

fn subject(field: &str) -> String {
    match Field::named(field) {
        Some(Field::Method) => "the method".to_owned(),
        Some(Field::Group) => "the group of the method".to_owned(),
        Some(Field::Time) => "the time".to_owned(),
        Some(Field::CallerId) => "the caller".to_owned(),
        Some(Field::ParameterCount) => "the number of parameters".to_owned(),
        Some(Field::ParameterAt(position)) => format!("the parameter at position {position}"),
        Some(Field::OfInvoice(parameter, part)) => {
            format!("the {} of the invoice in {parameter}", part.name())
        },
        Some(Field::Parameter(path)) => format!("the parameter {path}"),
        None => field.to_owned(),
    }
}

fn verb(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "is",
        Operator::NotEqual => "is given and is not",
        Operator::StartsWith => "starts with",
        Operator::EndsWith => "ends with",
        Operator::Contains => "contains",
        Operator::Less => "is less than",
        Operator::Greater => "is greater than",
        Operator::SortsBefore => "sorts before",
        Operator::SortsAfter => "sorts after",
        Operator::Missing => "is not given",
        Operator::Comment => "is commented on:",
    }
}

/// Unix seconds as a date, where they are one.
fn date(unix_secs: &str) -> String {
    let date = unix_secs.parse().ok().and_then(|secs| DateTime::from_timestamp(secs, 0));
    match date {
        Some(date) => date.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        None => unix_secs.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn restrictions_are_put_into_words() {
        for (restriction, words) in [
            ("group=info|group=read", "the group of the method is info or read"),
            ("method=A|method=B|method=C", "the method is A, B or C"),
            ("method=A", "the method is A"),
            (
                "method^list|method/pay",
                "the method starts with list, or the method is given and is not pay",
            ),
            ("time<1800000000", "the time is before 2027-01-15 08:00:00 UTC"),
            ("time>soon", "the time is after soon"),
            ("time<99999999999999999", "the time is before 99999999999999999"),
            ("rate=1", "at most 1 call in a minute"),
            ("rate=60", "at most 60 calls in a minute"),
            ("per=120sec", "at most one call in 2 min"),
            ("budget=100000sat/day", "at most 100000sat is spent in any 24 hours"),
            ("budget=5msat/total", "at most 5msat is spent in total"),
            (
                "method/Bolt11Send|pname_amount_msat<100000",
                "the method is given and is not Bolt11Send, or the parameter amount_msat is less than 100000",
            ),
            (
                "parr1!|pnum>2",
                "the parameter at position 1 is not given, or the number of parameters is greater than 2",
            ),
            ("rate=x", "never (rate is not a whole number of calls per minute)"),
            ("rate<5", "never (rate operator must be =)"),
            ("country=fr", "never (country is not a known condition)"),
            (
                "x=1|x=2",
                "never (x is not a known condition), or never (x is not a known condition)",
            ),
            ("note#for the till", "always (a comment: note for the till)"),
            ("rate=1|rate=2", "at most 1 call in a minute, or at most 2 calls in a minute"),
        ] {
            assert_eq!(describe(&[restriction.parse().unwrap()]), [words]);
        }
        assert_eq!(describe(&[]), ["every call is allowed"]);
    }
}
