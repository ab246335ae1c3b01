//! Requests as the parameters of methods.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};
use serde_json::{Map, Number, Value as Json, json};

use super::names::{self, Shape};

/// A request that says nothing to a method.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub(super) struct Unreadable {
    field: String,
    reason: &'static str,
}

/// The parameters that a request gives. What is optional and was not set is not given, and neither is an
/// empty list.
pub(super) fn of(request: &DynamicMessage) -> Result<Json, Unreadable> {
    let mut given = Map::new();
    for field in request.descriptor().fields() {
        if is_given(request, &field) {
            let value = value(&field, &field.kind(), &request.get_field(&field))?;
            given.insert(names::in_json(&field).to_owned(), value);
        }
    }
    Ok(Json::Object(given))
}

fn is_given(message: &DynamicMessage, field: &FieldDescriptor) -> bool {
    let may_be_absent = field.supports_presence() || field.is_list() || field.is_map();
    message.has_field(field) || !may_be_absent
}

fn value(field: &FieldDescriptor, kind: &Kind, value: &Value) -> Result<Json, Unreadable> {
    let unreadable = |reason| Unreadable { field: field.name().to_owned(), reason };
    let each = |value| self::value(field, kind, value);
    Ok(match value {
        Value::Bool(value) => json!(value),
        Value::I32(value) => json!(value),
        Value::I64(value) => json!(value),
        Value::U32(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::F32(value) => number(f64::from(*value)).ok_or_else(|| unreadable(NOT_FINITE))?,
        Value::F64(value) => number(*value).ok_or_else(|| unreadable(NOT_FINITE))?,
        Value::String(text) => json!(text),
        Value::Bytes(bytes) => json!(hex::encode(bytes)),
        Value::EnumNumber(number) => {
            json!(names::word(kind, *number).ok_or_else(|| unreadable("has no such value"))?)
        },
        Value::Message(message) => {
            let read = message_value(message);
            read.ok_or_else(|| unreadable("none of its values is set"))??
        },
        Value::List(values) => values.iter().map(each).collect::<Result<_, _>>()?,
        Value::Map(entries) => {
            let named = entries.iter().filter_map(|(key, value)| Some((key.as_str()?, value)));
            // What is in maps has no kind of its own here: it is text.
            let read = named.map(|(name, value)| Ok((name.to_owned(), each(value)?)));
            Json::Object(read.collect::<Result<_, _>>()?)
        },
    })
}

const NOT_FINITE: &str = "is no number";

fn number(value: f64) -> Option<Json> {
    Number::from_f64(value).map(Json::Number)
}

/// A message as methods read it; `None` for one of several values of which none is set.
fn message_value(message: &DynamicMessage) -> Option<Result<Json, Unreadable>> {
    Some(Ok(match names::shape(&message.descriptor()) {
        Shape::Amount => json!(msat(message)?),
        Shape::AmountOr(word) => match message.get_field_by_name("amount")?.as_message() {
            Some(amount) if message.has_field_by_name("amount") => json!(msat(amount)?),
            _ if message.has_field_by_name(word) => json!(word),
            _ => return None,
        },
        Shape::FeeRate => {
            let set = message.descriptor().fields().find(|field| message.has_field(field))?;
            match message.get_field(&set).as_u32() {
                Some(rate) => json!(format!("{rate}{}", set.name())),
                None => json!(set.name()),
            }
        },
        Shape::Outpoint => {
            let txid = hex::encode(message.get_field_by_name("txid")?.as_bytes()?);
            json!(format!("{txid}:{}", message.get_field_by_name("outnum")?.as_u32()?))
        },
        Shape::Items(name) => {
            let items = message.get_field_by_name(name)?;
            let items = items.as_list()?.iter().filter_map(Value::as_message);
            return items.map(message_value).collect();
        },
        Shape::Tlvs => {
            let entries = message.get_field_by_name("entries")?;
            let entries = entries.as_list()?.iter().filter_map(Value::as_message);
            return Some(Ok(entries.map(tlv).collect::<Option<Map<_, _>>>()?.into()));
        },
        Shape::Object => return Some(of(message)),
    }))
}

fn msat(amount: &DynamicMessage) -> Option<String> {
    Some(format!("{}msat", amount.get_field_by_name("msat")?.as_u64()?))
}

fn tlv(entry: &DynamicMessage) -> Option<(String, Json)> {
    let number = entry.get_field_by_name("type")?.as_u64()?;
    let value = hex::encode(entry.get_field_by_name("value")?.as_bytes()?);
    Some((number.to_string(), json!(value)))
}
