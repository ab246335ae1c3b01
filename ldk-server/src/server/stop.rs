//! The two steps of stopping that others wait for.

use tokio_util::sync::CancellationToken;

/// The two steps of stopping that others wait for. Both are taken when this is dropped.
#[derive(Default)]
pub(super) struct Stop {
    serving: CancellationToken,
    events: CancellationToken,
}

impl Stop {
    /// No new connections and calls; streams end.
    pub(super) fn serving(&self) -> &CancellationToken {
        &self.serving
    }

    /// No more events are taken from the node, and no more payments sent back.
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
