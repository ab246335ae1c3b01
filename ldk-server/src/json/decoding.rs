//! From JSON to messages.

use std::fmt;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::path::{Path, Refused, Step};
use super::scalar::{self, Token};

pub(super) fn decode(
    descriptor: &MessageDescriptor,
    json: &[u8],
) -> Result<DynamicMessage, Refused> {
    if json.trim_ascii().is_empty() {
        return Ok(DynamicMessage::new(descriptor.clone()));
    }
    let path = Path::default();
    // The parser stops at a depth of 128. A message ends far above it: none of the API contains itself.
    let mut parser = serde_json::Deserializer::from_slice(json);
    let reader = Reader { shape: Shape::Message(descriptor), path: &path };
    let read = reader.deserialize(&mut parser).and_then(|value| parser.end().map(|()| value));
    match read {
        Ok(Some(Value::Message(message))) => Ok(message),
        Ok(_) => Err(Refused { path: String::new(), problem: expected("an object") }),
        Err(error) => Err(path.refused(&error)),
    }
}

fn expected(accepted: &str) -> String {
    format!("must be {accepted}")
}

/// What stands in a place of the message.
#[derive(Clone, Copy)]
enum Shape<'a> {
    Message(&'a MessageDescriptor),
    List(&'a FieldDescriptor),
    Map(&'a MessageDescriptor),
    Scalar(&'a Kind),
}

impl Shape<'_> {
    fn accepted(&self) -> String {
        match self {
            Shape::Message(_) | Shape::Map(_) => "an object".to_owned(),
            Shape::List(_) => "an array".to_owned(),
            Shape::Scalar(kind) => scalar::accepted(kind),
        }
    }
}

/// Reads what stands in a place of the message; nothing for `null`.
struct Reader<'a> {
    shape: Shape<'a>,
    path: &'a Path,
}

impl<'a> Reader<'a> {
    /// Reads all that a field contains.
    fn field<'de, A: MapAccess<'de>>(
        field: &FieldDescriptor,
        path: &'a Path,
        map: &mut A,
    ) -> Result<Option<Value>, A::Error> {
        let kind = field.kind();
        let shape = match &kind {
            Kind::Message(entry) if field.is_map() => Shape::Map(entry),
            _ if field.is_list() => Shape::List(field),
            kind => one(kind),
        };
        map.next_value_seed(Reader { shape, path })
    }

    fn refuse<E: Error>(&self) -> E {
        self.path.refuse(expected(&self.shape.accepted()))
    }

    fn scalar<E: Error>(&self, token: &Token<'_>) -> Result<Option<Value>, E> {
        let Shape::Scalar(kind) = self.shape else { return Err(self.refuse()) };
        let value = scalar::value(kind, token).ok_or_else(|| self.refuse())?;
        Ok(Some(value))
    }

    fn message<'de, A: MapAccess<'de>>(
        &self,
        descriptor: &MessageDescriptor,
        mut map: A,
    ) -> Result<DynamicMessage, A::Error> {
        let mut message = DynamicMessage::new(descriptor.clone());
        let mut seen = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            self.path.enter(Step::Field(name.clone()));
            let field = named(descriptor, &name).ok_or_else(|| self.unknown(descriptor))?;
            if seen.contains(&field.number()) {
                return Err(self.path.refuse("is given twice".to_owned()));
            }
            seen.push(field.number());
            if let Some(value) = Self::field(&field, self.path, &mut map)? {
                self.alone(&message, &field)?;
                message.set_field(&field, value);
            }
            self.path.leave();
        }
        Ok(message)
    }

    fn unknown<E: Error>(&self, descriptor: &MessageDescriptor) -> E {
        let names: Vec<_> = descriptor.fields().map(|field| field.name().to_owned()).collect();
        let accepted = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        self.path.refuse(format!(
            "is no field of {}, which has these: {accepted}",
            descriptor.full_name()
        ))
    }

    /// Refuses a second member of a oneof.
    fn alone<E: Error>(&self, message: &DynamicMessage, field: &FieldDescriptor) -> Result<(), E> {
        let Some(oneof) = field.containing_oneof() else { return Ok(()) };
        let other = oneof.fields().find(|other| message.has_field(other));
        other.map_or(Ok(()), |other| {
            Err(self.path.refuse(format!("is given, and so is {}: one of both", other.name())))
        })
    }

    fn map<'de, A: MapAccess<'de>>(
        &self,
        entry: &MessageDescriptor,
        mut map: A,
    ) -> Result<Value, A::Error> {
        let key_kind = entry.map_entry_key_field().kind();
        let value_field = entry.map_entry_value_field();
        let mut values = std::collections::HashMap::new();
        while let Some(text) = map.next_key::<String>()? {
            self.path.enter(Step::Key(text.clone()));
            let key = map_key(&key_kind, &text).ok_or_else(|| {
                let accepted = scalar::accepted(&key_kind);
                self.path.refuse(format!("has a key that must be {accepted}"))
            })?;
            let value = Self::field(&value_field, self.path, &mut map)?;
            let value = value.ok_or_else(|| self.path.refuse("must not be null".to_owned()))?;
            if values.insert(key, value).is_some() {
                return Err(self.path.refuse("is given twice".to_owned()));
            }
            self.path.leave();
        }
        Ok(Value::Map(values))
    }
}

/// A single thing of this kind.
fn one(kind: &Kind) -> Shape<'_> {
    match kind {
        Kind::Message(message) => Shape::Message(message),
        kind => Shape::Scalar(kind),
    }
}

/// A field by its name in the proto file, or by that name in lowerCamelCase.
fn named(descriptor: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name))
}

fn map_key(kind: &Kind, text: &str) -> Option<MapKey> {
    let token = match (kind, text) {
        (Kind::Bool, "true") => Token::Bool(true),
        (Kind::Bool, "false") => Token::Bool(false),
        _ => Token::Text(text),
    };
    scalar::value(kind, &token)?.into_map_key()
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<Self::Value, D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shape.accepted())
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.scalar(&Token::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.scalar(&Token::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.scalar(&Token::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        self.scalar(&Token::Fraction(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.scalar(&Token::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let Shape::List(field) = self.shape else { return Err(self.refuse()) };
        let kind = field.kind();
        let mut list = Vec::new();
        self.path.enter(Step::Index(0));
        while let Some(value) =
            values.next_element_seed(Reader { shape: one(&kind), path: self.path })?
        {
            let value = value.ok_or_else(|| self.path.refuse("must not be null".to_owned()))?;
            list.push(value);
            self.path.leave();
            self.path.enter(Step::Index(list.len()));
        }
        self.path.leave();
        Ok(Some(Value::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        match self.shape {
            Shape::Message(descriptor) => {
                self.message(descriptor, map).map(|message| Some(Value::Message(message)))
            },
            Shape::Map(entry) => self.map(entry, map).map(Some),
            Shape::List(_) | Shape::Scalar(_) => Err(self.refuse()),
        }
    }
}
