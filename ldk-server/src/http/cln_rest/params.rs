//! The parameters in the body of a request.

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use crate::error::quoted;

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Form,
}

impl Format {
    /// That of a request with these headers, which is JSON if nothing is said; otherwise what is wrong.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Json) };
        let given = String::from_utf8_lossy(given.as_bytes());
        let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match &*kind {
            "application/json" => Ok(Self::Json),
            "application/x-www-form-urlencoded" => Ok(Self::Form),
            _ => {
                let shown: String = given.chars().take(80).collect();
                Err(format!("Unsupported content-type header: {shown}"))
            },
        }
    }
}

/// Reads a body, which may be empty; otherwise says what is wrong with it. What is null was not given.
pub(super) fn read(format: Format, body: &[u8]) -> Result<Option<Value>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    match format {
        Format::Json => json(body).map(Some),
        Format::Form => form(body).map(Some),
    }
}

fn json(body: &[u8]) -> Result<Value, String> {
    let read = serde_json::from_slice(body);
    // The body is not told: it may have secrets.
    let read = read.map_err(|error| format!("Could not parse JSON request: {error}"))?;
    match read {
        Value::Object(mut members) => {
            members.retain(|_, value| !value.is_null());
            Ok(Value::Object(members))
        },
        list @ Value::Array(_) => Ok(list),
        _ => Err("Could not parse JSON request: expected an object or an array".to_owned()),
    }
}

/// The values of a form are texts, which methods read as what they need.
fn form(body: &[u8]) -> Result<Value, String> {
    let mut members = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        if members.insert(name.clone().into_owned(), value.into_owned().into()).is_some() {
            return Err(format!("Could not parse form request: {} is there twice", quoted(&name)));
        }
    }
    Ok(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn format(content_type: &'static str) -> Result<Format, String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Format::of(&headers)
    }

    #[test]
    fn a_body_is_json_or_a_form() {
        assert_eq!(Format::of(&HeaderMap::new()), Ok(Format::Json));
        assert_eq!(format("Application/JSON; charset=utf-8"), Ok(Format::Json));
        assert_eq!(format("application/x-www-form-urlencoded"), Ok(Format::Form));
        let refused = format("text/plain").unwrap_err();
        assert_eq!(refused, "Unsupported content-type header: text/plain");
    }

    #[test]
    fn parameters_are_read_from_both() {
        let json = |text: &str| read(Format::Json, text.as_bytes());
        assert_eq!(json("").unwrap(), None);
        assert_eq!(json(" \n").unwrap(), None);
        assert_eq!(json(r#"{"a": 1, "b": null}"#).unwrap(), Some(json!({"a": 1})));
        assert_eq!(json(r#"[1, null]"#).unwrap(), Some(json!([1, null])));
        let form = |text: &str| read(Format::Form, text.as_bytes());
        let expected = json!({"amount_msat": "1000", "description": "a b"});
        assert_eq!(form("amount_msat=1000&description=a+b").unwrap(), Some(expected));
    }

    #[test]
    fn what_is_neither_is_refused_without_telling_it() {
        let deep = "[".repeat(100_000);
        for text in ["{", "7", "\"secret\"", "{\"secret\": }", &deep] {
            let refused = read(Format::Json, text.as_bytes()).unwrap_err();
            assert!(refused.starts_with("Could not parse JSON"), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
        assert!(read(Format::Form, b"a=1&a=2").is_err());
    }
}
