//! What a subscriber asks for.

use ldk_server_grpc::api::SubscribeEventsRequest;

use crate::error::{Error, quoted};
use crate::events::JsonEvent;
use crate::store::EVENT_KINDS;

/// The events that a subscriber wants, and from where on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) after: Option<u64>,
    pub(super) consumer: String,
    pub(super) kinds: Kinds,
}

/// The kinds of events that are sent; all of them if none is named.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(Vec<&'static str>);

impl Kinds {
    /// Those with these names.
    pub(super) fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let known = |name: &str| {
            let kind = EVENT_KINDS.into_iter().find(|kind| *kind == name);
            kind.ok_or_else(|| {
                let accepted =
                    format!("{} must be one of {}", quoted(name), EVENT_KINDS.join(", "));
                Error::invalid("kinds", accepted)
            })
        };
        names.into_iter().map(known).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn has(&self, event: &JsonEvent) -> bool {
        self.0.is_empty() || self.0.contains(&event.kind)
    }
}

impl Wanted {
    /// Reads the query of a request: `after`, `consumer`, `kinds`. Parameters with other names, which the
    /// protocol of Socket.IO has, are its own matter.
    pub(super) fn in_query(query: Option<&str>) -> Result<Self, Error> {
        let mut wanted = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "after" => wanted.after = Some(index("after", &value)?),
                "consumer" => wanted.consumer = value.into_owned(),
                "kinds" => wanted.kinds = Kinds::named(value.split(','))?,
                _ => {},
            }
        }
        Ok(wanted)
    }

    /// As `self`, after the last event that the subscriber had on an earlier connection.
    pub(super) fn resumed(mut self, last_event_id: Option<&[u8]>) -> Result<Self, Error> {
        if let Some(id) = last_event_id.filter(|id| !id.is_empty()) {
            self.after = Some(index("Last-Event-ID", &String::from_utf8_lossy(id))?);
        }
        Ok(self)
    }

    pub(super) fn request(&self) -> SubscribeEventsRequest {
        let (resume_after_index, consumer) = (self.after, self.consumer.clone());
        SubscribeEventsRequest { resume_after_index, consumer }
    }
}

fn index(field: &'static str, text: &str) -> Result<u64, Error> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_decimal).ok_or_else(|| {
        let accepted = "must be the event_index of the last event received, or 0";
        Error::invalid(field, format!("{} {accepted}", quoted(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_is_wanted() {
        let query = "EIO=4&after=7&consumer=shop-1&kinds=payment_received%2Cpayment_failed";
        let wanted = Wanted::in_query(Some(query)).unwrap();
        assert_eq!((wanted.after, &*wanted.consumer), (Some(7), "shop-1"));
        assert_eq!(wanted.kinds.0, ["payment_received", "payment_failed"]);
        assert_eq!(Wanted::in_query(None).unwrap(), Wanted::default());
    }

    #[test]
    fn the_last_event_received_counts_more_than_the_query() {
        let wanted = || Wanted::in_query(Some("after=7")).unwrap();
        assert_eq!(wanted().resumed(Some(b"9")).unwrap().after, Some(9));
        for none in [None, Some(&b""[..])] {
            assert_eq!(wanted().resumed(none).unwrap().after, Some(7));
        }
        for wrong in ["-1", "+1", "1.5", " 1", "a", "18446744073709551616"] {
            let error = wanted().resumed(Some(wrong.as_bytes())).unwrap_err().to_string();
            assert!(error.starts_with("Last-Event-ID: "), "{error}");
        }
    }

    #[test]
    fn unknown_kinds_are_refused_by_name() {
        for kinds in ["kinds=", "kinds=payment", "kinds=payment_received,,"] {
            let error = Wanted::in_query(Some(kinds)).unwrap_err().to_string();
            assert!(error.contains("payment_received, payment_successful"), "{error}");
        }
    }
}
