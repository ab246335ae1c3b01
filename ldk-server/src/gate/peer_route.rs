//! The way to one peer, for as long as a call needs it.

use std::sync::Arc;

use ldk_node::lightning::ln::msgs::SocketAddress;
use tokio::runtime::Handle;

use super::dial::DialError;
use super::tunnel::Tunnel;

/// The way to a peer. A tunnel that it goes through stays as long as this does.
pub struct PeerRoute {
    address: SocketAddress,
    tunnel: Option<Arc<Tunnel>>,
}

impl PeerRoute {
    pub(super) fn direct(address: SocketAddress) -> Self {
        Self { address, tunnel: None }
    }

    pub(super) fn through(tunnel: Arc<Tunnel>) -> Self {
        Self { address: tunnel.entrance().clone(), tunnel: Some(tunnel) }
    }

    /// The address to give to the library.
    pub fn address(&self) -> &SocketAddress {
        &self.address
    }

    /// Connects to the peer ahead of the library, which could not say what was wrong, and gives a
    /// peer less time than Tor may take. Blocks; where the way is direct there is nothing to do.
    pub fn dial(&self) -> Result<(), DialError> {
        let Some(tunnel) = &self.tunnel else { return Ok(()) };
        Handle::current().block_on(tunnel.dial())
    }

    /// Whether the way was cleared and nobody has gone it yet.
    pub fn is_ready(&self) -> bool {
        self.tunnel.as_ref().is_some_and(|tunnel| tunnel.is_ready())
    }
}

impl Drop for PeerRoute {
    fn drop(&mut self) {
        if let Some(tunnel) = &self.tunnel {
            tunnel.hang_up();
        }
    }
}
