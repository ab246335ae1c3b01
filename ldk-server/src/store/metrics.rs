//! What the metrics tell of the store: measured as it happens, or looked up when they are asked for.

use ldk_node::lightning::io;
use prometheus::core::Collector;

use super::model::{MirrorState, SpaceUsed};
use super::{Store, Waits};

/// What is measured as it happens.
pub(super) trait Metrics {
    /// It, for a registry.
    fn collectors(&self) -> Vec<Box<dyn Collector>>;
}

/// The state of the store, for metrics and health checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreState {
    /// The number of changes queued for the commit after the one under way.
    pub queued_writes: usize,
    /// How long the oldest of them has waited.
    pub waits: Waits,
    /// Whether consistent cuts are made.
    pub cuts_begun: bool,
    /// The size of the database's file.
    pub database_bytes: u64,
    /// The size of the write-ahead log beside it.
    pub log_bytes: u64,
    /// The space left on the disk, in bytes; `None` if the disk does not say.
    pub disk_available_bytes: Option<u64>,
    /// The number of subscribers to live events.
    pub event_subscribers: usize,
    /// The state of the mirror; `None` if there is none.
    pub mirror: Option<MirrorState>,
    /// The time of the last backup, in Unix seconds; `None` if there was none.
    pub backed_up_at: Option<u64>,
}

impl Store {
    /// Reads the state of the store. Asks the file system.
    pub fn state(&self) -> StoreState {
        let SpaceUsed { database_bytes, log_bytes, available_bytes } = self.upkeep.space_used();
        StoreState {
            queued_writes: self.writer.queued(),
            waits: self.waits(),
            cuts_begun: self.cuts_begun(),
            database_bytes,
            log_bytes,
            disk_available_bytes: available_bytes,
            event_subscribers: self.event_log.subscribers(),
            mirror: self.mirror_state(),
            backed_up_at: self.backed_up_at().unwrap_or_default(),
        }
    }

    /// What is measured since the start, for a registry.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let parts: [&dyn Metrics; 3] =
            [self.writer.metrics(), self.event_log.metrics(), self.payment_counts.metrics()];
        let of_primary = self.primary.iter().map(|health| &**health as &dyn Metrics);
        parts.into_iter().chain(of_primary).flat_map(Metrics::collectors).collect()
    }
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
