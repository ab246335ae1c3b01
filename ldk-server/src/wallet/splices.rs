//! Pending splices. The library does not list them, and refuses another splice of the same channel
//! without a reason.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ldk_node::UserChannelId;

/// The pending splices that began since the start of the daemon.
#[derive(Default)]
pub struct Splices {
    /// The user channel ids as numbers, because the library's type cannot be hashed.
    channels: Mutex<HashSet<u128>>,
}

impl Splices {
    /// Marks a channel as being spliced; returns false if it is already.
    pub fn begin(&self, channel: UserChannelId) -> bool {
        self.lock().insert(channel.0)
    }

    /// Whether a channel is being spliced.
    pub fn is_pending(&self, channel: UserChannelId) -> bool {
        self.lock().contains(&channel.0)
    }

    /// A splice, which the peer may have begun, has its transaction.
    pub fn pending(&self, channel: UserChannelId) {
        self.lock().insert(channel.0);
    }

    /// The splice of a channel has ended: it was refused or failed, or the channel is ready or
    /// closed.
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
