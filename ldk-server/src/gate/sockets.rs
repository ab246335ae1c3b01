//! The sockets that peers connect to.

use std::net::{TcpListener, ToSocketAddrs as _};

use ldk_node::lightning::ln::msgs::SocketAddress;

use crate::config::ConfigError;

const KEY: &str = "node.listening_addresses";

/// The sockets that peers connect to. Bound early, so that an address that is taken is told by name,
/// and nobody else takes one while the node is loaded.
pub struct ListeningSockets(pub(super) Vec<TcpListener>);

impl ListeningSockets {
    /// Binds all of them.
    pub fn bind(addresses: &[SocketAddress]) -> Result<Self, ConfigError> {
        let mut bound = Vec::new();
        for address in addresses {
            let resolved = address.to_socket_addrs().map_err(|error| {
                ConfigError::new(KEY, format!("{address} cannot be resolved: {error}"))
            })?;
            for socket_address in resolved {
                bound.push(TcpListener::bind(socket_address).map_err(|error| {
                    ConfigError::new(KEY, format!("cannot listen on {address}: {error}"))
                })?);
            }
        }
        Ok(Self(bound))
    }
}
