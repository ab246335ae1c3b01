//! The examples: requests and answers of the commands of docs/api-guide.md, recorded when a test executed
//! them.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use serde::Deserialize;
use serde_json::{Value, json};

use super::comments::Comments;
use super::unit::is_number;

const RECORDED: &str = include_str!("examples.json");

/// Phrases of comments. What has the same phrase looks alike.
const LOOKS: [&str; 12] = [
    "33 bytes as hex",
    "32 bytes as hex",
    "hex in display order",
    "txid:vout",
    "128-bit number in decimal",
    "host:port",
    "Unix seconds",
    "millisatoshis",
    "satoshis",
    "height",
    "in the syntax of runes",
    "as hex",
];

/// A call as it was recorded.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Recorded {
    /// The name of the call.
    pub(super) call: String,
    pub(super) request: Value,
    /// One message of the answer.
    pub(super) answer: Value,
}

/// Values that fields had, by what they are found by.
#[derive(Default)]
pub(super) struct Examples {
    calls: Vec<Recorded>,
    by_field: HashMap<String, Value>,
    by_name: HashMap<String, Value>,
    by_look: HashMap<String, Value>,
}

impl Examples {
    /// Those that are compiled in; a test makes sure that they can be read.
    pub(super) fn recorded(pool: &DescriptorPool, comments: &Comments) -> Self {
        Self::of(serde_json::from_str(RECORDED).unwrap_or_default(), pool, comments)
    }

    fn of(calls: Vec<Recorded>, pool: &DescriptorPool, comments: &Comments) -> Self {
        let mut examples = Self::default();
        let methods: Vec<_> =
            pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
        for call in &calls {
            let Some(method) = methods.iter().find(|method| method.name() == call.call) else {
                continue;
            };
            examples.learn(&method.input(), &call.request, comments);
            examples.learn(&method.output(), &call.answer, comments);
        }
        examples.calls = calls;
        examples
    }

    /// The calls with this name that were recorded.
    pub(super) fn of_call<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Recorded> {
        self.calls.iter().filter(move |call| call.call == name)
    }

    /// A value that the field had, or else one that a similar field had.
    pub(super) fn of_field(&self, field: &FieldDescriptor, comment: &str) -> Option<Value> {
        if let Some(value) = self.by_field.get(field.full_name()) {
            return Some(value.clone());
        }
        if field.is_map() {
            return None;
        }
        let one = self.similar(field, comment).or_else(|| plain(&field.kind()))?;
        Some(if field.is_list() { json!([one]) } else { one })
    }

    fn similar(&self, field: &FieldDescriptor, comment: &str) -> Option<Value> {
        let named = self.by_name.get(&name_key(field));
        let looks = LOOKS.iter().filter(|look| comment.contains(**look));
        let alike = || looks.filter_map(|look| self.by_look.get(&look_key(field, look))).next();
        named.or_else(alike).cloned()
    }

    /// Takes the values of a message's fields. The first of each counts.
    fn learn(&mut self, message: &MessageDescriptor, value: &Value, comments: &Comments) {
        for field in message.fields() {
            let Some(value) = value.get(field.name()) else { continue };
            self.learn_field(&field, value, comments);
            if let Kind::Message(inner) = field.kind() {
                for one in elements(&field, value) {
                    let inner = if field.is_map() { value_of(&inner) } else { Some(inner.clone()) };
                    inner.into_iter().for_each(|inner| self.learn(&inner, one, comments));
                }
            }
        }
    }

    fn learn_field(&mut self, field: &FieldDescriptor, value: &Value, comments: &Comments) {
        if is_empty(value) {
            return;
        }
        let insert = |values: &mut HashMap<String, Value>, key: String, value: &Value| {
            values.entry(key).or_insert_with(|| value.clone());
        };
        insert(&mut self.by_field, field.full_name().to_owned(), value);
        let Some(one) = elements(field, value).next().filter(|_| !field.is_map()) else { return };
        insert(&mut self.by_name, name_key(field), one);
        let comment = comments.on(&field.parent_message().parent_file(), field.path());
        for look in LOOKS.iter().filter(|look| comment.contains(**look)) {
            insert(&mut self.by_look, look_key(field, look), one);
        }
    }
}

/// The values of a field: one, or those of a list or a map.
fn elements<'a>(
    field: &FieldDescriptor,
    value: &'a Value,
) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
    match value {
        Value::Array(values) => Box::new(values.iter()),
        Value::Object(values) if field.is_map() => Box::new(values.values()),
        value => Box::new(std::iter::once(value)),
    }
}

/// The message that the values of a map are.
fn value_of(entry: &MessageDescriptor) -> Option<MessageDescriptor> {
    entry.map_entry_value_field().kind().as_message().cloned()
}

/// Whether a value shows nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn name_key(field: &FieldDescriptor) -> String {
    format!("{} {}", type_name(&field.kind()), field.name())
}

fn look_key(field: &FieldDescriptor, look: &str) -> String {
    format!("{} {look}", type_name(&field.kind()))
}

/// The same for types whose values have one form.
fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(values) => values.full_name().to_owned(),
        kind if is_number(kind) => "number".to_owned(),
        kind => format!("{kind:?}"),
    }
}

/// For a field that nothing recorded is similar to.
fn plain(kind: &Kind) -> Option<Value> {
    match kind {
        Kind::Message(_) => None,
        // The first value means that nothing is set.
        Kind::Enum(values) => values.values().nth(1).map(|value| value.name().into()),
        Kind::Bool => Some(json!(true)),
        Kind::Bytes => Some(json!("dGVh")),
        Kind::String => Some(json!("text")),
        _ => Some(json!(1)),
    }
}
