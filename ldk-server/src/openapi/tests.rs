use std::collections::BTreeSet;

use ldk_server_grpc::RPC_NAMES;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use super::*;

fn pool() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTOR_SET).unwrap()
}

fn service() -> ServiceDescriptor {
    pool().get_service_by_name(SERVICE_NAME).unwrap()
}

/// The messages that are sent or received, each once.
fn messages() -> Vec<MessageDescriptor> {
    let mut found: Vec<MessageDescriptor> = Vec::new();
    let mut next: Vec<_> =
        service().methods().flat_map(|method| [method.input(), method.output()]).collect();
    while let Some(message) = next.pop() {
        if found.contains(&message) {
            continue;
        }
        next.extend(message.fields().filter_map(|field| field.kind().as_message().cloned()));
        found.push(message);
    }
    found.retain(|message| !message.is_map_entry());
    found
}

/// The enums of their fields.
fn enums() -> Vec<EnumDescriptor> {
    let fields = messages().into_iter().flat_map(|message| message.fields().collect::<Vec<_>>());
    fields.filter_map(|field| field.kind().as_enum().cloned()).collect()
}

/// The schemas of a message: as it is answered, requested, or held by a request.
fn schemas_of<'a>(document: &'a Value, message: &MessageDescriptor) -> Vec<&'a Value> {
    let names = [message.name().to_owned(), format!("{}Input", message.name())];
    let schemas = &document["components"]["schemas"];
    let found: Vec<_> = names.iter().filter_map(|name| schemas.get(name)).collect();
    assert!(!found.is_empty(), "{}", message.full_name());
    found
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

#[test]
fn every_call_is_there() {
    let document = document();
    for name in RPC_NAMES {
        let operation = &document["paths"][operation::path(json::method(name).unwrap())]["post"];
        assert_eq!(operation["operationId"], *name);
        for key in ["summary", "description"] {
            assert!(is_text(&operation[key]), "{name} has no {key}");
        }
        for status in ["200", "400", "401", "403", "429", "500", "503", "504"] {
            assert!(operation["responses"][status].is_object(), "{name} {status}");
        }
        let group = operation["x-permission"].as_str().unwrap();
        assert_eq!(operation["tags"], json!([group]));
        assert_eq!(operation["security"][0], json!({ "rune": [group] }));
    }
    assert!(document["paths"].get("/v1/get-node-info").is_some());
}

#[test]
fn every_field_has_a_description_and_an_example() {
    let document = document();
    let (mut count, mut lacking) = (0, Vec::new());
    for message in messages() {
        for schema in schemas_of(&document, &message) {
            assert!(is_text(&schema["description"]), "{}", message.full_name());
            for field in message.fields() {
                let property = &schema["properties"][field.name()];
                let lack = lacking_of(&field, property);
                lacking.extend(lack.map(|lack| format!("{}: {lack}", field.full_name())));
                count += 1;
            }
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
    assert!(count > 400, "{count}");
    println!("{count} fields");
}

/// What a field should have and has not.
fn lacking_of(field: &FieldDescriptor, property: &Value) -> Option<&'static str> {
    let is_leaf = !matches!(field.kind(), Kind::Message(_));
    let example = property["examples"].get(0);
    if !is_text(&property["description"]) {
        return Some("a description");
    }
    if is_leaf && example.is_none_or(Value::is_null) {
        return Some("an example");
    }
    (is_amount(field) && !is_text(&property["x-unit"])).then_some("a unit")
}

#[test]
fn every_value_of_an_enum_has_a_meaning() {
    let document = document();
    let mut count = 0;
    for values in enums() {
        let schema = &document["components"]["schemas"][values.name()];
        let description = schema["description"].as_str().unwrap();
        for value in values.values() {
            let line = format!("- `{}`: ", value.name());
            let meaning = description.split(&line).nth(1).unwrap_or_default();
            assert!(meaning.len() > 5 && !meaning.starts_with('\n'), "{}", value.full_name());
            assert!(schema["enum"].as_array().unwrap().contains(&value.name().into()));
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

/// Whether a number is an amount of money, by its name.
fn is_amount(field: &FieldDescriptor) -> bool {
    let words = ["msat", "sats", "satoshi", "amount", "fee", "reserve", "balance", "capacity"];
    unit::is_number(&field.kind()) && words.iter().any(|word| field.name().contains(word))
}

#[test]
fn no_two_messages_share_a_schema() {
    let mut names = BTreeSet::new();
    for message in messages() {
        assert_ne!(message.name(), "Error");
        assert!(names.insert(message.name().to_owned()), "{}", message.full_name());
        assert!(!message.name().ends_with("Input"), "{}", message.full_name());
    }
    for values in enums() {
        assert!(!names.contains(values.name()), "{}", values.full_name());
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(document: &Value, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    let target = document.pointer(reference.trim_start_matches('#'));
                    assert!(target.is_some_and(Value::is_object), "{reference}");
                }
                for form in fields.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
                    assert!(form.is_object(), "{value}");
                }
                fields.values().for_each(|value| check(document, value));
            },
            Value::Array(values) => values.iter().for_each(|value| check(document, value)),
            _ => {},
        }
    }
    let document = document();
    check(&document, &document);
}

#[test]
fn the_document_names_no_insides() {
    let text = text();
    assert!(text.len() < 1024 * 1024, "{} bytes", text.len());
    for inside in [
        ".rs",
        "crate::",
        "src/",
        "SQLite",
        "sqlite",
        "tokio",
        "axum",
        "tonic",
        "prost",
        "panic",
        env!("CARGO_MANIFEST_DIR"),
        "/home/",
        "/root/",
        "TODO",
        "ldk-node",
    ] {
        assert!(!text.contains(inside), "{inside:?} is in the document");
    }
}

/// To be read by programs that check it: `OPENAPI_OUT=FILE`.
#[test]
fn the_document_can_be_written() {
    if let Some(path) = std::env::var_os("OPENAPI_OUT") {
        std::fs::write(path, text()).unwrap();
    }
}

#[test]
fn whoever_uses_a_key_again_is_told_what_may_be_answered() {
    let document = document();
    let operations: Vec<_> =
        document["paths"].as_object().unwrap().values().map(|path| &path["post"]).collect();
    let service = service();
    let with_key = service.methods().filter(|method| {
        let input = method.input();
        input.get_field_by_name("idempotency_key").is_some()
    });
    let mut checked = 0;
    for method in with_key {
        let named = operations.iter().find(|operation| operation["operationId"] == method.name());
        let answers = &named.unwrap_or_else(|| panic!("no {}", method.name()))["responses"];
        assert!(answers["409"].is_object(), "{} does not name ALREADY_EXISTS", method.name());
        checked += 1;
    }
    assert!(checked >= 10, "{checked}");
}
