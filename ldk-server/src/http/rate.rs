//! The limit on calls per second on one connection.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tonic::Status;

/// The rate of one connection, as a token bucket: it holds the calls of one second, and is refilled
/// continuously.
pub(super) struct Rate(Option<Limited>);

struct Limited {
    per_second: NonZeroU32,
    bucket: Mutex<Bucket>,
}

/// The calls that could be made at a point in time.
struct Bucket {
    calls: f64,
    filled_at: Instant,
}

impl Rate {
    /// Admits `per_second` calls per second; any number if it is `None`.
    pub(super) fn new(per_second: Option<NonZeroU32>) -> Self {
        Self(per_second.map(|per_second| {
            let bucket = Bucket { calls: per_second.get().into(), filled_at: Instant::now() };
            Limited { per_second, bucket: Mutex::new(bucket) }
        }))
    }

    /// Counts a call that is made now, or returns RESOURCE_EXHAUSTED.
    pub(super) fn admit(&self) -> Result<(), Status> {
        self.0.as_ref().map_or(Ok(()), |limited| limited.admit(Instant::now()))
    }
}

impl Limited {
    fn admit(&self, now: Instant) -> Result<(), Status> {
        let most = f64::from(self.per_second.get());
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(bucket.filled_at);
        bucket.calls = (bucket.calls + passed.as_secs_f64() * most).min(most);
        bucket.filled_at = now;
        if bucket.calls < 1.0 {
            return Err(Status::resource_exhausted(format!(
                "limits.max_calls_per_second_per_connection: a connection may make {most} calls in \
                 a second; try again later"
            )));
        }
        bucket.calls -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use super::*;

    #[test]
    fn a_second_has_so_many_calls_and_no_more() {
        let Rate(Some(limited)) = Rate::new(NonZeroU32::new(10)) else { panic!("no limit") };
        let start = Instant::now();
        let admitted = |after_millis, tried| {
            let now = start + Duration::from_millis(after_millis);
            (0..tried).filter(|_| limited.admit(now).is_ok()).count()
        };
        assert_eq!(admitted(0, 20), 10);
        assert_eq!(admitted(99, 20), 0);
        assert_eq!(admitted(550, 20), 5);
        // What was not used for long is not kept.
        assert_eq!(admitted(60_000, 20), 10);
        let refused = limited.admit(start).unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.message().contains("may make 10 calls in a second"), "{refused}");
    }

    #[test]
    fn without_a_limit_there_is_none() {
        let rate = Rate::new(None);
        assert!((0..10_000).all(|_| rate.admit().is_ok()));
    }
}
