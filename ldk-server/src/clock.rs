//! The time, periodic ticks, and a throttle for log lines.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// The time since the Unix epoch; 0 if the clock is set before it.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time in Unix seconds.
pub(crate) fn unix_secs() -> u64 {
    since_epoch().as_secs()
}

/// Formats Unix seconds as RFC 3339 in UTC; empty for a time beyond the calendar.
pub(crate) fn rfc_3339(unix_secs: u64) -> String {
    let time = i64::try_from(unix_secs).ok().and_then(|secs| DateTime::from_timestamp(secs, 0));
    time.map_or_else(String::new, |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Periodic ticks, until a token is cancelled.
pub(crate) struct Ticks {
    interval: Interval,
    stop: CancellationToken,
}

impl Ticks {
    /// Ticks first after `delay`, then every `period`. Missed ticks are skipped.
    pub(crate) fn after(delay: Duration, period: Duration, stop: CancellationToken) -> Self {
        let mut interval = interval_at(Instant::now() + delay, period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, stop }
    }

    /// Waits for the next tick; returns false if `stop` is cancelled.
    pub(crate) async fn next(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            _ = self.interval.tick() => true,
        }
    }
}

/// Counts what may happen very often, so that it is logged once a minute.
pub(crate) struct LogThrottle(Mutex<Unlogged>);

struct Unlogged {
    logged_at: Option<Instant>,
    times: u64,
}

impl LogThrottle {
    /// Creates a throttle with a count of 0.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Unlogged { logged_at: None, times: 0 }))
    }

    /// Counts one more. Returns the count since the last log line, if a line is due.
    pub(crate) fn count(&self) -> Option<u64> {
        const MINUTE: Duration = Duration::from_secs(60);
        let mut unlogged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unlogged.times += 1;
        if unlogged.logged_at.is_some_and(|at| at.elapsed() < MINUTE) {
            return None;
        }
        unlogged.logged_at = Some(Instant::now());
        Some(std::mem::take(&mut unlogged.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc() {
        assert_eq!(rfc_3339(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(rfc_3339(u64::MAX), "");
    }

    #[tokio::test(start_paused = true)]
    async fn what_happens_often_is_said_once_in_a_minute() {
        let throttle = LogThrottle::new();
        assert_eq!([(); 3].map(|()| throttle.count()), [Some(1), None, None]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!([(); 2].map(|()| throttle.count()), [Some(3), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_go_by_no_clock_that_can_be_set() {
        const SECOND: Duration = Duration::from_secs(1);
        let stop = CancellationToken::new();
        let begin = Instant::now();
        let mut ticks = Ticks::after(3 * SECOND, 10 * SECOND, stop.clone());
        for expected in [3, 13, 23] {
            assert!(ticks.next().await);
            assert_eq!(begin.elapsed().as_secs(), expected);
        }
        // The machine slept, or the work took long.
        tokio::time::advance(35 * SECOND).await;
        for expected in [58, 68] {
            assert!(ticks.next().await);
            assert_eq!(begin.elapsed().as_secs(), expected);
        }
        stop.cancel();
        assert!(!ticks.next().await);
    }
}
