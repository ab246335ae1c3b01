//! Accepts peers that connect to this node.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout_at};

use super::addresses::Addresses;
use super::handshake::{ACT_ONE_BYTES, Handshake};
use super::limiter::Permit;
use super::metrics::{Direction, Dropped, Refusal};
use super::relay::{Connections, Ends};
use crate::clock::LogThrottle;
use crate::descriptors;

/// How long to wait after a connection could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The only version of the handshake.
const HANDSHAKE_VERSION: u8 = 0;

/// Admits peers, and relays them to the library.
pub(super) struct Inbound {
    /// Where the library listens.
    library: SocketAddr,
    connections: Arc<Connections>,
    addresses: Arc<Addresses>,
    refusals: LogThrottle,
    drops: LogThrottle,
}

impl Inbound {
    pub(super) fn new(
        library: SocketAddr,
        connections: Arc<Connections>,
        addresses: Arc<Addresses>,
    ) -> Arc<Self> {
        Arc::new(Self {
            library,
            connections,
            addresses,
            refusals: LogThrottle::new(),
            drops: LogThrottle::new(),
        })
    }

    /// Accepts peers at a socket, until the gate stops accepting.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.connections.tasks.accepting().cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((peer, address)) => self.admit(peer, address),
                Err(error) => {
                    tracing::error!(%error, "cannot accept a peer");
                    sleep(ACCEPT_RETRY).await;
                },
            }
        }
    }

    fn admit(self: &Arc<Self>, peer: TcpStream, address: SocketAddr) {
        let permit = match self.permit(&peer, address) {
            Ok(permit) => permit,
            Err(reason) => return self.refuse(reason),
        };
        let serving = Arc::clone(self);
        self.connections.tasks.spawn(async move {
            if let Err(reason) = serving.serve(peer, address, &permit).await {
                serving.log_dropped(address, reason);
                serving.connections.metrics.dropped(reason);
            }
        });
    }

    /// Anybody can cause any number of drops before the handshake: only the first in each minute is
    /// logged at Debug.
    fn log_dropped(&self, address: SocketAddr, reason: Dropped) {
        if matches!(reason, Dropped::Write | Dropped::NotDurable) {
            return tracing::debug!(%address, %reason, "the connection of a peer was dropped");
        }
        match self.drops.count() {
            Some(before_init) => {
                tracing::debug!(%address, %reason, before_init, "the connection of a peer was dropped");
            },
            None => tracing::trace!(%address, %reason, "a connection was dropped"),
        }
    }

    fn permit(&self, peer: &TcpStream, address: SocketAddr) -> Result<Permit, Refusal> {
        if descriptors::are_scarce(peer) {
            return Err(Refusal::Descriptors);
        }
        self.connections.limiter.take_inbound(address.ip())
    }

    /// Closes the connection at once, in place of letting it wait.
    fn refuse(&self, reason: Refusal) {
        self.connections.metrics.refused(reason);
        if let Some(refused) = self.refusals.count() {
            tracing::warn!(%reason, refused, "refusing connections of peers");
        }
    }

    async fn serve(
        &self,
        mut peer: TcpStream,
        address: SocketAddr,
        permit: &Permit,
    ) -> Result<(), Dropped> {
        let deadline = Instant::now() + self.connections.limits.handshake_timeout;
        let first = tokio::select! {
            first = timeout_at(deadline, act_one(&mut peer)) => first,
            () = permit.evicted() => return Err(Dropped::Evicted),
            () = self.connections.tasks.accepting().cancelled() => return Ok(()),
        };
        let first = match first.map_err(|_| Dropped::Handshake)? {
            Ok(first) => first?,
            Err(_) => return Ok(()),
        };
        let library = match self.to_library(&first).await {
            Ok(library) => library,
            Err(error) => {
                tracing::warn!(%address, %error, "refusing a peer: cannot connect to the node");
                return Ok(());
            },
        };
        let Ok(local) = library.local_addr() else { return Ok(()) };
        let _mapping = Addresses::map_inbound(&self.addresses, local, address);
        let handshake = Handshake::new(Direction::Inbound);
        handshake.peer_sent(first.len());
        let ends = Ends { library, peer };
        self.connections.relay(ends, permit, &handshake, deadline).await
    }

    /// Connects to the library, and sends it the first bytes of the peer.
    async fn to_library(&self, first: &[u8]) -> io::Result<TcpStream> {
        let mut library = TcpStream::connect(self.library).await?;
        library.set_nodelay(true)?;
        library.write_all(first).await?;
        Ok(library)
    }
}

/// Reads the first message of a peer. Until then the library need not know of the connection: it
/// sends nothing first.
async fn act_one(peer: &mut TcpStream) -> io::Result<Result<[u8; ACT_ONE_BYTES], Dropped>> {
    peer.set_nodelay(true)?;
    let mut bytes = [0; ACT_ONE_BYTES];
    let (version, rest) = bytes.split_at_mut(1);
    peer.read_exact(version).await?;
    if version != [HANDSHAKE_VERSION] {
        return Ok(Err(Dropped::NotLightning));
    }
    peer.read_exact(rest).await?;
    Ok(Ok(bytes))
}
