//! The listener: accepts connections from the network and from this machine, as many as there may be.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Router;
use super::connection::{Accepted, Connection};
use super::local_socket::{LocalSocket, LocalSocketError};
use super::places::Places;
use super::standing::Budget;
use crate::certificate::Certificate;
use crate::clock::Seldom;
use crate::config::{LimitsConfig, UnixSocketConfig};

/// The pause after accepting failed, which it does when the process is out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The bound sockets, with what it takes to speak TLS on the connections of the first.
pub struct Listener {
    socket: TcpListener,
    local: Option<LocalSocket>,
    certificate: Certificate,
    limits: LimitsConfig,
}

impl Listener {
    /// Binds `address`, without accepting connections yet.
    pub async fn bind(
        address: SocketAddr,
        certificate: Certificate,
        limits: LimitsConfig,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, local: None, certificate, limits })
    }

    /// Accepts connections of this machine at a Unix socket, too.
    pub fn also_at(self, config: &UnixSocketConfig) -> Result<Self, LocalSocketError> {
        Ok(Self { local: Some(LocalSocket::bind(config)?), ..self })
    }

    /// The address that was bound.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers with `router` until `stop` is cancelled, then waits for the calls under way.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let places = Places::new(self.limits.max_connections);
        let budget = Budget::default();
        let refusals = Seldom::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept() => accepted,
            };
            let Ok(accepted) = accepted.inspect_err(|error| {
                tracing::error!("cannot accept a connection: {error}");
            }) else {
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            };
            // Closed, and not left waiting: who gets no answer would not know why.
            let place = if accepted.is_among_the_last() { None } else { places.take() };
            let Some(place) = place else {
                if let Some(refused) = refusals.count() {
                    let most = self.limits.max_connections;
                    tracing::warn!(
                        "limits.max_connections: all {most} connections are in use, or there are too \
                         few open files; refused: {refused}"
                    );
                }
                continue;
            };
            let connection = Connection {
                place: Arc::new(place),
                budget: budget.clone(),
                limits: self.limits,
                router: router.clone(),
                stop: stop.clone(),
            };
            connections.spawn(connection.run(accepted));
        }
        drop(self);
        connections.close();
        connections.wait().await;
    }

    async fn accept(&self) -> io::Result<Accepted> {
        let local = async {
            match &self.local {
                Some(local) => local.accept().await.map(|stream| (stream, local.admission())),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = self.socket.accept() => {
                let (stream, peer) = accepted?;
                Ok(Accepted::Remote(stream, peer, self.certificate.clone()))
            },
            accepted = local => {
                let (stream, admission) = accepted?;
                Ok(Accepted::Local(stream, admission))
            },
        }
    }
}
