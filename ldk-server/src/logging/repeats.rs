//! Drops repeated lines that the node library logs as errors although they are none. The first one is
//! logged as a warning, and the next one after the text has changed or has not come for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The target of records of the `log` crate, which the library uses.
const LIBRARY: &str = "log";
const MESSAGE: &str = "message";
/// A text that did not come for this time is logged again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// How many different texts are remembered.
const MAX_TEXTS: usize = 64;

/// On regtest and signet Bitcoin Core often has no estimates. On mainnet the library falls back to
/// nothing, which is an error.
const NO_ESTIMATES: &str = "Failed to retrieve fee rate estimates";
const FALLBACK: &str = "Falling back to default";
/// Core Lightning sends backups to all of its peers, whether they keep them or not.
const REFUSED: &str = "Got non-closing error: ";
const PEER_STORAGE: [&str; 3] =
    ["Ignoring peer_storage message", "in peer storage.", "Invalid PeerStorageRetrieval message"];

/// Drops repetitions of these lines.
#[derive(Default)]
pub(super) struct RepeatFilter {
    /// When each text came last.
    said: Mutex<HashMap<String, Instant>>,
}

impl RepeatFilter {
    /// Whether this text has to be logged.
    fn is_new(&self, text: &str, now: Instant) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, last| now.saturating_duration_since(*last) < FORGOTTEN_AFTER);
        if let Some(last) = said.get_mut(text) {
            *last = now;
            return false;
        }
        if said.len() >= MAX_TEXTS {
            return false;
        }
        said.insert(text.to_owned(), now);
        true
    }
}

fn is_no_error(text: &str) -> bool {
    let has_no_estimates = text.starts_with(NO_ESTIMATES) && text.contains(FALLBACK);
    has_no_estimates
        || text.starts_with(REFUSED) && PEER_STORAGE.iter().any(|part| text.contains(part))
}

impl<S: Subscriber> Layer<S> for RepeatFilter {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if *event.metadata().level() != Level::ERROR || event.metadata().target() != LIBRARY {
            return true;
        }
        let mut message = Message::default();
        event.record(&mut message);
        let Message(text) = message;
        if !is_no_error(&text) {
            return true;
        }
        if self.is_new(&text, Instant::now()) {
            tracing::warn!("{text} (from the node library; repetitions are not logged)");
        }
        false
    }
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_error_is_known_by_its_text() {
        for text in [
            "Failed to retrieve fee rate estimates: Failed to retrieve. Falling back to default of 1 \
             sat/vb.",
            "Failed to retrieve fee rate estimates: x. Falling back to defaults.",
            "Got non-closing error: Ignoring peer_storage message, as peer storage is currently \
             supported only for peers with an active funded channel.",
            "Got non-closing error: Supports only data up to 1024 bytes in peer storage.",
            "Got non-closing error: Invalid PeerStorageRetrieval message received.",
        ] {
            assert!(is_no_error(text), "{text}");
        }
        for text in [
            // As on mainnet.
            "Failed to retrieve fee rate estimates: timed out",
            "Got non-closing error: another",
            "Ignoring peer_storage message",
            "",
        ] {
            assert!(!is_no_error(text), "{text}");
        }
    }

    #[test]
    fn each_text_is_told_once_until_it_has_ceased() {
        let (repeats, begin) = (RepeatFilter::default(), Instant::now());
        let at = |secs| begin + Duration::from_secs(secs);
        assert!(repeats.is_new("a", at(0)));
        assert!(!repeats.is_new("a", at(10)));
        assert!(repeats.is_new("b", at(10)));
        assert!(!repeats.is_new("a", at(3_000)), "it is said all the time");
        assert!(!repeats.is_new("a", at(6_000)));
        assert!(repeats.is_new("b", at(6_000)));
        assert!(repeats.is_new("a", at(9_600)));
    }

    #[test]
    fn texts_that_always_differ_fill_nothing() {
        let (repeats, now) = (RepeatFilter::default(), Instant::now());
        let told = (0..1_000).filter(|n| repeats.is_new(&n.to_string(), now)).count();
        assert_eq!(told, MAX_TEXTS);
    }
}
