//! The listener: accepts connections and hands each to a task.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::Router;
use super::connection::{Connection, Connections};
use crate::certificate::Certificate;
use crate::clock::LogThrottle;
use crate::config::LimitsConfig;
use crate::descriptors;

/// The pause after accepting failed, which it does when the process is out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A bound TCP socket, with the certificate for TLS on its connections.
pub struct Listener {
    socket: TcpListener,
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
        Ok(Self { socket, certificate, limits })
    }

    /// The address that was bound.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers with `router` until `stop` is cancelled, then waits for the calls under way.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let connections = Connections::new(router, self.limits, stop.clone());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(connection) = self.admit(&connections, &stream) {
                        let tls = self.certificate.acceptor();
                        connections.spawn(peer, connection.serve_tls(stream, tls));
                    }
                },
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                },
            }
        }
        drop(self.socket);
        connections.finish().await;
    }

    /// Lets in a connection. One that is refused is closed at once instead of left waiting, so that its
    /// client learns of it.
    fn admit(&self, connections: &Connections, stream: &TcpStream) -> Option<Connection> {
        static REFUSED: LogThrottle = LogThrottle::new();
        let is_possible = !descriptors::are_scarce(stream);
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
