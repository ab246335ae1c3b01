//! The way to one peer, for as long as a call needs it.

use std::sync::Arc;

use ldk_node::lightning::ln::msgs::SocketAddress;
use tokio::runtime::Handle;

use super::tunnel::Tunnel;
use crate::error::Error;

/// The way to a peer. A tunnel that it goes through stays as long as this does.
pub struct Way {
    address: SocketAddress,
    tunnel: Option<Arc<Tunnel>>,
}

impl Way {
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

    /// Goes through Tor ahead of the library, which gives a peer less time than Tor may take, and
    /// could not say what was wrong. Blocks; where the way is direct there is nothing to do.
    pub fn clear(&self) -> Result<(), Error> {
        let Some(tunnel) = &self.tunnel else { return Ok(()) };
        Handle::current()
            .block_on(tunnel.dial())
            .map_err(|error| Error::FailedPrecondition(error.to_string()))
    }

    /// Whether the way was cleared and nobody has gone it yet.
    pub fn is_clear(&self) -> bool {
        self.tunnel.as_ref().is_some_and(|tunnel| tunnel.is_ready())
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Some(tunnel) = &self.tunnel {
            tunnel.hang_up();
        }
    }
}
