//! Answers of methods as messages.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::{Map, Value as Json, json};

use super::names::{self, Shape};
use crate::cln::amount::parse_msat;

/// An answer that does not fit its message: the value of this field.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value of {0} does not fit its message")]
pub(super) struct Unfit(String);

/// The message of an answer. What the message has no field for is left out.
pub(super) fn message(of: &MessageDescriptor, answer: &Json) -> Result<DynamicMessage, Unfit> {
    let unfit = || Unfit(of.name().to_owned());
    match answer {
        Json::Object(members) => object(of, members),
        // `stop` answers with a text.
        Json::String(_) => {
            let members = json!({ "result": answer });
            object(of, members.as_object().ok_or_else(unfit)?)
        },
        _ => Err(unfit()),
    }
}

fn object(of: &MessageDescriptor, members: &Map<String, Json>) -> Result<DynamicMessage, Unfit> {
    let mut message = DynamicMessage::new(of.clone());
    for field in of.fields() {
        if let Some(member) = names::member(members, &field) {
            let unfit = || Unfit(field.full_name().to_owned());
            let value = if field.is_list() {
                let items = member.as_array().ok_or_else(unfit)?;
                Value::List(items.iter().map(|item| one(&field, item)).collect::<Result<_, _>>()?)
            } else {
                one(&field, member)?
            };
            message.try_set_field(&field, value).map_err(|_| unfit())?;
        }
    }
    Ok(message)
}

fn one(field: &FieldDescriptor, json: &Json) -> Result<Value, Unfit> {
    let kind = field.kind();
    if let Kind::Message(of) = &kind {
        return shaped(of, json).map(Value::Message);
    }
    scalar(&kind, json).ok_or_else(|| Unfit(field.full_name().to_owned()))
}

fn scalar(kind: &Kind, json: &Json) -> Option<Value> {
    Some(match kind {
        Kind::Bool => Value::Bool(json.as_bool()?),
        Kind::Uint32 => Value::U32(json.as_u64()?.try_into().ok()?),
        Kind::Uint64 => Value::U64(json.as_u64()?),
        Kind::Sint64 => Value::I64(json.as_i64()?),
        Kind::Double => Value::F64(json.as_f64()?),
        Kind::String => Value::String(text(json)?),
        Kind::Bytes => Value::Bytes(hex::decode(json.as_str()?).ok()?.into()),
        Kind::Enum(_) => Value::EnumNumber(names::value(kind, json.as_str()?)?),
        _ => return None,
    })
}

/// A text, which may be written as a number.
fn text(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn shaped(of: &MessageDescriptor, json: &Json) -> Result<DynamicMessage, Unfit> {
    let with = |name: &str, value: Option<Value>| {
        let mut message = DynamicMessage::new(of.clone());
        let set = value.map(|value| message.try_set_field_by_name(name, value));
        matches!(set, Some(Ok(()))).then_some(message)
    };
    let message = match (names::shape(of), json) {
        (Shape::Amount, Json::String(text)) => with("msat", parse_msat(text).map(Value::U64)),
        (Shape::Amount, _) => with("msat", json.as_u64().map(Value::U64)),
        (Shape::Outpoint, Json::String(text)) => outpoint(of, text),
        (Shape::Items(name), Json::Array(items)) => {
            let Some(field) = of.get_field_by_name(name) else {
                return Err(Unfit(of.name().to_owned()));
            };
            let items = items.iter().map(|item| one(&field, item)).collect::<Result<_, _>>()?;
            with(name, Some(Value::List(items)))
        },
        (_, Json::Object(members)) => return object(of, members),
        _ => None,
    };
    message.ok_or_else(|| Unfit(of.name().to_owned()))
}

fn outpoint(of: &MessageDescriptor, text: &str) -> Option<DynamicMessage> {
    let (txid, outnum) = text.split_once(':')?;
    let outnum: u32 = outnum.parse().ok()?;
    object(of, json!({ "txid": txid, "outnum": outnum }).as_object()?).ok()
}
