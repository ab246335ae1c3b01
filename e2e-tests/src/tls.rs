//! TLS connections to the gRPC port of a node, of the kind that a test asks for.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use ldk_server_grpc::places;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::node_config::NodeConfig;

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a server, once TLS is spoken if the server does that.
pub(crate) async fn tls_accept(
    acceptor: Option<TlsAcceptor>,
    tcp: TcpStream,
) -> Result<Box<dyn Stream>> {
    match acceptor {
        None => Ok(Box::new(tcp)),
        Some(acceptor) => Ok(Box::new(acceptor.accept(tcp).await?)),
    }
}

/// Connects to a node with this configuration, trusting its certificate alone, and offers it these
/// versions of TLS and these application protocols.
pub async fn tls_connect(
    node: &NodeConfig,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Result<TlsStream<TcpStream>> {
    tls_connect_trusting(node, trusted(node)?, versions, protocols).await
}

/// What clients trust: the certificate of the node, or of its authority if it has one.
fn trusted(node: &NodeConfig) -> Result<CertificateDer<'static>> {
    let own = places::tls_cert_file(&node.storage_dir);
    let authority = places::authority_files(&node.storage_dir, "regtest").ca_cert;
    Ok(CertificateDer::from_pem_file(if authority.exists() { authority } else { own })?)
}

/// Connects to this address, for HTTP/1, trusting the certificate of a node alone.
pub async fn tls_connect_by(address: &str, node: &NodeConfig) -> Result<TlsStream<TcpStream>> {
    tls_connect_at(address, &node.storage_dir, &["http/1.1"]).await
}

/// Connects to this address, trusting the certificate of the node that keeps its state here alone, and
/// offers these application protocols.
pub async fn tls_connect_at(
    address: &str,
    storage_dir: &Path,
    protocols: &[&str],
) -> Result<TlsStream<TcpStream>> {
    tls_over(TcpStream::connect(address).await?, storage_dir, protocols).await
}

/// As [`tls_connect_at`], over this connection.
pub async fn tls_over(
    tcp: TcpStream,
    storage_dir: &Path,
    protocols: &[&str],
) -> Result<TlsStream<TcpStream>> {
    let certificate = CertificateDer::from_pem_file(places::tls_cert_file(storage_dir))?;
    let config = config(certificate, rustls::DEFAULT_VERSIONS, protocols)?;
    tcp.set_nodelay(true)?;
    Ok(TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost")?, tcp)
        .await?)
}

/// As [`tls_connect`], trusting this certificate in place of the one in the node's file.
pub async fn tls_connect_trusting(
    node: &NodeConfig,
    certificate: CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(config(certificate, versions, protocols)?));
    let tcp = TcpStream::connect(node.grpc.address()).await?;
    tcp.set_nodelay(true)?;
    Ok(connector.connect(ServerName::try_from("localhost")?, tcp).await?)
}

/// Connects to this address, trusting the authority in this file for the server with this name, shows the
/// certificate with its key (both in PEM), if there is one, and offers this application protocol.
pub async fn tls_as_client(
    address: &str,
    ca_cert: &Path,
    server_name: &str,
    client: Option<&(String, String)>,
    protocol: &str,
) -> Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_cert)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
        .with_root_certificates(roots);
    let mut config = match client {
        Some((certificate, key)) => builder.with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes())?],
            PrivateKeyDer::from_pem_slice(key.as_bytes())?,
        )?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let server_name = ServerName::try_from(server_name.to_owned())?;
    Ok(TlsConnector::from(Arc::new(config)).connect(server_name, tcp).await?)
}

fn config(
    certificate: CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}
