//! What a client says over a WebSocket.

use serde::Deserialize;

use super::super::request::{Kinds, Wanted};
use crate::error::Error;

const ACCEPTED: &str = "accepted are {\"rune\":\"...\"}, {\"subscribe\":{\"after\":1}}, \
                        {\"subscribe\":{\"consumer\":\"...\"}}, both with \"kinds\":[...] or \
                        without, and {\"ack\":1}";

/// A message of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Rune(String),
    Subscribe(Subscribe),
    /// The event up to which its consumer is done.
    Ack(u64),
}

/// Which events are asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subscribe {
    place: Place,
    kinds: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    after: Option<u64>,
    #[serde(default)]
    consumer: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    rune: Option<String>,
    subscribe: Option<Place>,
    kinds: Option<Vec<String>>,
    ack: Option<u64>,
}

impl Asked {
    /// Reads a message. What is refused is not repeated: it may be a rune.
    pub(super) fn read(text: &str) -> Result<Self, Error> {
        let refused = || Error::invalid("message", format!("is none that is known; {ACCEPTED}"));
        let Fields { rune, subscribe, kinds, ack } =
            serde_json::from_str(text).map_err(|_| refused())?;
        match (rune, subscribe, kinds, ack) {
            (Some(rune), None, None, None) => Ok(Self::Rune(rune)),
            (None, Some(place), kinds, None) => {
                Ok(Self::Subscribe(Subscribe { place, kinds: kinds.unwrap_or_default() }))
            },
            (None, None, None, Some(event_index)) => Ok(Self::Ack(event_index)),
            _ => Err(refused()),
        }
    }
}

impl Subscribe {
    pub(super) fn wanted(self) -> Result<Wanted, Error> {
        let Place { after, consumer } = self.place;
        let kinds = Kinds::named(self.kinds.iter().map(String::as_str))?;
        Ok(Wanted { after, consumer, kinds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_asks_for_one_thing() {
        let wanted = |text: &str| match Asked::read(text).unwrap() {
            Asked::Subscribe(subscribe) => subscribe.wanted(),
            other => panic!("{other:?}"),
        };
        assert_eq!(Asked::read(r#"{"rune":"abc"}"#).unwrap(), Asked::Rune("abc".to_owned()));
        assert_eq!(Asked::read(r#"{"ack":7}"#).unwrap(), Asked::Ack(7));
        assert_eq!(wanted(r#"{"subscribe":{}}"#).unwrap(), Wanted::default());
        let some = wanted(r#"{"subscribe":{"after":3,"consumer":"a"},"kinds":["payment_failed"]}"#);
        let some = some.unwrap();
        assert_eq!((some.after, &*some.consumer), (Some(3), "a"));
        assert!(wanted(r#"{"subscribe":{},"kinds":["x"]}"#).is_err());
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for text in [
            "",
            "{}",
            "secret",
            r#"{"rune":["secret"]}"#,
            r#"{"secret":1}"#,
            r#"{"rune":"secret","ack":1}"#,
            r#"{"rune":"a","rune":"secret"}"#,
            r#"{"subscribe":{"after":-1}}"#,
            r#"{"subscribe":{"after":1.5}}"#,
            r#"{"subscribe":{"secret":1}}"#,
            r#"{"kinds":[]}"#,
            &"[".repeat(10_000),
        ] {
            let error = Asked::read(text).unwrap_err().to_string();
            assert!(error.contains("accepted are") && !error.contains("secret"), "{error}");
        }
    }
}
