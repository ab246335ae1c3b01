//! Metrics of broadcasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge};

const HELD_BUCKETS: [f64; 11] = [0.05, 0.06, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 5.0, 10.0, 30.0];

/// Metrics of broadcasts; clones share them.
#[derive(Clone)]
pub struct Broadcasts {
    held: Histogram,
    waiting: IntGauge,
    refused: IntCounter,
    /// How many broadcasts have waited since the start.
    begun: Arc<AtomicU64>,
}

/// Counts a waiting broadcast, until this is dropped.
pub(super) struct Waiting(IntGauge);

impl Broadcasts {
    /// Creates the metrics, all at 0.
    pub fn new() -> prometheus::Result<Self> {
        let held = HistogramOpts::new(
            "ldk_server_broadcast_held_seconds",
            "How long the transactions that were broadcast since the start were held until what \
             they rest on was on disk, in seconds.",
        );
        Ok(Self {
            held: Histogram::with_opts(held.buckets(HELD_BUCKETS.to_vec()))?,
            waiting: IntGauge::new(
                "ldk_server_broadcasts_waiting",
                "Broadcasts that are held, or that the chain source has not answered yet.",
            )?,
            refused: IntCounter::new(
                "ldk_server_broadcasts_refused_total",
                "Broadcasts since the start that were not sent, because what they rest on cannot be \
                 written or too many waited.",
            )?,
            begun: Arc::default(),
        })
    }

    /// A broadcast begins to wait.
    pub(super) fn begin(&self) -> Waiting {
        self.waiting.inc();
        self.begun.fetch_add(1, Ordering::SeqCst);
        Waiting(self.waiting.clone())
    }

    /// A broadcast is sent after it was held for this time.
    pub(super) fn sent(&self, held: Duration) {
        self.held.observe(held.as_secs_f64());
    }

    /// A broadcast is refused.
    pub(super) fn refused(&self) {
        self.refused.inc();
    }

    /// The number of broadcasts since the start, if none waits now.
    pub(super) fn at_rest(&self) -> Option<u64> {
        let begun = self.begun.load(Ordering::SeqCst);
        (self.waiting.get() == 0).then_some(begun)
    }

    /// The metrics, for a registry.
    pub(crate) fn collectors(&self) -> [Box<dyn Collector>; 3] {
        [
            Box::new(self.held.clone()),
            Box::new(self.waiting.clone()),
            Box::new(self.refused.clone()),
        ]
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}
