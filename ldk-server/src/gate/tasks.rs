//! The tasks of the gate, and the steps that end them.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long connections may continue at the end, and one direction after the other has ended.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// The tasks of all connections. They end when this is dropped.
#[derive(Default)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    /// Stop accepting connections.
    accepting: CancellationToken,
    /// Stop reading from peers.
    reading: CancellationToken,
    /// Stop relaying.
    relaying: CancellationToken,
}

impl Tasks {
    /// Spawns a task.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Cancelled when no connection is to be accepted any more.
    pub(super) fn accepting(&self) -> &CancellationToken {
        &self.accepting
    }

    /// Cancelled when nothing is to be read from peers any more.
    pub(super) fn reading(&self) -> &CancellationToken {
        &self.reading
    }

    /// Cancelled when nothing is to be relayed any more.
    pub(super) fn relaying(&self) -> &CancellationToken {
        &self.relaying
    }

    /// Ends all tasks, after a moment for data under way.
    pub(super) async fn close(&self) {
        self.accepting.cancel();
        self.tracker.close();
        let _ = timeout(LINGER, self.tracker.wait()).await;
        self.relaying.cancel();
        self.tracker.wait().await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.accepting.cancel();
        self.relaying.cancel();
    }
}
