//! Reaching an onion address through the proxy.

use std::io;
use std::time::Duration;

use ldk_node::lightning::ln::msgs::SocketAddress;
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;

use crate::config::HostPort;

/// How long it may take. Less than a caller of ConnectPeer waits, so that it hears the reason.
const TIMEOUT: Duration = Duration::from_secs(25);

/// Tor keeps what comes with different passwords on different circuits. This and the password mean
/// nothing else to it.
const USER: &str = "ldk-server";

/// Why an onion address was not reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("the proxy at tor.proxy_address, {proxy}, cannot be reached: {error}")]
    Proxy { proxy: HostPort, error: io::Error },
    #[error("the proxy at tor.proxy_address, {proxy}, did not get there: {error}")]
    Refused { proxy: HostPort, error: tokio_socks::Error },
    #[error("the proxy at tor.proxy_address, {proxy}, did not get there within {} s", TIMEOUT.as_secs())]
    Timeout { proxy: HostPort },
    #[error("the server is stopping")]
    Stopping,
}

/// A connection to this onion address.
pub(super) async fn dial(proxy: &HostPort, onion: &SocketAddress) -> Result<TcpStream, DialError> {
    let timeout = |_| DialError::Timeout { proxy: proxy.clone() };
    tokio::time::timeout(TIMEOUT, through(proxy, onion)).await.map_err(timeout)?
}

async fn through(proxy: &HostPort, onion: &SocketAddress) -> Result<TcpStream, DialError> {
    let stream = TcpStream::connect((proxy.host.as_str(), proxy.port)).await;
    let stream = stream
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|error| DialError::Proxy { proxy: proxy.clone(), error })?;
    let target = onion.to_string();
    let host = target.split(':').next().unwrap_or_default();
    let stream =
        Socks5Stream::connect_with_password_and_socket(stream, target.as_str(), USER, host).await;
    let refused = |error| DialError::Refused { proxy: proxy.clone(), error };
    Ok(stream.map_err(refused)?.into_inner())
}
