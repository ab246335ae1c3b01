//! What is done with the connection that writes between two commits, such as a checkpoint.

use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};

use ldk_node::lightning::io;

use super::connection::Writing;
use crate::store::backend::BetweenCommits;

/// Has things done between two commits.
#[derive(Clone)]
pub(in crate::store) struct Maintenance {
    between_commits: Arc<dyn BetweenCommits>,
    /// Gone with the thread that writes.
    database: Weak<Mutex<Writing>>,
}

impl Maintenance {
    pub(super) fn new(
        between_commits: Arc<dyn BetweenCommits>,
        database: Weak<Mutex<Writing>>,
    ) -> Self {
        Self { between_commits, database }
    }

    /// Has this done, and waits for its outcome.
    pub(in crate::store) fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Writing) -> T + Send + 'static,
    ) -> io::Result<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let database = Weak::clone(&self.database);
        self.between_commits.run(Box::new(move || {
            let Some(writing) = database.upgrade() else { return };
            let mut writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody waits below.
            let _ = sender.send(task(&mut writing));
        }));
        receiver.recv().map_err(|_| io::Error::new(io::ErrorKind::Other, "the writer is gone"))
    }
}
