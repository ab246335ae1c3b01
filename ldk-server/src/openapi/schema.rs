//! JSON Schemas of messages, enums and fields, in the form in which the server reads and writes them.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::examples::Examples;
use super::unit;
use crate::json::is_text;

/// The greatest number that a reader who keeps numbers as doubles reads right.
const MAX_EXACT: u64 = (1 << 53) - 1;
const DECIMAL: &str = "^[0-9]+$";
const SIGNED_DECIMAL: &str = "^-?[0-9]+$";

/// Which way a message goes. The server reads more forms than it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Answer,
}

/// The schemas of all messages that were asked for, by name.
pub(super) struct Schemas<'a> {
    comments: &'a Comments,
    examples: &'a Examples,
    made: Map<String, Value>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(comments: &'a Comments, examples: &'a Examples) -> Self {
        Self { comments, examples, made: Map::new() }
    }

    pub(super) fn into_made(self) -> Map<String, Value> {
        self.made
    }

    /// A reference to the schema of a message.
    pub(super) fn message(&mut self, message: &MessageDescriptor, direction: Direction) -> Value {
        let name = name(message, direction);
        let reference = reference(&name);
        if !self.made.contains_key(&name) {
            // It may refer to itself.
            self.made.insert(name.clone(), Value::Null);
            let schema = self.object(message, direction);
            self.made.insert(name, schema);
        }
        reference
    }

    fn object(&mut self, message: &MessageDescriptor, direction: Direction) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in message.fields() {
            properties.insert(field.name().to_owned(), self.field(&field, direction));
            if direction == Direction::Answer && !field.supports_presence() {
                required.push(field.name().to_owned());
            }
        }
        let mut schema = json!({
            "type": "object",
            "description": self.comments.on(&message.parent_file(), message.path()),
            "properties": properties,
        });
        match direction {
            Direction::Request => schema["additionalProperties"] = false.into(),
            Direction::Answer if required.is_empty() => {},
            Direction::Answer => schema["required"] = required.into(),
        }
        let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
        let rules: Vec<_> = oneofs.map(|oneof| at_most_one(&oneof, direction)).collect();
        if !rules.is_empty() {
            schema["allOf"] = rules.into();
        }
        schema
    }

    fn field(&mut self, field: &FieldDescriptor, direction: Direction) -> Value {
        let comment = self.comments.on(&field.parent_message().parent_file(), field.path());
        let mut schema = self.value(field, direction);
        let mut description = comment.to_owned();
        if let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
            description.push_str(&alternatives(&oneof));
        }
        schema["description"] = description.into();
        if let Some(unit) = unit::of(field, comment) {
            schema["x-unit"] = unit.into();
        }
        if let Some(example) = self.examples.of_field(field, comment) {
            schema["examples"] = json!([example]);
        }
        if direction == Direction::Request { or_null(schema) } else { schema }
    }

    /// The schema of the field's value: one, a list or a map.
    fn value(&mut self, field: &FieldDescriptor, direction: Direction) -> Value {
        let kind = field.kind();
        if field.is_map()
            && let Kind::Message(entry) = &kind
        {
            let value = self.one(&entry.map_entry_value_field(), direction);
            return json!({ "type": "object", "additionalProperties": value,
                "propertyNames": key(&entry.map_entry_key_field().kind()) });
        }
        let one = self.one(field, direction);
        if field.is_list() { json!({ "type": "array", "items": one }) } else { one }
    }

    fn one(&mut self, field: &FieldDescriptor, direction: Direction) -> Value {
        match field.kind() {
            Kind::Message(message) => self.message(&message, direction),
            Kind::Enum(values) => self.enumeration(&values, direction),
            kind => scalar(&kind, is_text(field), direction),
        }
    }

    /// The names of an enum's values; requests may have their numbers, too.
    fn enumeration(&mut self, values: &EnumDescriptor, direction: Direction) -> Value {
        let names: Vec<_> = values.values().map(|value| value.name().to_owned()).collect();
        let description = self.meanings(values);
        let schema = json!({ "type": "string", "enum": names, "description": description });
        self.made.insert(values.name().to_owned(), schema);
        let reference = reference(values.name());
        match direction {
            Direction::Answer => reference,
            Direction::Request => {
                let numbers: Vec<_> = values.values().map(|value| value.number()).collect();
                json!({ "anyOf": [reference, { "type": "integer", "enum": numbers }] })
            },
        }
    }

    /// What an enum is, and what each of its values means.
    fn meanings(&self, values: &EnumDescriptor) -> String {
        let file = values.parent_file();
        let lines = values.values().map(|value| {
            format!("- `{}`: {}", value.name(), self.comments.on(&file, value.path()))
        });
        let lines: Vec<_> = lines.collect();
        format!("{}\n\n{}", self.comments.on(&file, values.path()), lines.join("\n"))
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The name of a message's schema. What requests hold has schemas of its own.
fn name(message: &MessageDescriptor, direction: Direction) -> String {
    let is_input = direction == Direction::Request && !message.name().ends_with("Request");
    format!("{}{}", message.name(), if is_input { "Input" } else { "" })
}

fn scalar(kind: &Kind, is_text: bool, direction: Direction) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Bytes => {
            let pattern = match direction {
                Direction::Answer => "^[A-Za-z0-9+/]*={0,2}$",
                Direction::Request => "^[A-Za-z0-9+/_-]*={0,2}$",
            };
            json!({ "type": "string", "contentEncoding": "base64", "pattern": pattern })
        },
        Kind::Double | Kind::Float => json!({ "type": "number" }),
        Kind::Uint32 | Kind::Fixed32 => narrow(0, u32::MAX.into(), direction),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            narrow(i32::MIN.into(), i32::MAX.into(), direction)
        },
        Kind::Uint64 | Kind::Fixed64 => wide(json!(0), json!(u64::MAX), is_text, direction),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            wide(json!(i64::MIN), json!(i64::MAX), is_text, direction)
        },
        Kind::String | Kind::Message(_) | Kind::Enum(_) => json!({ "type": "string" }),
    }
}

/// A number of 32 bits.
fn narrow(minimum: i64, maximum: i64, direction: Direction) -> Value {
    let range = json!({ "type": "integer", "minimum": minimum, "maximum": maximum });
    match direction {
        Direction::Answer => range,
        Direction::Request => or_text(range, minimum < 0),
    }
}

/// A number of 64 bits. An answer has it as text from 2^53 on, and an id always.
fn wide(minimum: Value, maximum: Value, is_text: bool, direction: Direction) -> Value {
    let is_signed = minimum != json!(0);
    let pattern = if is_signed { SIGNED_DECIMAL } else { DECIMAL };
    if is_text && direction == Direction::Answer {
        return json!({ "type": "string", "pattern": pattern });
    }
    let (minimum, maximum) = match direction {
        Direction::Request => (minimum, maximum),
        Direction::Answer if is_signed => (json!(-(MAX_EXACT as i64)), json!(MAX_EXACT)),
        Direction::Answer => (minimum, json!(MAX_EXACT)),
    };
    or_text(json!({ "type": "integer", "minimum": minimum, "maximum": maximum }), is_signed)
}

/// A number, or the same in decimal as text.
fn or_text(mut number: Value, is_signed: bool) -> Value {
    number["type"] = json!(["integer", "string"]);
    number["pattern"] = json!(if is_signed { SIGNED_DECIMAL } else { DECIMAL });
    number
}

fn key(kind: &Kind) -> Value {
    match kind {
        Kind::String => json!({}),
        Kind::Bool => json!({ "enum": ["false", "true"] }),
        _ => json!({ "pattern": SIGNED_DECIMAL }),
    }
}

/// The same, or null, which stands for a field that is not given.
fn or_null(mut schema: Value) -> Value {
    let null = json!({ "type": "null" });
    if let Some(reference) = schema.as_object_mut().and_then(|schema| schema.remove("$ref")) {
        schema["anyOf"] = json!([{ "$ref": reference }, null]);
    } else if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
        forms.push(null);
    } else {
        let types = match schema["type"].take() {
            Value::Array(types) => types,
            one => vec![one],
        };
        schema["type"] = types.into_iter().chain(["null".into()]).collect();
    }
    schema
}

/// That no two members of a oneof are given.
fn at_most_one(oneof: &OneofDescriptor, direction: Direction) -> Value {
    let names: Vec<_> = oneof.fields().map(|field| field.name().to_owned()).collect();
    let mut pairs = Vec::new();
    for (index, first) in names.iter().enumerate() {
        pairs.extend(names[index + 1..].iter().map(|second| both(first, second, direction)));
    }
    json!({ "not": { "anyOf": pairs } })
}

/// That both of these are given, where null is the same as nothing.
fn both(first: &str, second: &str, direction: Direction) -> Value {
    let mut both = json!({ "required": [first, second] });
    if direction == Direction::Request {
        let given = json!({ "not": { "type": "null" } });
        both["properties"] = json!({ first: given, second: given });
    }
    both
}

fn alternatives(oneof: &OneofDescriptor) -> String {
    let names: Vec<_> = oneof.fields().map(|field| format!("`{}`", field.name())).collect();
    format!(" At most one of {} is there.", names.join(", "))
}
