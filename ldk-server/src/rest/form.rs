//! HTML forms (`application/x-www-form-urlencoded`): flat requests for those who have no JSON at hand.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Number;
use tonic::Status;

/// Base64 as queries have it, with or without the signs at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The names and values in a form or a query.
pub(super) fn pairs(form: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(form)
}

/// Decodes base64 from a query.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Writes a form as a JSON object, from which the fields of this message are read.
pub(super) fn to_json(message: &MessageDescriptor, form: &[u8]) -> Result<Bytes, Status> {
    let mut fields: Vec<(Cow<'_, str>, Vec<String>)> = Vec::new();
    for (name, value) in pairs(form) {
        let value = json_value(field(message, &name).as_ref(), &name, &value)?;
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let fields: Result<Vec<_>, _> =
        fields.iter().map(|(name, values)| json_field(message, name, values)).collect();
    Ok(format!("{{{}}}", fields?.join(",")).into())
}

fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}

fn json_field(
    message: &MessageDescriptor,
    name: &str,
    values: &[String],
) -> Result<String, Status> {
    let key = quoted(name);
    match values {
        values if field(message, name).is_some_and(|field| field.is_list()) => {
            Ok(format!("{key}:[{}]", values.join(",")))
        },
        [value] => Ok(format!("{key}:{value}")),
        _ => Err(Status::invalid_argument(format!("{name}: given more than once"))),
    }
}

/// The value of a field as it is written in JSON. What does not fit is a string, which is refused when
/// the JSON is read, as an unknown field is.
fn json_value(field: Option<&FieldDescriptor>, name: &str, value: &str) -> Result<String, Status> {
    if [name, value].iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
        return Err(Status::invalid_argument("the form is not UTF-8"));
    }
    let is_number = || serde_json::from_str::<Number>(value).is_ok();
    let is_literal = match field.map(FieldDescriptor::kind) {
        Some(Kind::Message(_)) => {
            return Err(Status::invalid_argument(format!(
                "{name}: a form has flat fields only; send JSON"
            )));
        },
        None | Some(Kind::String | Kind::Bytes) => false,
        Some(Kind::Bool) => matches!(value, "true" | "false"),
        Some(_) => is_number(),
    };
    Ok(if is_literal { value.to_owned() } else { quoted(value) })
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tonic::Code;

    use super::*;
    use crate::json;

    fn written(name: &str, form: &str) -> Result<String, Code> {
        let message = &json::method(name).unwrap().request;
        let json = to_json(message, form.as_bytes()).map_err(|refused| refused.code())?;
        Ok(String::from_utf8(json.to_vec()).unwrap())
    }

    #[test]
    fn each_value_is_written_as_its_field_has_it() {
        for (name, form, expected) in [
            ("GetNodeInfo", "", "{}"),
            (
                "Bolt11Receive",
                "amount_msat=5000&expirySecs=60",
                r#"{"amount_msat":5000,"expirySecs":60}"#,
            ),
            ("OpenChannel", "announce_channel=true", r#"{"announce_channel":true}"#),
            ("OpenChannel", "announce_channel=1", r#"{"announce_channel":"1"}"#),
            ("Bolt11Send", "invoice=ln%22+bc", r#"{"invoice":"ln\" bc"}"#),
            ("Bolt11Send", "amount_msat=1e,", r#"{"amount_msat":"1e,"}"#),
            ("Bolt11Send", "no_such=%7B%7D", r#"{"no_such":"{}"}"#),
            ("CreateRune", "restrictions=a&restrictions=b", r#"{"restrictions":["a","b"]}"#),
        ] {
            assert_eq!(written(name, form).as_deref(), Ok(expected), "{form}");
        }
    }

    #[test]
    fn what_a_form_cannot_say_is_refused() {
        for form in ["invoice=a&invoice=b", "route_parameters=x", "invoice=%ff", "%ff=a"] {
            assert_eq!(written("Bolt11Send", form), Err(Code::InvalidArgument), "{form}");
        }
    }

    proptest! {
        #[test]
        fn any_form_is_json_or_refused(form: Vec<u8>) {
            let message = &json::method("Bolt11Send").unwrap().request;
            if let Ok(written) = to_json(message, &form) {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&written).is_ok());
            }
        }
    }
}
