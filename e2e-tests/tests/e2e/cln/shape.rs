//! The shape of Core Lightning's answers: what must be there, of which type, and what else there may be.

use serde_json::Value;

const SHAPES: &str = include_str!("shapes.tsv");

/// A field of an answer.
struct Field {
    path: &'static str,
    kind: &'static str,
    is_always: bool,
}

/// The fields of a method, from `shapes.tsv`.
fn fields(method: &str) -> Vec<Field> {
    let lines = SHAPES.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.filter_map(|line| {
        let [of, path, kind, when] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
        (of == method).then_some(Field { path, kind, is_always: when == "always" })
    });
    fields.collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What an answer lacks or has of another type, and what Core Lightning does not have.
pub(super) fn differences(method: &str, answer: &Value) -> Vec<String> {
    let fields = fields(method);
    let mut differences = Vec::new();
    if fields.is_empty() {
        differences.push(format!("nothing is known of {method}"));
    }
    of_object("", answer, &fields, &mut differences);
    differences
}

fn of_object(at: &str, object: &Value, fields: &[Field], differences: &mut Vec<String>) {
    let Some(members) = object.as_object() else {
        differences.push(format!("{at} is no object"));
        return;
    };
    for field in fields.iter().filter(|field| field.is_always) {
        let name = field.path.strip_prefix(at).filter(|name| !name.contains(['.', '[']));
        if let Some(name) = name
            && !members.contains_key(name)
        {
            differences.push(format!("{} is missing", field.path));
        }
    }
    for (name, value) in members {
        let path = format!("{at}{name}");
        match fields.iter().find(|field| field.path == path) {
            None => differences.push(format!("{path} is not in Core Lightning's answers")),
            Some(field) if field.kind != kind(value) => {
                differences.push(format!("{path} is {} and not {}", kind(value), field.kind));
            },
            Some(_) => of_inside(&path, value, fields, differences),
        }
    }
}

fn of_inside(path: &str, value: &Value, fields: &[Field], differences: &mut Vec<String>) {
    if value.is_object() {
        of_object(&format!("{path}."), value, fields, differences);
    }
    for item in value.as_array().into_iter().flatten().filter(|item| item.is_object()) {
        of_object(&format!("{path}[]."), item, fields, differences);
    }
}

#[test]
fn what_is_different_is_named() {
    let whole = serde_json::json!({"type": "none"});
    let found = differences("connect", &whole);
    assert!(found.contains(&"id is missing".to_owned()), "{found:?}");
    assert!(found.contains(&"type is not in Core Lightning's answers".to_owned()), "{found:?}");
    let address = serde_json::json!({"id": "02", "features": 7, "direction": "out", "address": {}});
    let mut found = differences("connect", &address);
    found.sort();
    assert_eq!(found, ["address.type is missing", "features is number and not string"]);
}
