//! The sockets that peers connect to.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};

use ldk_node::lightning::ln::msgs::SocketAddress;
use tokio::net::{TcpListener, TcpSocket};

use crate::config::ConfigError;

const KEY: &str = "node.listening_addresses";
/// How many connections may wait to be accepted. Beyond that, the system lets peers believe that they
/// are connected.
const BACKLOG: u32 = 1024;

/// The sockets that peers connect to. Bound early, so that the error names an address that is taken,
/// and no other process takes one while the node loads.
pub struct ListeningSockets(pub(super) Vec<TcpListener>);

impl ListeningSockets {
    /// Binds all of them. Needs the runtime.
    pub fn bind(addresses: &[SocketAddress]) -> Result<Self, ConfigError> {
        let mut bound = Vec::new();
        for address in addresses {
            let resolved = address.to_socket_addrs().map_err(|error| {
                ConfigError::new(KEY, format!("{address} cannot be resolved: {error}"))
            })?;
            for socket_address in resolved {
                bound.push(listen(socket_address).map_err(|error| {
                    ConfigError::new(KEY, format!("cannot listen on {address}: {error}"))
                })?);
            }
        }
        Ok(Self(bound))
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // So that connections which have just ended do not prevent a restart. On other systems this would
    // let another process listen at the same address.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
