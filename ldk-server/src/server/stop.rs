//! The two steps of a shutdown that tasks wait for.

use tokio_util::sync::CancellationToken;

/// The two steps of a shutdown that tasks wait for. Dropping this takes both.
#[derive(Default)]
pub(super) struct Stop {
    serving: CancellationToken,
    events: CancellationToken,
}

impl Stop {
    /// Cancelled when no new connections and calls are accepted, and streams end.
    pub(super) fn serving(&self) -> &CancellationToken {
        &self.serving
    }

    /// Cancelled when no more events are taken from the node and no more payments are failed back.
    pub(super) fn events(&self) -> &CancellationToken {
        &self.events
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.serving.cancel();
        self.events.cancel();
    }
}
