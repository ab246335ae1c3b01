//! Restrictions in English, in the words of Core Lightning.

use ldk_server_grpc::rune::{Alternative, Operator, Restriction};
use serde::Serialize;

/// A restriction, as `showrunes` has it.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Shown {
    alternatives: Vec<ShownAlternative>,
    pub(super) english: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct ShownAlternative {
    fieldname: String,
    value: String,
    condition: char,
    english: String,
}

impl Shown {
    pub(super) fn of(restriction: &Restriction) -> Self {
        let alternatives = restriction.alternatives();
        let english: Vec<_> = alternatives.iter().map(english).collect();
        let shown =
            alternatives.iter().zip(&english).map(|(alternative, english)| ShownAlternative {
                fieldname: alternative.field().to_owned(),
                value: alternative.value().to_owned(),
                condition: alternative.operator().symbol(),
                english: english.clone(),
            });
        Self { alternatives: shown.collect(), english: english.join(" OR ") }
    }
}

fn english(alternative: &Alternative) -> String {
    let (field, value) = (alternative.field(), alternative.value());
    let condition = match alternative.operator() {
        Operator::Missing => return format!("{field} is missing"),
        Operator::Comment => return format!("comment: {field} {value}"),
        Operator::Equal => "equal to",
        Operator::NotEqual => "unequal to",
        Operator::StartsWith => "starts with",
        Operator::EndsWith => "ends with",
        Operator::Contains => "contains",
        Operator::Less => "<",
        Operator::Greater => ">",
        Operator::SortsBefore => "sorts before",
        Operator::SortsAfter => "sorts after",
    };
    format!("{field} {condition} {value}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_restriction_is_shown_as_core_lightning_shows_it() {
        let shown = Shown::of(&"method^list|method=summary".parse().unwrap());
        let expected = json!({
            "alternatives": [
                {"fieldname": "method", "value": "list", "condition": "^",
                 "english": "method starts with list"},
                {"fieldname": "method", "value": "summary", "condition": "=",
                 "english": "method equal to summary"},
            ],
            "english": "method starts with list OR method equal to summary",
        });
        assert_eq!(serde_json::to_value(shown).unwrap(), expected);
        let english = |text: &str| Shown::of(&text.parse().unwrap()).english;
        assert_eq!(english("method/listdatastore"), "method unequal to listdatastore");
        assert_eq!(english("id!"), "id is missing");
    }
}
