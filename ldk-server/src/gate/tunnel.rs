//! A loopback port that leads to a peer's address.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ldk_node::lightning::ln::msgs::SocketAddress;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::dial::{DialError, Transport, dial};
use super::handshake::Handshake;
use super::loopback;
use super::metrics::Direction;
use super::relay::{Connections, Ends};
use crate::logging::Alias;

/// Connections at once. The library makes one; any process of this machine can make more.
const MAX_CONNECTIONS: usize = 8;
/// How long to wait after a connection could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// A port that leads to a peer, until this is dropped. Its connections outlive it.
pub(super) struct Tunnel {
    entrance: SocketAddress,
    exit: Arc<Exit>,
    /// Log lines of the library show the address in place of the port.
    _alias: Alias,
    _accepting: DropGuard,
}

/// The peer that a tunnel leads to.
struct Exit {
    address: SocketAddress,
    transport: Transport,
    connections: Arc<Connections>,
    /// One for each connection.
    slots: Arc<Semaphore>,
    /// A connection to the peer that the next accepted connection uses.
    ready: Mutex<Option<TcpStream>>,
}

impl Tunnel {
    /// Opens a port that is none of `taken`.
    pub(super) fn open(
        address: SocketAddress,
        transport: Transport,
        taken: &BTreeSet<u16>,
        connections: &Arc<Connections>,
    ) -> io::Result<Arc<Self>> {
        let listener = loopback::listen(taken)?;
        let entrance = SocketAddress::from(listener.local_addr()?);
        tracing::debug!(%entrance, %address, "opened a tunnel");
        let alias = Alias::new(entrance.to_string(), address.to_string());
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let connections = Arc::clone(connections);
        let accepting = connections.tasks.accepting().child_token();
        let exit =
            Arc::new(Exit { address, transport, connections, slots, ready: Mutex::default() });
        exit.connections.tasks.spawn(accept(listener, Arc::clone(&exit), accepting.clone()));
        let accepting = accepting.drop_guard();
        Ok(Arc::new(Self { entrance, exit, _alias: alias, _accepting: accepting }))
    }

    /// The address to connect to.
    pub(super) fn entrance(&self) -> &SocketAddress {
        &self.entrance
    }

    /// The address it leads to.
    pub(super) fn address(&self) -> &SocketAddress {
        &self.exit.address
    }

    /// Whether there is a connection, or a caller is about to make one.
    pub(super) fn is_in_use(self: &Arc<Self>) -> bool {
        // The list of all tunnels holds one.
        Arc::strong_count(self) > 1 || self.exit.slots.available_permits() < MAX_CONNECTIONS
    }

    /// Connects to the peer ahead of the next connection to the port.
    pub(super) async fn dial(&self) -> Result<(), DialError> {
        let stream = self.exit.dial().await?;
        self.exit.set_ready(Some(stream));
        Ok(())
    }

    /// Closes the connection that [`dial`](Self::dial) made, unless it is in use.
    pub(super) fn hang_up(&self) {
        drop(self.exit.set_ready(None));
    }

    /// Whether [`dial`](Self::dial) has made a connection that is not in use yet.
    pub(super) fn is_ready(&self) -> bool {
        self.exit.ready.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Exit {
    fn set_ready(&self, stream: Option<TcpStream>) -> Option<TcpStream> {
        std::mem::replace(&mut *self.ready.lock().unwrap_or_else(PoisonError::into_inner), stream)
    }

    async fn dial(&self) -> Result<TcpStream, DialError> {
        tokio::select! {
            () = self.connections.tasks.accepting().cancelled() => Err(DialError::Stopping),
            dialled = dial(&self.transport, &self.address) => dialled,
        }
    }

    /// Relays a connection of the library to the peer.
    async fn serve(&self, library: TcpStream, _slot: OwnedSemaphorePermit) {
        let permit = match self.connections.limiter.take_outbound() {
            Ok(permit) => permit,
            Err(reason) => {
                tracing::warn!(address = %self.address, %reason, "cannot connect to the peer");
                return self.connections.metrics.refused(reason);
            },
        };
        let peer = match self.set_ready(None) {
            Some(peer) => peer,
            None => match self.dial().await {
                Ok(peer) => peer,
                Err(error) => {
                    tracing::debug!(address = %self.address, %error, "cannot connect to the peer");
                    return;
                },
            },
        };
        let deadline = Instant::now() + self.connections.limits.handshake_timeout;
        let handshake = Handshake::new(Direction::Outbound);
        let ends = Ends { library, peer };
        if let Err(reason) = self.connections.relay(ends, &permit, &handshake, deadline).await {
            tracing::info!(address = %self.address, %reason, "the connection to the peer was dropped");
            self.connections.metrics.dropped(reason);
        }
    }
}

async fn accept(listener: TcpListener, exit: Arc<Exit>, accepting: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = accepting.cancelled() => return,
            accepted = accept_one(&listener) => accepted,
        };
        let library = match accepted {
            Ok(library) => library,
            Err(error) => {
                tracing::error!(address = %exit.address, %error, "cannot accept a connection to the tunnel");
                sleep(ACCEPT_RETRY).await;
                continue;
            },
        };
        let Ok(slot) = Arc::clone(&exit.slots).try_acquire_owned() else {
            tracing::warn!(
                address = %exit.address,
                max = MAX_CONNECTIONS,
                "the tunnel has too many connections"
            );
            continue;
        };
        let serving = Arc::clone(&exit);
        exit.connections.tasks.spawn(async move { serving.serve(library, slot).await });
    }
}

async fn accept_one(listener: &TcpListener) -> io::Result<TcpStream> {
    let (library, _) = listener.accept().await?;
    library.set_nodelay(true)?;
    Ok(library)
}
