//! Peers that connect to this node.

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
/// The only version of the handshake that there is.
const HANDSHAKE_VERSION: u8 = 0;

/// Lets peers in, and leads them to the library.
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

    /// Accepts peers at a socket, until nothing more is to be accepted.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.connections.tasks.accepting().cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((peer, address)) => self.admit(peer, address),
                Err(error) => {
                    tracing::error!("cannot accept a peer: {error}");
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

    /// Before the handshake anybody can have any number broken off: the first in each minute is told.
    fn log_dropped(&self, address: SocketAddr, reason: Dropped) {
        if matches!(reason, Dropped::Write | Dropped::NotDurable) {
            return tracing::debug!(
                "the connection of a peer at {address} is broken off: {reason}"
            );
        }
        match self.drops.count() {
            Some(number) => tracing::debug!(
                "the connection of a peer at {address} is broken off: {reason}; broken off before they \
                 had said init: {number}"
            ),
            None => tracing::trace!("the connection of {address} is broken off: {reason}"),
        }
    }

    fn permit(&self, peer: &TcpStream, address: SocketAddr) -> Result<Permit, Refusal> {
        if descriptors::are_scarce(peer) {
            return Err(Refusal::Descriptors);
        }
        self.connections.limiter.take_inbound(address.ip())
    }

    /// Closed at once, and not left to wait.
    fn refuse(&self, reason: Refusal) {
        self.connections.metrics.refused(reason);
        if let Some(refused) = self.refusals.count() {
            tracing::warn!("{reason}; connections of peers that were refused: {refused}");
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
                tracing::warn!("a peer at {address} is sent away: no way to the node: {error}");
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

    /// A connection to the library, which is told what the peer said first.
    async fn to_library(&self, first: &[u8]) -> io::Result<TcpStream> {
        let mut library = TcpStream::connect(self.library).await?;
        library.set_nodelay(true)?;
        library.write_all(first).await?;
        Ok(library)
    }
}

/// What a peer says first. Until it has, the library need not know of it: it speaks only when it is
/// spoken to.
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
