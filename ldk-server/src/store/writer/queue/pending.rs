//! What waits to be written, under the lock of the queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Entry;
use crate::store::backend::MaintenanceTask;
use crate::store::durability::Position;
use crate::store::model::{Name, Value};
use crate::store::writer::GivenUp;
use crate::store::writer::job::{Failure, Job};
use crate::store::writer::metrics::CommitMetrics;
use crate::store::writer::order::Order;

/// How many bytes the library's values may have that wait. With more it is held up, if it is the
/// disk that they wait for.
const CAPACITY_BYTES: usize = 256 << 20;

/// That something has waited so long for a manager which covers it is told.
const UNUSUAL_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Queue {
    pub(super) order: Order<Name, Box<Job>>,
    /// The library's values that are not committed.
    pub(super) overlay: HashMap<Name, (Position, Value)>,
    overlay_bytes: usize,
    pub(super) maintenance: Vec<MaintenanceTask>,
    /// That nothing is to be written any more, and who is told.
    pub(super) giving_up: Option<GivenUp>,
    pub(super) state: State,
    /// That something waits for unusually long was told.
    is_wait_told: bool,
    /// When the commit under way was begun.
    pub(super) committing_since: Option<Instant>,
}

pub(super) enum State {
    Open,
    /// What is in the queue is written, and that is all.
    Closing,
    /// Why nothing can be written.
    Failed(Failure),
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            order: Order::new(),
            overlay: HashMap::new(),
            overlay_bytes: 0,
            maintenance: Vec::new(),
            giving_up: None,
            state: State::Open,
            is_wait_told: false,
            committing_since: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Whether there is something to do beside committing.
    pub(super) fn has_errand(&self) -> bool {
        !self.maintenance.is_empty() || self.giving_up.is_some()
    }

    pub(super) fn refusal(&self) -> Option<Failure> {
        match &self.state {
            State::Open => None,
            State::Closing => Some(Failure::from("the store is closed")),
            State::Failed(failure) => Some(Arc::clone(failure)),
        }
    }

    /// Whether the library is to wait until the disk has taken some of what it wrote. If nothing can
    /// be written, it is the library that has to go on.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.overlay_bytes > CAPACITY_BYTES && self.order.has_cut(now)
    }

    pub(super) fn cover_with(&mut self, name: Name, position: Position, value: Value) {
        self.overlay_bytes += bytes(&value);
        if let Some((_, before)) = self.overlay.insert(name, (position, value)) {
            self.overlay_bytes -= bytes(&before);
        }
    }

    /// What this has written is on disk, and read there from now on if nothing was written over it.
    pub(super) fn uncover(&mut self, entry: &Entry) {
        let Some(name) = &entry.key else { return };
        if self.overlay.get(name).is_some_and(|(position, _)| *position == entry.position())
            && let Some((_, value)) = self.overlay.remove(name)
        {
            self.overlay_bytes -= bytes(&value);
        }
    }

    pub(super) fn look_again_in(&self, now: Instant) -> Option<Duration> {
        let unusual = self.order.waited(now).filter(|_| !self.is_wait_told);
        let unusual = unusual.map(|waited| UNUSUAL_WAIT.saturating_sub(waited));
        unusual.into_iter().chain(self.order.look_again_in(now)).min()
    }

    pub(super) fn tell_wait(&mut self, now: Instant, metrics: &CommitMetrics) {
        let waited = self.order.waited(now).filter(|waited| *waited >= UNUSUAL_WAIT);
        if waited.is_some() && !self.is_wait_told {
            metrics.is_late();
            tracing::warn!(
                waited_ms = waited.unwrap_or_default().as_millis(),
                "a channel monitor waits for the channel manager that covers it; nothing leaves the \
                 node meanwhile"
            );
        }
        self.is_wait_told = waited.is_some();
    }
}

fn bytes(value: &Value) -> usize {
    value.as_ref().map_or(0, |value| value.len())
}
