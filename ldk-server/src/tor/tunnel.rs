//! A port of 127.0.0.1 that leads to an onion address.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ldk_node::lightning::ln::msgs::SocketAddress;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::carry::{Carriers, carry};
use super::dial::{DialError, dial};
use crate::config::HostPort;

/// Connections at once. The library makes one, and any process of this machine can make more.
const MAX_CONNECTIONS: usize = 8;
/// How often to ask for a port that nobody else has a claim to.
const PORT_ATTEMPTS: usize = 32;
/// How long to wait after a connection could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// A port that leads to an onion address, until this is dropped. Connections outlive it.
pub(super) struct Tunnel {
    entrance: SocketAddress,
    exit: Arc<Exit>,
    _accepting: DropGuard,
}

/// Where it leads.
struct Exit {
    onion: SocketAddress,
    proxy: HostPort,
    /// One for each connection.
    slots: Arc<Semaphore>,
    /// A connection to the onion address, for the next one that is accepted.
    ready: Mutex<Option<TcpStream>>,
    /// Nobody goes there any more.
    closed: CancellationToken,
}

impl Tunnel {
    /// Opens a port that is none of `taken`.
    pub(super) fn open(
        onion: SocketAddress,
        proxy: HostPort,
        taken: &BTreeSet<u16>,
        carriers: &Carriers,
    ) -> io::Result<Arc<Self>> {
        let listener = listen(taken)?;
        let entrance = SocketAddress::from(listener.local_addr()?);
        tracing::info!("{entrance} leads to {onion}");
        let (tasks, stop) = carriers.hand_out();
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let closed = stop.carrying;
        let exit = Arc::new(Exit { onion, proxy, slots, ready: Mutex::default(), closed });
        let accepting = stop.accepting.child_token();
        let accept = accept(listener, Arc::clone(&exit), accepting.clone(), tasks.clone());
        tasks.spawn(accept);
        Ok(Arc::new(Self { entrance, exit, _accepting: accepting.drop_guard() }))
    }

    /// The address to connect to.
    pub(super) fn entrance(&self) -> &SocketAddress {
        &self.entrance
    }

    /// The address it leads to.
    pub(super) fn onion(&self) -> &SocketAddress {
        &self.exit.onion
    }

    /// Whether there is a connection, or somebody is about to make one.
    pub(super) fn is_in_use(self: &Arc<Self>) -> bool {
        // The list of all tunnels holds one.
        Arc::strong_count(self) > 1 || self.exit.slots.available_permits() < MAX_CONNECTIONS
    }

    /// Connects to the onion address, for the next connection that is made to the port.
    pub(super) async fn dial(&self) -> Result<(), DialError> {
        let stream = self.exit.dial().await?;
        self.exit.set_ready(Some(stream));
        Ok(())
    }

    /// Takes back what [`dial`](Self::dial) made, unless it was used.
    pub(super) fn hang_up(&self) {
        drop(self.exit.set_ready(None));
    }

    /// Whether what [`dial`](Self::dial) made was not used yet.
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
            () = self.closed.cancelled() => Err(DialError::Stopping),
            dialled = dial(&self.proxy, &self.onion) => dialled,
        }
    }

    async fn serve(&self, near: TcpStream) {
        let far = match self.set_ready(None) {
            Some(far) => Ok(far),
            None => self.dial().await,
        };
        match far {
            Ok(far) => carry(near, far).await,
            Err(error) => tracing::debug!("{} is out of reach: {error}", self.onion),
        }
    }
}

fn listen(taken: &BTreeSet<u16>) -> io::Result<TcpListener> {
    let listener = fit(taken, || StdListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// The first listener whose port is none of `taken`.
fn fit(
    taken: &BTreeSet<u16>,
    mut bind: impl FnMut() -> io::Result<StdListener>,
) -> io::Result<StdListener> {
    // Held until one fits: otherwise the system could offer them again.
    let mut unfit = Vec::new();
    for _ in 0..PORT_ATTEMPTS {
        let listener = bind()?;
        if !taken.contains(&listener.local_addr()?.port()) {
            return Ok(listener);
        }
        unfit.push(listener);
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}

async fn accept(
    listener: TcpListener,
    exit: Arc<Exit>,
    accepting: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = accepting.cancelled() => return,
            accepted = accept_one(&listener) => accepted,
        };
        let near = match accepted {
            Ok(near) => near,
            Err(error) => {
                tracing::error!("cannot accept a connection to {}: {error}", exit.onion);
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            },
        };
        let Ok(slot) = Arc::clone(&exit.slots).try_acquire_owned() else {
            tracing::warn!("{MAX_CONNECTIONS} connections to {} already", exit.onion);
            continue;
        };
        tasks.spawn(serve(Arc::clone(&exit), near, slot));
    }
}

async fn accept_one(listener: &TcpListener) -> io::Result<TcpStream> {
    let (near, _) = listener.accept().await?;
    near.set_nodelay(true)?;
    Ok(near)
}

async fn serve(exit: Arc<Exit>, near: TcpStream, _slot: OwnedSemaphorePermit) {
    tokio::select! {
        () = exit.closed.cancelled() => {},
        () = exit.serve(near) => {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_passed_over() {
        let listeners = [(); 3].map(|()| StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let ports = listeners.each_ref().map(|one| one.local_addr().unwrap().port());
        let mut offered = listeners.into_iter();
        let fit = fit(&BTreeSet::from([ports[0], ports[1]]), || Ok(offered.next().unwrap()));
        assert_eq!(fit.unwrap().local_addr().unwrap().port(), ports[2]);
    }
}
