//! The tasks of the gate, and the two steps of ending them.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long connections may go on at the end, and one direction when the other has ended.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// The tasks of all connections. They end when this is dropped.
#[derive(Default)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    /// Accept nothing more.
    accepting: CancellationToken,
    /// Read nothing more of peers.
    reading: CancellationToken,
    /// Relay nothing more.
    relaying: CancellationToken,
}

impl Tasks {
    /// Runs a task to its end.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Cancelled when nothing more is to be accepted.
    pub(super) fn accepting(&self) -> &CancellationToken {
        &self.accepting
    }

    /// Cancelled when nothing more is to be read of peers.
    pub(super) fn reading(&self) -> &CancellationToken {
        &self.reading
    }

    /// Cancelled when nothing more is to be relayed.
    pub(super) fn relaying(&self) -> &CancellationToken {
        &self.relaying
    }

    /// Ends all tasks, after a moment for what is still on its way.
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
