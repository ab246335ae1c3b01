//! What the metrics tell of commits.

use std::time::Duration;

use ldk_node::lightning::io;
use prometheus::Histogram;
use prometheus::core::Collector;

use crate::store::figures::{Figures, histogram};

const DURATION_BUCKETS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const WRITES_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0, 1_024.0, 4_096.0];

/// What is measured of commits.
pub(in crate::store) struct CommitFigures {
    duration: Histogram,
    writes: Histogram,
}

impl CommitFigures {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            duration: histogram(
                "ldk_server_store_commit_duration_seconds",
                "How long commits took since the start, until they were on disk, in seconds.",
                &DURATION_BUCKETS,
            )?,
            writes: histogram(
                "ldk_server_store_commit_writes",
                "How many changes each commit since the start had.",
                &WRITES_BUCKETS,
            )?,
        })
    }

    /// So many changes are on disk.
    pub(super) fn committed(&self, writes: usize, took: Duration) {
        self.duration.observe(took.as_secs_f64());
        self.writes.observe(writes as f64);
    }
}

impl Figures for CommitFigures {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.duration.clone()), Box::new(self.writes.clone())]
    }
}
