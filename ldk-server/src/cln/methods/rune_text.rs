//! Runes, as `decode` tells what they say.

use ldk_server_grpc::rune::{Alternative, Operator, Rune};
use serde_json::{Map, Value, json};

/// What a text says that is a rune, whoever has made it.
pub(super) fn decode(text: &str) -> Option<Value> {
    let rune = Rune::parse(text).ok()?;
    let restrictions = rune.restrictions().iter().map(|restriction| {
        let alternatives = restriction.alternatives();
        let texts: Vec<_> = alternatives.iter().map(ToString::to_string).collect();
        let summaries: Vec<_> = alternatives.iter().map(summary).collect();
        json!({"alternatives": texts, "summary": summaries.join(" OR ")})
    });
    let mut told = Map::new();
    let mut add = |name: &str, value: Value| told.insert(name.to_owned(), value);
    add("type", "rune".into());
    add("valid", true.into());
    add("string", rune.encode_hex().into());
    add("restrictions", restrictions.collect());
    if let Some(id) = rune.unique_id() {
        add("unique_id", id.id().into());
        if let Some(version) = id.version() {
            add("version", version.into());
        }
    }
    Some(Value::Object(told))
}

fn summary(alternative: &Alternative) -> String {
    let (field, value) = (alternative.field(), alternative.value());
    let meaning = match field {
        "time" => "time (in seconds since 1970)",
        "id" => "id (of commanding peer)",
        "method" => "method (of command)",
        field => field,
    };
    let comparison = match alternative.operator() {
        Operator::Equal => "equal to",
        Operator::NotEqual => "unequal to",
        Operator::StartsWith => "starts with",
        Operator::EndsWith => "ends with",
        Operator::Contains => "contains",
        Operator::Less => "less than",
        Operator::Greater => "greater than",
        Operator::SortsBefore => "sorts before",
        Operator::SortsAfter => "sorts after",
        Operator::Missing => return format!("{meaning} is missing"),
        Operator::Comment => return format!("comment: {field}{value}"),
    };
    format!("{meaning} {comparison} '{value}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rune of Core Lightning, and what it tells of that.
    #[test]
    fn a_rune_says_what_it_allows() {
        let told = decode(
            "V1rmu7QzmtbcAebDOo3Ie88UJMfDWK75wiUqkBEst1Q9MiZtZXRob2Q9aW52b2ljZSZtZXRob2Q9bGlzdGludm9pY2Vz",
        );
        let expected = json!({
            "type": "rune",
            "unique_id": "2",
            "string": "575ae6bbb4339ad6dc01e6c33a8dc87bcf1424c7c358aef9c2252a90112cb754:=2&method=invoice&method=listinvoices",
            "restrictions": [
                {"alternatives": ["method=invoice"], "summary": "method (of command) equal to 'invoice'"},
                {"alternatives": ["method=listinvoices"], "summary": "method (of command) equal to 'listinvoices'"},
            ],
            "valid": true,
        });
        assert_eq!(told, Some(expected));
        assert_eq!(decode("lnbcrt1"), None);
        assert_eq!(decode("garbage"), None);
    }
}
