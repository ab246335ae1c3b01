//! The two steps of a shutdown that tasks wait for, and a wish for one.

use tokio_util::sync::CancellationToken;

/// The two steps of a shutdown that tasks wait for, and a wish for one. Dropping this takes both.
#[derive(Default)]
pub(super) struct Stop {
    serving: CancellationToken,
    events: CancellationToken,
    stepping_down: CancellationToken,
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

    /// Cancelled by who wants the standby to take the place of this node.
    pub(super) fn stepping_down(&self) -> &CancellationToken {
        &self.stepping_down
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.serving.cancel();
        self.events.cancel();
    }
}
