//! What the metrics tell of the store: measured as it happens, or looked up when they are asked for.

use std::fs;
use std::path::Path;

use ldk_node::lightning::io;
use prometheus::core::Collector;

use super::{MirrorState, Store, Waits, log_of};
use crate::disk::available_bytes;

/// What is measured as it happens.
pub(super) trait Metrics {
    /// It, for a registry.
    fn collectors(&self) -> Vec<Box<dyn Collector>>;
}

/// How the store is at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreState {
    /// Changes that wait for the commit after the one under way.
    pub queued_writes: usize,
    /// For how long the oldest of them has waited.
    pub waits: Waits,
    /// Whether consistent cuts are made.
    pub cuts_begun: bool,
    /// The size of the database's file.
    pub database_bytes: u64,
    /// The size of the write-ahead log beside it.
    pub log_bytes: u64,
    /// What the disk has room for; `None` if it does not say.
    pub disk_available_bytes: Option<u64>,
    /// Those who listen to events.
    pub event_subscribers: usize,
    /// How the mirror is; `None` if there is none.
    pub mirror: Option<MirrorState>,
    /// When the last backup was made, in Unix seconds; `None` if none ever was.
    pub backed_up_at: Option<u64>,
}

impl Store {
    /// How it is at the moment. Asks the file system.
    pub fn state(&self) -> StoreState {
        let database = self.sqlite.path();
        StoreState {
            queued_writes: self.writer.queued(),
            waits: self.waits(),
            cuts_begun: self.cuts_begun(),
            database_bytes: file_bytes(database),
            log_bytes: file_bytes(&log_of(database)),
            disk_available_bytes: available_bytes(database),
            event_subscribers: self.event_log.subscribers(),
            mirror: self.mirror_state(),
            backed_up_at: self.backed_up_at().unwrap_or_default(),
        }
    }

    /// What is measured since the start, for a registry.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let parts: [&dyn Metrics; 3] =
            [self.writer.metrics(), self.event_log.metrics(), self.payment_counts.metrics()];
        parts.into_iter().flat_map(Metrics::collectors).collect()
    }
}

/// 0 for a file that is not there.
fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// A metric that cannot be made, which is one with a wrong name.
pub(super) fn metrics_error(error: prometheus::Error) -> io::Error {
    io::Error::new(io::ErrorKind::Other, error)
}

/// A counter.
pub(super) fn counter(name: &str, help: &str) -> io::Result<prometheus::IntCounter> {
    prometheus::IntCounter::new(name, help).map_err(metrics_error)
}

/// A histogram with these upper ends of its buckets.
pub(super) fn histogram(
    name: &str,
    help: &str,
    buckets: &[f64],
) -> io::Result<prometheus::Histogram> {
    let options = prometheus::HistogramOpts::new(name, help).buckets(buckets.to_vec());
    prometheus::Histogram::with_opts(options).map_err(metrics_error)
}
