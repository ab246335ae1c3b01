//! The channels with the peer of each connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::{ChannelDetails, PeerDetails};

/// The channels with each connected peer, by the address that the library sees.
#[derive(Default)]
pub(super) struct Channels(Mutex<HashMap<SocketAddr, Arc<[ChannelId]>>>);

/// The channels with the peer of one connection, as far as known.
pub(super) struct PeerChannels {
    channels: Arc<Channels>,
    /// The address of the peer that the library sees.
    address: Option<SocketAddr>,
}

impl Channels {
    /// Replaces the peers and channels by those that the library lists.
    pub(super) fn learn(&self, peers: &[PeerDetails], channels: &[ChannelDetails]) {
        let mut by_peer: HashMap<PublicKey, Vec<ChannelId>> = HashMap::new();
        for channel in channels {
            by_peer.entry(channel.counterparty_node_id).or_default().push(channel.channel_id);
        }
        let connected = peers.iter().filter(|peer| peer.is_connected);
        let known = connected.filter_map(|peer| {
            let channels = by_peer.remove(&peer.node_id)?;
            Some((socket_address(&peer.address)?, channels.into()))
        });
        *self.known() = known.collect();
    }

    /// The channels of a new connection, of the peer that the library sees at this address.
    pub(super) fn begin(self: &Arc<Self>, address: Option<SocketAddr>) -> PeerChannels {
        // The address may have been that of another peer.
        if let Some(address) = &address {
            self.known().remove(address);
        }
        PeerChannels { channels: Arc::clone(self), address }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<[ChannelId]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PeerChannels {
    /// The channels that are known now; `None` at first.
    pub(super) fn ids(&self) -> Option<Arc<[ChannelId]>> {
        self.channels.known().get(&self.address?).map(Arc::clone)
    }
}

fn socket_address(address: &SocketAddress) -> Option<SocketAddr> {
    match address {
        SocketAddress::TcpIpV4 { addr, port } => Some((*addr, *port).into()),
        // The library sees every connection of the gate at a loopback address.
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::gate) const CHANNEL: ChannelId = ChannelId([7; 32]);

    /// A connection with a peer with whom there is one channel.
    pub(in crate::gate) fn one_channel() -> PeerChannels {
        let channels = Arc::new(Channels::default());
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        channels.known().insert(address, [CHANNEL].into());
        PeerChannels { channels, address: Some(address) }
    }

    #[test]
    fn a_connection_has_no_channels_of_the_one_before() {
        let PeerChannels { channels, address } = one_channel();
        let again = channels.begin(address);
        assert_eq!(again.ids(), None);
        channels.known().insert(address.unwrap(), [CHANNEL].into());
        assert_eq!(again.ids().as_deref(), Some(&[CHANNEL][..]));
        assert_eq!(channels.begin(None).ids(), None);
    }
}
