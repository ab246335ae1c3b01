//! How long to wait before subscribing again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// The delays before the attempts in a row, the later the longer.
#[derive(Debug)]
pub(super) struct Delays {
    policy: ExponentialBuilder,
    longest: Duration,
    row: <ExponentialBuilder as BackoffBuilder>::Backoff,
    attempt: u32,
    subscribed_at: Option<Instant>,
}

impl Default for Delays {
    fn default() -> Self {
        let policy = ExponentialBuilder::new().with_jitter().without_max_times();
        Self { policy, longest: LONGEST, row: policy.build(), attempt: 0, subscribed_at: None }
            .between(SHORTEST, LONGEST)
    }
}

impl Delays {
    pub(super) fn between(mut self, shortest: Duration, longest: Duration) -> Self {
        // What is random comes on top, and at most doubles a delay.
        let half = longest / 2;
        self.policy = self.policy.with_min_delay(shortest.min(half)).with_max_delay(half);
        self.longest = longest;
        self.restart();
        self
    }

    pub(super) fn at_most(mut self, retries: usize) -> Self {
        self.policy = self.policy.with_max_times(retries);
        self.restart();
        self
    }

    /// The number of the next attempt in this row, and how long to wait for it; `None` if there
    /// were enough.
    pub(super) fn next(&mut self) -> Option<(u32, Duration)> {
        // A subscription that breaks at once is no better than one that was refused.
        let lasted = self.subscribed_at.take().map(|since| since.elapsed());
        if lasted.is_some_and(|lasted| lasted >= self.longest) {
            self.restart();
        }
        let delay = self.row.next()?;
        self.attempt = self.attempt.saturating_add(1);
        Some((self.attempt, delay))
    }

    pub(super) fn subscribed(&mut self) {
        self.subscribed_at = Some(Instant::now());
    }

    /// All went well: the next attempt is the first of a new row.
    pub(super) fn went_well(&mut self) {
        if self.attempt > 0 {
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.row = self.policy.build();
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_delays(delays: &mut Delays, count: usize) -> Vec<Duration> {
        std::iter::from_fn(|| delays.next()).map(|(_, delay)| delay).take(count).collect()
    }

    #[test]
    fn they_grow_from_the_shortest_to_the_longest_and_go_on_for_ever() {
        let delays = next_delays(&mut Delays::default(), 1_000);
        assert_eq!(delays.len(), 1_000);
        assert!((SHORTEST..=2 * SHORTEST).contains(&delays[0]), "{:?}", delays[0]);
        assert!(delays.iter().all(|delay| (SHORTEST..=LONGEST).contains(delay)), "{delays:?}");
        let late = &delays[20..];
        assert!(late.iter().all(|delay| *delay >= LONGEST / 2), "{late:?}");
        assert!(late.iter().any(|delay| *delay != late[0]), "nothing is random in {late:?}");
    }

    #[test]
    fn attempts_are_counted_within_a_row() {
        let mut delays = Delays::default().at_most(2);
        let attempts = |delays: &mut Delays| [delays.next(), delays.next(), delays.next()];
        let numbers = attempts(&mut delays).map(|next| next.map(|(attempt, _)| attempt));
        assert_eq!(numbers, [Some(1), Some(2), None]);
        delays.went_well();
        assert_eq!(next_delays(&mut delays, 9).len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_subscription_that_lasts_begins_a_new_row() {
        let mut delays = Delays::default();
        assert_eq!(delays.next().unwrap().0, 1);
        delays.subscribed();
        tokio::time::advance(LONGEST / 2).await;
        assert_eq!(delays.next().unwrap().0, 2);
        tokio::time::advance(LONGEST).await;
        assert_eq!(delays.next().unwrap().0, 3);
        delays.subscribed();
        tokio::time::advance(LONGEST).await;
        assert_eq!(delays.next().unwrap().0, 1);
    }

    #[test]
    fn a_shortest_delay_beyond_the_longest_is_the_longest() {
        let second = Duration::from_secs(1);
        let mut delays = Delays::default().between(10 * second, second);
        assert!(next_delays(&mut delays, 50).iter().all(|delay| *delay <= second));
    }
}
