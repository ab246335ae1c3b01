//! From messages to JSON.

use std::fmt::Display;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prost_reflect::prost_types::field_options::JsType;
use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value,
};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// The first whole number whose successor a double cannot hold.
const FIRST_ROUNDED: u64 = 1 << 53;

/// Whether the numbers of this field are always text in answers: ids that can be too large for a double.
pub fn is_text(field: &FieldDescriptor) -> bool {
    let options = field.field_descriptor_proto().options.as_ref();
    options.is_some_and(|options| options.jstype() == JsType::JsString)
}

pub(super) struct Message<'a>(pub(super) &'a DynamicMessage);

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for field in self.0.descriptor().fields() {
            if !field.supports_presence() || self.0.has_field(&field) {
                let value = self.0.get_field(&field);
                map.serialize_entry(field.name(), &Content { field: &field, value: &value })?;
            }
        }
        map.end()
    }
}

/// What a field contains, or one of the many things that it contains.
struct Content<'a> {
    field: &'a FieldDescriptor,
    value: &'a Value,
}

impl<'a> Content<'a> {
    fn of(&self, value: &'a Value) -> Self {
        Self { field: self.field, value }
    }

    fn map<S: Serializer>(
        &self,
        map: impl Iterator<Item = (&'a MapKey, &'a Value)>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut entries: Vec<_> = map.collect();
        entries.sort_by_key(|(key, _)| *key);
        let Kind::Message(entry) = self.field.kind() else {
            return serializer.serialize_unit();
        };
        let field = entry.map_entry_value_field();
        let entries = entries.into_iter();
        serializer.collect_map(
            entries.map(|(key, value)| (key_text(key), Content { field: &field, value })),
        )
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::I64(value) => number(self.field, value, value.unsigned_abs(), serializer),
            Value::U64(value) => number(self.field, value, *value, serializer),
            Value::F32(value) => serializer.serialize_f32(*value),
            Value::F64(value) => serializer.serialize_f64(*value),
            Value::String(value) => serializer.serialize_str(value),
            Value::Bytes(value) => serializer.serialize_str(&BASE64_STANDARD.encode(value)),
            Value::EnumNumber(value) => enum_name(self.field.kind().as_enum(), *value, serializer),
            Value::Message(message) => Message(message).serialize(serializer),
            Value::List(values) => {
                serializer.collect_seq(values.iter().map(|value| self.of(value)))
            },
            Value::Map(map) => self.map(map.iter(), serializer),
        }
    }
}

fn number<S: Serializer>(
    field: &FieldDescriptor,
    value: &(impl Serialize + Display),
    size: u64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if size >= FIRST_ROUNDED || is_text(field) {
        serializer.collect_str(value)
    } else {
        value.serialize(serializer)
    }
}

/// The name of the value; the number of one that has none.
fn enum_name<S: Serializer>(
    descriptor: Option<&EnumDescriptor>,
    number: i32,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match descriptor.and_then(|descriptor| descriptor.get_value(number)) {
        Some(value) => serializer.serialize_str(value.name()),
        None => serializer.serialize_i32(number),
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(value) => value.to_string(),
        MapKey::I64(value) => value.to_string(),
        MapKey::U32(value) => value.to_string(),
        MapKey::U64(value) => value.to_string(),
        MapKey::String(value) => value.clone(),
    }
}
