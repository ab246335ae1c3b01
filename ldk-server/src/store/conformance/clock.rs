//! The time of what is written, set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::backend::{Backend, BackendError, OpenDatabase};
use crate::store::change::{Change, Outcome};

/// A clock that stands still until it is set, in Unix seconds.
#[derive(Clone, Default)]
pub(in crate::store) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(in crate::store) fn at(now: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now)))
    }

    pub(super) fn set(&self, now: u64) {
        self.0.store(now, Ordering::SeqCst);
    }

    /// Gives what is written to this database the time of this clock.
    pub(super) fn rules(&self, database: OpenDatabase) -> OpenDatabase {
        let writes = Dated { writes: database.writes, clock: self.clone() };
        OpenDatabase { writes: Box::new(writes), ..database }
    }
}

struct Dated {
    writes: Box<dyn Backend>,
    clock: Clock,
}

impl Backend for Dated {
    fn apply(&mut self, batch: Vec<Change>, _: u64) -> Result<Vec<Outcome>, BackendError> {
        self.writes.apply(batch, self.clock.0.load(Ordering::SeqCst))
    }

    fn committed(&mut self) -> Result<(), BackendError> {
        self.writes.committed()
    }

    fn close(self: Box<Self>) {
        self.writes.close();
    }
}
