//! The listener: accepts connections and hands each to a task.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::Answerer;
use super::connection::{Connection, Connections};
use crate::certificate::Certificate;
use crate::clock::LogThrottle;
use crate::config::{LimitsConfig, UnixSocketConfig, keys};
use crate::descriptors;
use crate::local_socket::{AccessRule, LocalSocket, LocalSocketError, LocalStream};

/// The pause after accepting failed, which it does when the process is out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A bound TCP socket, with the certificate for TLS on its connections, and perhaps a Unix socket.
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

    /// Binds a Unix socket as well.
    pub fn with_unix_socket(self, config: &UnixSocketConfig) -> Result<Self, LocalSocketError> {
        Ok(Self { local: Some(LocalSocket::bind(keys::NODE_UNIX_SOCKET.name(), config)?), ..self })
    }

    /// The address that was bound.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers with `answerer` until `stop` is cancelled, then waits for the calls under way.
    pub async fn serve(self, answerer: impl Into<Answerer>, stop: CancellationToken) {
        let connections = Connections::new(answerer.into(), self.limits, stop.clone());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.socket.accept() => {
                    accepted.map(|(stream, peer)| self.serve_remote(&connections, stream, peer))
                },
                accepted = accept_local(self.local.as_ref()) => {
                    accepted.map(|(stream, rule)| self.serve_local(&connections, stream, rule))
                },
            };
            if let Err(error) = accepted {
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
        drop(self);
        connections.finish().await;
    }

    fn serve_remote(&self, connections: &Connections, stream: TcpStream, peer: SocketAddr) {
        if let Some(connection) = self.admit(connections, descriptors::are_scarce(&stream)) {
            connections.spawn(peer, connection.serve_tls(stream, self.certificate.clone()));
        }
    }

    fn serve_local(&self, connections: &Connections, stream: LocalStream, rule: AccessRule) {
        if let Some(connection) = self.admit(connections, descriptors::are_scarce(&stream)) {
            connections.spawn("this machine", connection.serve_local(stream, rule));
        }
    }

    /// Lets in a connection. One that is refused is closed at once instead of left waiting, so that its
    /// client learns of it.
    fn admit(&self, connections: &Connections, are_files_scarce: bool) -> Option<Connection> {
        static REFUSED: LogThrottle = LogThrottle::new();
        let is_possible = !are_files_scarce;
        let admitted = if is_possible { connections.admit() } else { None };
        if admitted.is_none()
            && let Some(refused) = REFUSED.count()
        {
            let max_connections = self.limits.max_connections;
            tracing::warn!(
                max_connections,
                refused,
                "refused a connection: all that limits.max_connections allows are in use, or nearly \
                 all files that the process may open"
            );
        }
        admitted
    }
}

/// Waits for a connection to the Unix socket; for ever if there is none.
async fn accept_local(socket: Option<&LocalSocket>) -> io::Result<(LocalStream, AccessRule)> {
    match socket {
        Some(socket) => socket.accept().await.map(|stream| (stream, socket.access_rule())),
        None => std::future::pending().await,
    }
}
