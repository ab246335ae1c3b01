//! Which channels are being spliced. The library does not show it, and refuses another splice of them
//! without saying why.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ldk_node::{Event, UserChannelId};

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

    /// The library does not splice the channel.
    pub fn refused(&self, channel: UserChannelId) {
        self.lock().remove(&channel.0);
    }

    /// Whether a channel is being spliced.
    pub fn is_pending(&self, channel: UserChannelId) -> bool {
        self.lock().contains(&channel.0)
    }

    /// Takes account of an event.
    pub fn saw(&self, event: &Event) {
        match event {
            // The peer may have begun it.
            Event::SplicePending { user_channel_id, .. } => {
                self.lock().insert(user_channel_id.0);
            },
            Event::SpliceFailed { user_channel_id, .. }
            | Event::ChannelReady { user_channel_id, .. }
            | Event::ChannelClosed { user_channel_id, .. } => {
                self.lock().remove(&user_channel_id.0);
            },
            Event::ChannelPending { .. }
            | Event::PaymentSuccessful { .. }
            | Event::PaymentFailed { .. }
            | Event::PaymentReceived { .. }
            | Event::PaymentForwarded { .. }
            | Event::PaymentClaimable { .. } => {},
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u128>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::hashes::Hash as _;
    use ldk_node::bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
    use ldk_node::bitcoin::{OutPoint, Txid};
    use ldk_node::lightning::ln::types::ChannelId;

    use super::*;

    const CHANNEL: UserChannelId = UserChannelId(1);

    fn peer() -> PublicKey {
        PublicKey::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[1; 32]).unwrap())
    }

    #[test]
    fn a_splice_is_pending_until_it_fails_or_the_channel_is_ready_again() {
        let failed = Event::SpliceFailed {
            channel_id: ChannelId([1; 32]),
            user_channel_id: CHANNEL,
            counterparty_node_id: peer(),
            abandoned_funding_txo: None,
        };
        let ready = Event::ChannelReady {
            channel_id: ChannelId([1; 32]),
            user_channel_id: CHANNEL,
            counterparty_node_id: None,
            funding_txo: None,
        };
        let closed = Event::ChannelClosed {
            channel_id: ChannelId([1; 32]),
            user_channel_id: CHANNEL,
            counterparty_node_id: None,
            reason: None,
        };
        let splices = Splices::default();
        for end in [failed, ready, closed] {
            assert!(splices.begin(CHANNEL));
            assert!(!splices.begin(CHANNEL));
            assert!(splices.is_pending(CHANNEL));
            splices.saw(&end);
            assert!(!splices.is_pending(CHANNEL), "{end:?}");
        }
    }

    #[test]
    fn a_splice_of_the_peer_is_pending_too() {
        let splices = Splices::default();
        splices.saw(&Event::SplicePending {
            channel_id: ChannelId([1; 32]),
            user_channel_id: CHANNEL,
            counterparty_node_id: peer(),
            new_funding_txo: OutPoint { txid: Txid::from_byte_array([1; 32]), vout: 0 },
        });
        assert!(splices.is_pending(CHANNEL));
    }
}
