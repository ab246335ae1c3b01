//! Tells when a connection has taken something to send: the one sign of a client that reads which there is
//! beside a library that queues messages itself.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The writes to one connection. Clones are the same.
#[derive(Clone, Default)]
pub struct Writes(Arc<Mutex<Option<Told>>>);

/// Who is told of writes.
struct Told {
    waiting: Arc<Notify>,
    _held: Option<Arc<dyn Any + Send + Sync>>,
}

impl Writes {
    /// Tells of each write from now on whoever waits for this, and nobody else. Owns `held` meanwhile.
    pub(super) fn tell(&self, waiting: Arc<Notify>, held: Option<Arc<dyn Any + Send + Sync>>) {
        self.replace(Some(Told { waiting, _held: held }));
    }

    /// Something was written.
    pub fn happened(&self) {
        if let Some(told) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            told.waiting.notify_waiters();
        }
    }

    /// Nothing more will be written.
    pub fn end(&self) {
        self.replace(None);
    }

    fn replace(&self, told: Option<Told>) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = std::mem::replace(&mut *current, told);
        // What is dropped with it may be anything.
        drop(current);
        drop(earlier);
    }
}
