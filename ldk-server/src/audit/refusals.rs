//! How many calls of each caller were refused of late: only some are recorded one by one, so that a caller
//! who may do little cannot fill the disk.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many refused calls of a caller are recorded in a minute.
pub(super) const MAX_RECORDED: u64 = 30;

const MINUTE: Duration = Duration::from_secs(60);

/// So many callers are counted one by one; those beyond are counted as one.
const MAX_CALLERS: usize = 1_024;

/// Those beyond.
const OTHERS: &str = "others";

/// The refused calls of each caller.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<String, Refused>>);

/// The refused calls of one caller.
struct Refused {
    since: Instant,
    recorded: u64,
    /// Those that have no entry and were not told yet.
    counted: u64,
}

impl Refusals {
    /// Whether one more of this caller is recorded: then with the number of those that were not.
    pub(super) fn admit(&self, caller: &str) -> Option<u64> {
        let now = Instant::now();
        let mut callers = self.callers();
        let is_known = callers.contains_key(caller) || callers.len() < MAX_CALLERS;
        let caller = if is_known { caller } else { OTHERS };
        let refused = callers.entry(caller.to_owned()).or_insert_with(|| Refused::since(now));
        if refused.is_over(now) {
            *refused = Refused { counted: refused.counted, ..Refused::since(now) };
        }
        if refused.recorded >= MAX_RECORDED {
            refused.counted = refused.counted.saturating_add(1);
            return None;
        }
        refused.recorded += 1;
        Some(std::mem::take(&mut refused.counted))
    }

    /// Whether one more of this caller is recorded, whose entry is there already.
    pub(super) fn admit_one(&self, caller: &str) -> bool {
        let Some(counted) = self.admit(caller) else { return false };
        if counted > 0
            && let Some(refused) = self.callers().get_mut(caller)
        {
            refused.counted = refused.counted.saturating_add(counted);
        }
        true
    }

    /// The callers of more than a minute ago with the number of those that were not recorded, which are
    /// told by this. They are forgotten.
    pub(super) fn take_counted(&self) -> Vec<(String, u64)> {
        let now = Instant::now();
        let over = self.callers().extract_if(|_, refused| refused.is_over(now)).collect::<Vec<_>>();
        let counted = over.into_iter().map(|(caller, refused)| (caller, refused.counted));
        counted.filter(|(_, counted)| *counted > 0).collect()
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<String, Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refused {
    fn since(now: Instant) -> Self {
        Self { since: now, recorded: 0, counted: 0 }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= MINUTE
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_each_caller_so_many_are_recorded_in_a_minute_and_the_others_are_counted() {
        let refusals = Refusals::default();
        for _ in 0..MAX_RECORDED {
            assert_eq!(refusals.admit("rune 1"), Some(0));
        }
        for _ in 0..5 {
            assert_eq!(refusals.admit("rune 1"), None);
        }
        assert_eq!(refusals.admit("rune 2"), Some(0), "each has as many");
        advance(MINUTE).await;
        assert_eq!(refusals.admit("rune 1"), Some(5), "the next entry tells of them");
        assert_eq!(refusals.admit("rune 1"), Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_were_counted_are_told_when_no_more_come() {
        let refusals = Refusals::default();
        for _ in 0..MAX_RECORDED + 7 {
            refusals.admit_one("rune 1");
        }
        refusals.admit("rune 2");
        assert_eq!(refusals.take_counted(), []);
        advance(MINUTE).await;
        assert_eq!(refusals.take_counted(), [("rune 1".to_owned(), 7)]);
        assert_eq!(refusals.take_counted(), []);
        assert!(refusals.callers().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_callers_there_are_so_many_are_counted() {
        let refusals = Refusals::default();
        let recorded = (0..5_000).filter(|rune| refusals.admit(&format!("rune {rune}")).is_some());
        let recorded = u64::try_from(recorded.count()).unwrap();
        assert_eq!(recorded, u64::try_from(MAX_CALLERS).unwrap() + MAX_RECORDED);
        advance(MINUTE).await;
        let counted = refusals.take_counted();
        assert_eq!(counted, [(OTHERS.to_owned(), 5_000 - recorded)]);
    }
}
