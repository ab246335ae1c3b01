//! How far this clock is from the server's, as the `date` header of its answers tells.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};
use ldk_server_grpc::auth::MAX_CLOCK_SKEW_SECS;

/// A difference of clocks for which the server refuses what is signed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skew {
    Ahead(Duration),
    Behind(Duration),
}

/// The difference, if it is too large for the server.
pub(crate) fn skew(headers: &HeaderMap) -> Option<Skew> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    between(SystemTime::now(), httpdate::parse_http_date(date).ok()?)
}

fn between(here: SystemTime, there: SystemTime) -> Option<Skew> {
    let skew = match here.duration_since(there) {
        Ok(ahead) => Skew::Ahead(ahead),
        Err(behind) => Skew::Behind(behind.duration()),
    };
    // The header has whole seconds, and was written a moment ago.
    (skew.duration().as_secs() >= MAX_CLOCK_SKEW_SECS).then_some(skew)
}

impl Skew {
    fn duration(self) -> Duration {
        match self {
            Self::Ahead(duration) | Self::Behind(duration) => duration,
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self {
            Self::Ahead(_) => "ahead of",
            Self::Behind(_) => "behind",
        };
        write!(
            formatter,
            "this clock is {} s {side} the server's, and {MAX_CLOCK_SKEW_SECS} s are allowed: set \
             the one that is wrong",
            self.duration().as_secs()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_too_far_apart_are_told_of() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let off = Duration::from_secs(90);
        assert_eq!(between(now, now - off), Some(Skew::Ahead(off)));
        assert_eq!(between(now, now + off), Some(Skew::Behind(off)));
        for near in [0, 5, 59] {
            assert_eq!(between(now, now - Duration::from_secs(near)), None);
            assert_eq!(between(now, now + Duration::from_secs(near)), None);
        }
    }

    #[test]
    fn the_text_says_how_far_and_which_way() {
        let text = Skew::Behind(Duration::from_secs(3600)).to_string();
        assert!(text.contains("3600 s behind the server's"), "{text}");
    }
}
