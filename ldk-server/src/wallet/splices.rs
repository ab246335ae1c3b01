//! Which channels are being spliced. The library does not show it, and refuses another splice of them
//! without saying why.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ldk_node::UserChannelId;

/// The splices that are pending, as far as they began since the start of the daemon.
#[derive(Default)]
pub struct Splices {
    /// The numbers of the channels; the library's ids have no hash.
    channels: Mutex<HashSet<u128>>,
}

impl Splices {
    /// A channel is about to be spliced at our request. Returns whether it is not already.
    pub fn begin(&self, channel: UserChannelId) -> bool {
        self.lock().insert(channel.0)
    }

    /// Whether a channel is being spliced.
    pub fn is_pending(&self, channel: UserChannelId) -> bool {
        self.lock().contains(&channel.0)
    }

    /// A splice has its transaction. The peer may have begun it.
    pub fn pending(&self, channel: UserChannelId) {
        self.lock().insert(channel.0);
    }

    /// No splice of the channel is pending any more: it was refused or failed, or the channel is ready
    /// or closed.
    pub fn ended(&self, channel: UserChannelId) {
        self.lock().remove(&channel.0);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u128>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: UserChannelId = UserChannelId(1);

    #[test]
    fn a_splice_is_pending_until_it_has_ended() {
        let splices = Splices::default();
        for _ in 0..2 {
            assert!(splices.begin(CHANNEL));
            assert!(!splices.begin(CHANNEL));
            assert!(splices.is_pending(CHANNEL));
            splices.ended(CHANNEL);
            assert!(!splices.is_pending(CHANNEL));
        }
    }

    #[test]
    fn a_splice_of_the_peer_is_pending_too() {
        let splices = Splices::default();
        splices.pending(CHANNEL);
        assert!(splices.is_pending(CHANNEL));
        assert!(!splices.begin(CHANNEL));
    }
}
