//! How often callers with restrictions have called: for the conditions on their rate.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many conditions are counted at once.
const MAX_COUNTED: usize = 65_536;

/// A minute in parts: a part leaves the count as a whole.
const PARTS: usize = 60;
const PART: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A condition on how often calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// So many in each minute.
    PerMinute(u64),
    /// One in each such time.
    OncePer(Duration),
}

/// Counts the calls, separately for each scope: those that share a condition share its count.
#[derive(Default)]
pub(super) struct Meter(Mutex<HashMap<String, Counted>>);

/// The calls of the last minute, and when the last one was.
struct Counted {
    last: Instant,
    /// Of each of the last seconds; the first is the present one, which began then.
    calls: [u32; PARTS + 1],
    began: Instant,
    /// As long as this the last call counts.
    matters_for: Duration,
}

impl Meter {
    /// Counts a call for each of these, if it is allowed by all. Otherwise says which does not allow it,
    /// and nothing is counted.
    pub(super) fn admit(&self, paces: &[(String, Pace)]) -> Result<(), Refused> {
        // Most callers have no limit, and share nothing with each other.
        if paces.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, (scope, pace)) in paces.iter().enumerate() {
            if let Some(counted) = counted.get_mut(scope)
                && !counted.allows(*pace, now)
            {
                return Err(Refused::TooOften(at));
            }
        }
        if counted.len() + paces.len() > MAX_COUNTED {
            counted.retain(|_, counted| counted.matters(now));
            if counted.len() + paces.len() > MAX_COUNTED {
                return Err(Refused::TooMany);
            }
        }
        for (scope, pace) in paces {
            count(counted.entry(scope.clone()), *pace, now);
        }
        Ok(())
    }
}

/// Why a call was not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The condition in this place does not allow it now.
    TooOften(usize),
    /// Too many conditions are counted already.
    TooMany,
}

fn count(entry: Entry<'_, String, Counted>, pace: Pace, now: Instant) {
    let counted = entry.or_insert_with(|| Counted {
        last: now,
        calls: [0; PARTS + 1],
        began: now,
        matters_for: MINUTE,
    });
    counted.pass(now);
    counted.calls[0] = counted.calls[0].saturating_add(1);
    counted.last = now;
    if let Pace::OncePer(time) = pace {
        counted.matters_for = counted.matters_for.max(time);
    }
}

impl Counted {
    fn allows(&mut self, pace: Pace, now: Instant) -> bool {
        match pace {
            Pace::PerMinute(most) => {
                self.pass(now);
                self.calls.iter().map(|calls| u64::from(*calls)).sum::<u64>() < most
            },
            Pace::OncePer(time) => now.duration_since(self.last) >= time,
        }
    }

    /// Lets time pass: what is more than a minute ago counts no more.
    fn pass(&mut self, now: Instant) {
        let passed = now.duration_since(self.began).as_secs();
        let parts = usize::try_from(passed).unwrap_or(usize::MAX).min(PARTS + 1);
        self.calls.rotate_right(parts % (PARTS + 1));
        self.calls[..parts].fill(0);
        self.began += PART * u32::try_from(passed).unwrap_or(u32::MAX);
    }

    fn matters(&self, now: Instant) -> bool {
        now.duration_since(self.last) <= self.matters_for
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn pace(scope: &str, pace: Pace) -> (String, Pace) {
        (scope.to_owned(), pace)
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_calls_than_allowed() {
        let (meter, paces) = (Meter::default(), [pace("a", Pace::PerMinute(3))]);
        let mut admitted: Vec<Instant> = Vec::new();
        for _ in 0..1_000 {
            if meter.admit(&paces).is_ok() {
                admitted.push(Instant::now());
            }
            advance(Duration::from_millis(730)).await;
        }
        assert!(admitted.len() >= 33, "{}", admitted.len());
        for calls in admitted.windows(4) {
            assert!(calls[3] - calls[0] > MINUTE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_once_in_a_time_waits_for_it_to_pass() {
        let (meter, paces) =
            (Meter::default(), [pace("a", Pace::OncePer(Duration::from_secs(600)))]);
        assert_eq!(meter.admit(&paces), Ok(()));
        advance(Duration::from_secs(599)).await;
        assert_eq!(meter.admit(&paces), Err(Refused::TooOften(0)));
        advance(Duration::from_secs(1)).await;
        assert_eq!(meter.admit(&paces), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_condition_refuses_is_counted_for_none() {
        let meter = Meter::default();
        let both = [pace("a", Pace::PerMinute(2)), pace("b", Pace::PerMinute(1))];
        assert_eq!(meter.admit(&both), Ok(()));
        assert_eq!(meter.admit(&both), Err(Refused::TooOften(1)));
        assert_eq!(meter.admit(&both[..1]), Ok(()));
        assert_eq!(meter.admit(&both[..1]), Err(Refused::TooOften(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_counted_and_no_more() {
        let meter = Meter::default();
        let paces: Vec<_> =
            (0..MAX_COUNTED).map(|number| pace(&number.to_string(), Pace::PerMinute(1))).collect();
        assert_eq!(meter.admit(&paces), Ok(()));
        let one_more = [pace("more", Pace::PerMinute(1))];
        assert_eq!(meter.admit(&one_more), Err(Refused::TooMany));
        advance(MINUTE + PART).await;
        assert_eq!(meter.admit(&one_more), Ok(()));
    }
}
