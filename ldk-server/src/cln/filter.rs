//! The member `filter` of a request: the parts of the answer that the client wants.

use serde_json::{Map, Value};

/// Leaves of an answer what the filter names: an object has the members that are wanted, each `true` or a
/// filter itself; a list has the filter of its items.
pub(super) fn apply(filter: &Value, answer: Value) -> Value {
    match (filter, answer) {
        (Value::Object(wanted), Value::Object(members)) => Value::Object(chosen(wanted, members)),
        (Value::Array(of_items), Value::Array(items)) => match of_items.first() {
            Some(filter) => items.into_iter().map(|item| apply(filter, item)).collect(),
            None => Value::Array(items),
        },
        (_, answer) => answer,
    }
}

fn chosen(wanted: &Map<String, Value>, members: Map<String, Value>) -> Map<String, Value> {
    let chosen = members.into_iter().filter_map(|(name, member)| match wanted.get(&name)? {
        Value::Bool(false) => None,
        filter => Some((name, apply(filter, member))),
    });
    chosen.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_named_is_left() {
        let answer =
            json!({"invoices": [{"label": "a", "status": "paid"}, {"label": "b"}], "n": 1});
        let filter = json!({"invoices": [{"label": true}]});
        let left = apply(&filter, answer.clone());
        assert_eq!(left, json!({"invoices": [{"label": "a"}, {"label": "b"}]}));
        assert_eq!(
            apply(&json!({"n": true, "x": true, "invoices": false}), answer),
            json!({"n": 1})
        );
    }
}
