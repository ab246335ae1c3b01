//! What services answer: one JSON object, or an error.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// How much of what a service says is passed on.
const MAX_REASON_CHARS: usize = 240;

/// Why a service did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// It was not asked.
    #[error("the LNURL service was not asked: {0}")]
    NotAsked(String),
    /// It has refused.
    #[error("the LNURL service refuses: {0}")]
    Refused(String),
    /// It may have done it.
    #[error("the LNURL service does not answer as it should: {0}")]
    Unknown(String),
}

impl Failed {
    /// What was answered is of no use.
    pub(super) fn unusable(what: impl ToString) -> Self {
        Self::Unknown(shortened(&what.to_string()))
    }
}

/// An answer, which is not an error.
#[derive(Debug)]
pub(super) struct Answer(Map<String, Value>);

impl Answer {
    /// Reads the body of an answer with this status.
    pub(super) fn read(status: u16, body: &[u8]) -> Result<Self, Failed> {
        let object = match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => object,
            _ if !is_success(status) => {
                return Err(Failed::unusable(format!("status {status}")));
            },
            _ => return Err(Failed::unusable("no JSON object")),
        };
        let is_error = object.get("status").and_then(Value::as_str);
        if is_error.is_some_and(|status| status.eq_ignore_ascii_case("error")) {
            let reason = object.get("reason").and_then(Value::as_str).unwrap_or("without a reason");
            return Err(Failed::Refused(shortened(reason)));
        }
        if !is_success(status) {
            return Err(Failed::unusable(format!("status {status}")));
        }
        Ok(Self(object))
    }

    /// A member that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// The answer as one of this form.
    pub(super) fn into<T: DeserializeOwned>(self) -> Result<T, Failed> {
        serde_json::from_value(Value::Object(self.0)).map_err(Failed::unusable)
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// What a stranger says, for a message.
fn shortened(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(MAX_REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: u16, body: &str) -> Failed {
        Answer::read(status, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn errors_are_told_whatever_their_status() {
        let refused = Failed::Refused("closed today".to_owned());
        for (status, body) in [
            (200, r#"{"status":"ERROR","reason":"closed today"}"#),
            (404, r#"{"status":"error","reason":"closed\u0007 today"}"#),
        ] {
            assert_eq!(failed(status, body), refused, "{body}");
        }
        assert_eq!(
            failed(200, r#"{"status":"ERROR"}"#),
            Failed::Refused("without a reason".into())
        );
        assert_eq!(failed(500, "<html>"), Failed::Unknown("status 500".to_owned()));
        assert_eq!(failed(500, r#"{"pr":"lnbc1"}"#), Failed::Unknown("status 500".to_owned()));
        for body in ["", "[]", "null", "{", "\u{0}"] {
            assert_eq!(failed(200, body), Failed::Unknown("no JSON object".to_owned()), "{body}");
        }
        let long = format!(r#"{{"status":"ERROR","reason":"{}"}}"#, "é".repeat(1_000));
        assert!(
            matches!(failed(200, &long), Failed::Refused(reason) if reason.chars().count() == 240)
        );
    }

    #[test]
    fn all_else_is_an_answer() {
        let answer = Answer::read(200, br#"{"status":"OK","tag":"payRequest"}"#).unwrap();
        assert_eq!(answer.text("tag"), Some("payRequest"));
        assert!(answer.into::<Vec<u8>>().is_err());
    }
}
