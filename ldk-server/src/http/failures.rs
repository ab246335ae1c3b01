//! Slows down whoever sends one wrong credential after the other. Only the refusals are late: a call with
//! a right credential is answered at once, whoever else calls from the same address.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::ip;

/// So many failures in a row are answered at once: an honest client with an old key may have many calls
/// under way.
const BURST: u64 = 100;
/// How long it takes until a failure is forgotten.
const FORGET_MS: u64 = 1_000;
/// How many counters there are. Addresses that share one are slowed down together.
const COUNTERS: usize = 4096;

/// The failures by address.
pub(super) struct Failures {
    /// When the failures of an address will all be forgotten, in milliseconds after `begun`.
    forgotten_at_ms: Box<[AtomicU64]>,
    /// Random, so that nobody can choose addresses that share a counter.
    hasher: RandomState,
    begun: Instant,
    max_delay_ms: u64,
}

impl Failures {
    /// Delays a refusal by at most `max_delay`; never, if that is 0.
    pub(super) fn new(max_delay: Duration) -> Self {
        Self {
            forgotten_at_ms: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            begun: Instant::now(),
            max_delay_ms: u64::try_from(max_delay.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Counts a failure, and returns for how long its refusal must wait.
    pub(super) fn count(&self, address: IpAddr) -> Duration {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let free_until = now + BURST * FORGET_MS;
        let most = free_until + self.max_delay_ms;
        let next = |at: u64| Some((at.max(now) + FORGET_MS).min(most));
        let counter = self.counter(ip::subscriber(address));
        let at = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let at = at.ok().and_then(next).unwrap_or_default();
        Duration::from_millis(at.saturating_sub(free_until))
    }

    fn counter(&self, address: IpAddr) -> &AtomicU64 {
        let at = self.hasher.hash_one(address) % self.forgotten_at_ms.len() as u64;
        &self.forgotten_at_ms[at as usize]
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MAX_DELAY: Duration = Duration::from_secs(3);

    fn ip(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn after_some_failures_refusals_are_later_and_later() {
        let failures = Failures::new(MAX_DELAY);
        let count =
            |times: u64| (0..times).map(|_| failures.count(ip("1.2.3.4"))).collect::<Vec<_>>();
        assert!(count(BURST).iter().all(Duration::is_zero));
        let secs = |secs: [u64; 5]| secs.map(Duration::from_secs).to_vec();
        assert_eq!(count(5), secs([1, 2, 3, 3, 3]));
        advance(Duration::from_secs(2)).await;
        assert_eq!(count(5), secs([2, 3, 3, 3, 3]));
        advance(Duration::from_secs(BURST + 3)).await;
        assert!(count(BURST).iter().all(Duration::is_zero), "all is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_one_subscriber_is_one_address_and_others_are_not_slowed_down() {
        let failures = Failures::new(MAX_DELAY);
        for host in 0..BURST {
            assert!(failures.count(ip(&format!("2001:db8::{host:x}"))).is_zero());
        }
        assert!(!failures.count(ip("2001:db8::ffff")).is_zero());
        // One of them may share the counter.
        let others = (0..8).map(|net| failures.count(ip(&format!("2001:db8:0:{}::1", net + 1))));
        assert!(others.filter(Duration::is_zero).count() >= 7);
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_can_be_switched_off() {
        let failures = Failures::new(Duration::ZERO);
        assert!((0..100).all(|_| failures.count(ip("1.2.3.4")).is_zero()));
    }
}
