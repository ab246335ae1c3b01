//! A caller's deadline, from the header `grpc-timeout`, or `connect-timeout-ms` of a call in JSON.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::Status;

/// When the caller stops waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// Parses the deadline in `headers`, which counts from when they were received.
    pub(crate) fn of(headers: &HeaderMap, received: Instant) -> Result<Option<Self>, Status> {
        let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
        let timeout = value.to_str().ok().and_then(parse).ok_or_else(|| {
            Status::invalid_argument("grpc-timeout must be 1 to 8 digits and one of H M S m u n")
        })?;
        Ok(Some(Self(received + timeout)))
    }

    /// As [`of`](Self::of), from the header of the Connect protocol.
    pub(crate) fn of_connect(
        headers: &HeaderMap,
        received: Instant,
    ) -> Result<Option<Self>, Status> {
        let Some(value) = headers.get("connect-timeout-ms") else { return Ok(None) };
        let millis =
            value.to_str().ok().and_then(|text| number(text, 10)).ok_or_else(|| {
                Status::invalid_argument("connect-timeout-ms must be 1 to 10 digits")
            })?;
        Ok(Some(Self(received + Duration::from_millis(millis))))
    }

    /// Waits for the deadline; forever if there is none.
    pub(crate) async fn expired(deadline: Option<Self>) {
        match deadline {
            // The timer counts whole milliseconds, rounded up: a call with no time left would be served.
            Some(deadline) if deadline.has_passed() => {},
            Some(Self(instant)) => tokio::time::sleep_until(instant).await,
            None => std::future::pending().await,
        }
    }

    /// So long before it that an answer still comes in time: a tenth of what is left, at most a second.
    pub(crate) fn shortly_before(self) -> Instant {
        let left = self.0.saturating_duration_since(Instant::now());
        self.0 - (left / 10).min(Duration::from_secs(1))
    }

    /// Whether it lies in the past.
    pub(crate) fn has_passed(self) -> bool {
        self.0 <= Instant::now()
    }

    /// The status of a call whose deadline has passed. It says nothing about the call's outcome.
    pub(crate) fn status() -> Status {
        Status::deadline_exceeded("the deadline has passed; the outcome of the call is unknown")
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count = number(digits, 8)?;
    match unit {
        "H" => Some(Duration::from_secs(count * 60 * 60)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// The number that is written with so many digits at most.
fn number(digits: &str, most: usize) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && digits.len() <= most { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_is_parsed() {
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(parse("2M"), Some(Duration::from_secs(120)));
        assert_eq!(parse("0S"), Some(Duration::ZERO));
        assert_eq!(parse("5m"), Some(Duration::from_millis(5)));
        assert_eq!(parse("5u"), Some(Duration::from_micros(5)));
        assert_eq!(parse("5n"), Some(Duration::from_nanos(5)));
    }

    #[test]
    fn connect_counts_milliseconds() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("connect-timeout-ms", text.parse().unwrap());
            Deadline::of_connect(&headers, Instant::now()).map(|deadline| deadline.unwrap())
        };
        assert!(of("0").unwrap().has_passed());
        assert!(!of("9999999999").unwrap().has_passed());
        for text in ["", "-1", "+1", "1.5", "1S", "10000000000", " 1"] {
            assert!(of(text).is_err(), "{text}");
        }
        assert!(Deadline::of_connect(&HeaderMap::new(), Instant::now()).unwrap().is_none());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "S", "1", "1s", "123456789S", "+1S", "-1S", " 1S", "1.5S", "1é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".*") {
            let _ = parse(&text);
        }
    }
}
