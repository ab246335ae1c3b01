//! The route to one peer, for as long as a call needs it.

use std::sync::Arc;

use ldk_node::lightning::ln::msgs::SocketAddress;
use tokio::runtime::Handle;

use super::dial::DialError;
use super::tunnel::Tunnel;

/// The route to a peer. Keeps the tunnel open that it goes through.
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

    /// The address that the library has to connect to.
    pub fn address(&self) -> &SocketAddress {
        &self.address
    }

    /// Connects to the peer ahead of the library, which does not report why a connection failed, and
    /// allows less time than Tor may take. Blocks. Does nothing without a tunnel.
    pub fn dial(&self) -> Result<(), DialError> {
        let Some(tunnel) = &self.tunnel else { return Ok(()) };
        Handle::current().block_on(tunnel.dial())
    }

    /// Whether [`dial`](Self::dial) has connected and the library has not used the connection yet.
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
