//! Requests to an Electrum server.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use electrum_client::Error;
use electrum_client::raw_client::RawClient;
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use tokio::task::spawn_blocking;

use super::error::RequestError;
use crate::chain::tls;
use crate::config::{ChainSource, ElectrumConfig, HostPort};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a server, with TLS or without.
pub(super) type Client = RawClient<Box<dyn Stream>>;

pub(super) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// Connects to the server and makes a request, on a blocking thread.
pub(super) async fn ask<T: Send + 'static>(
    config: &ElectrumConfig,
    question: impl FnOnce(&Client) -> Result<T, Error> + Send + 'static,
) -> Result<T, RequestError> {
    let config = config.clone();
    spawn_blocking(move || Ok(question(&connect(config)?)?)).await?
}

fn connect(config: ElectrumConfig) -> io::Result<Client> {
    let HostPort { host, port } = config.server.clone();
    let tcp = connect_tcp(&host, port)?;
    let tls = tls::client_config(&ChainSource::Electrum(config)).map_err(io::Error::other)?;
    let Some(tls) = tls else { return Ok(Client::from(Box::new(tcp) as Box<dyn Stream>)) };
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let tls = ClientConnection::new(Arc::new(tls), name).map_err(io::Error::other)?;
    Ok(Client::from(Box::new(StreamOwned::new(tls, tcp)) as Box<dyn Stream>))
}

/// Connects to the first address of the server that accepts a connection.
fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                return Ok(stream);
            },
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
