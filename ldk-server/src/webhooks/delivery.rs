//! What becomes of an attempt to deliver, and when the next is made.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use http::StatusCode;

use crate::clock::since_epoch;

/// The first pause, and the longest; up to as much again is added at random.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);
/// For longer a receiver cannot put off the next attempt.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// An attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it has failed, if so.
    pub error: Option<String>,
    /// How long the receiver asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl Attempt {
    /// There was no answer.
    pub(super) fn failed(reason: String) -> Self {
        Self { status: None, error: Some(reason), retry_after: None }
    }

    /// The receiver has answered with this status.
    pub(super) fn answered(status: StatusCode, retry_after: Option<Duration>) -> Self {
        let error = (!status.is_success()).then(|| {
            let hint = if status.is_redirection() { "; redirects are not followed" } else { "" };
            format!("answered with status {status}{hint}")
        });
        Self { status: Some(status.as_u16()), error, retry_after }
    }

    /// Whether the message was taken.
    pub fn is_delivered(&self) -> bool {
        self.error.is_none()
    }

    /// Whether the receiver wants nothing more, ever.
    pub(super) fn is_gone(&self) -> bool {
        self.status == Some(StatusCode::GONE.as_u16())
    }
}

/// The pauses between attempts: each about twice as long as the one before.
pub(super) struct Pauses(ExponentialBackoff);

impl Pauses {
    pub(super) fn new() -> Self {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_factor(2.0)
            .without_max_times()
            .with_jitter();
        Self(pauses.build())
    }

    /// The pause after this attempt, which has failed.
    pub(super) fn after(&mut self, attempt: &Attempt) -> Duration {
        let pause = self.0.next().unwrap_or(LONGEST_PAUSE);
        pause.max(attempt.retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
    }
}

/// Reads the value of `retry-after`: seconds, or a date.
pub(super) fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(secs) = value.trim().parse() {
        return Some(Duration::from_secs(secs));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(date.saturating_sub(since_epoch()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let (mut pauses, failed) = (Pauses::new(), Attempt::failed("in vain".to_owned()));
        for expected in (0..11).map(|doublings| FIRST_PAUSE * (1 << doublings)) {
            let expected = expected.min(LONGEST_PAUSE);
            let pause = pauses.after(&failed);
            assert!((expected..=2 * expected).contains(&pause), "{pause:?}, not {expected:?}");
        }
        for _ in 0..1_000 {
            assert!((LONGEST_PAUSE..=2 * LONGEST_PAUSE).contains(&pauses.after(&failed)));
        }
    }

    #[test]
    fn a_receiver_can_ask_for_a_pause_within_bounds() {
        let busy = |value| {
            let attempt = Attempt::answered(StatusCode::TOO_MANY_REQUESTS, retry_after(value));
            Pauses::new().after(&attempt)
        };
        assert_eq!(busy("120"), Duration::from_secs(120));
        assert_eq!(busy("99999999"), LONGEST_RETRY_AFTER);
        assert_eq!(busy("Fri, 31 Dec 9999 23:59:59 GMT"), LONGEST_RETRY_AFTER);
        for value in ["0", "-1", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"] {
            assert!(busy(value) <= 2 * FIRST_PAUSE, "{value}");
        }
    }

    #[test]
    fn only_success_is_success() {
        for status in [200, 201, 202, 204, 299] {
            assert!(Attempt::answered(StatusCode::from_u16(status).unwrap(), None).is_delivered());
        }
        for status in [301, 302, 307, 400, 401, 404, 410, 429, 500, 503] {
            let attempt = Attempt::answered(StatusCode::from_u16(status).unwrap(), None);
            assert!(!attempt.is_delivered());
            assert_eq!(attempt.is_gone(), status == 410);
            assert!(attempt.error.unwrap().contains(&status.to_string()));
        }
    }
}
