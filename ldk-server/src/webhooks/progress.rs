//! What became of the deliveries to a webhook since the start.

use super::delivery::Attempt;
use crate::clock::unix_secs;

/// How it goes with a webhook.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// The last event that was delivered or passed over.
    pub(super) position: u64,
    pub(super) last_delivered_at: Option<u64>,
    pub(super) last_attempt_at: Option<u64>,
    pub(super) last_status: Option<u16>,
    pub(super) last_error: String,
    pub(super) next_attempt_at: Option<u64>,
}

impl Progress {
    /// An attempt has ended like this.
    pub(super) fn attempted(&mut self, attempt: &Attempt) {
        let now = unix_secs();
        self.last_attempt_at = Some(now);
        self.last_status = attempt.status;
        self.last_error = attempt.error.clone().unwrap_or_default();
        self.next_attempt_at = None;
        if attempt.is_delivered() {
            self.last_delivered_at = Some(now);
        }
    }
}
