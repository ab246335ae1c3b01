//! What the metrics tell of commits.

use std::time::Duration;

use ldk_node::lightning::io;
use prometheus::core::Collector;
use prometheus::{Histogram, IntCounter};

use super::order::Counts;
use crate::store::metrics::{Metrics, counter, histogram};

const DURATION_BUCKETS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const WRITES_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0, 1_024.0, 4_096.0];

/// What is measured of commits.
pub(in crate::store) struct CommitMetrics {
    duration: Histogram,
    writes: Histogram,
    managers_moved: IntCounter,
    inversions: IntCounter,
    forced: IntCounter,
    late: IntCounter,
}

impl CommitMetrics {
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
            managers_moved: counter(
                "ldk_server_cut_managers_moved_total",
                "How many managers of the channels were written before monitors that were queued \
                 before them.",
            )?,
            inversions: counter(
                "ldk_server_cut_inversions_total",
                "How many managers of the channels knew a monitor and not one queued before it.",
            )?,
            forced: counter(
                "ldk_server_cut_forced_total",
                "How many commits were made although the manager that belongs to them had not come.",
            )?,
            late: counter(
                "ldk_server_cut_late_total",
                "How often the state of a channel waited for more than a second for the manager \
                 that knows of it.",
            )?,
        })
    }

    /// This was found out of the order of writes.
    pub(super) fn cut(&self, Counts { managers_moved, inversions, forced }: Counts) {
        self.managers_moved.inc_by(managers_moved);
        self.inversions.inc_by(inversions);
        self.forced.inc_by(forced);
        if inversions > 0 {
            tracing::warn!(
                managers = inversions,
                "a channel manager was not used for a cut: it covers a later monitor and not an \
                 earlier one"
            );
        }
        if forced > 0 {
            tracing::error!(
                commits = forced,
                "a channel monitor was committed without the channel manager that covers it: a crash \
                 now may close the channel"
            );
        }
    }

    /// Something waits for a manager for an unusual time.
    pub(super) fn is_late(&self) {
        self.late.inc();
    }

    /// So many changes are on disk.
    pub(super) fn committed(&self, writes: usize, took: Duration) {
        self.duration.observe(took.as_secs_f64());
        self.writes.observe(writes as f64);
    }
}

impl Metrics for CommitMetrics {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.duration.clone()),
            Box::new(self.writes.clone()),
            Box::new(self.managers_moved.clone()),
            Box::new(self.inversions.clone()),
            Box::new(self.forced.clone()),
            Box::new(self.late.clone()),
        ]
    }
}
