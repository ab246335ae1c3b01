//! HTTP/2 requests made by hand, for those that no client would send.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper::http::request;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ldk_server_grpc::places;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::node_config::NodeConfig;

/// An HTTP/2 connection over TLS to the gRPC port of a node. Clones share it.
#[derive(Clone)]
pub struct RawConnection {
    sender: http2::SendRequest<Full<Bytes>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers, followed by the trailers.
    pub headers: HeaderMap,
    /// The body as it was on the wire.
    pub body: Bytes,
}

impl RawAnswer {
    /// The number of the gRPC status.
    pub fn grpc_status(&self) -> Result<i32> {
        let status = self.headers.get("grpc-status").context("there is no grpc-status")?;
        Ok(status.to_str()?.parse()?)
    }
}

impl RawConnection {
    /// Connects to a node with this configuration.
    pub async fn open(node: &NodeConfig) -> Result<Self> {
        let tls = TlsConnector::from(Arc::new(tls_config(node)?));
        let tcp = TcpStream::connect(node.grpc.address()).await?;
        tcp.set_nodelay(true)?;
        let stream = tls.connect(ServerName::try_from("localhost")?, tcp).await?;
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // Ends when the sender is dropped; what goes wrong is seen by the request it concerns.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends a request and reads the answer to its end.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<RawAnswer> {
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?;
        let mut headers = head.headers;
        headers.extend(body.trailers().cloned().unwrap_or_default());
        Ok(RawAnswer { status: head.status, headers, body: body.to_bytes() })
    }
}

/// A gRPC request to this method of the service, as a client would begin it.
pub fn grpc_request(node: &NodeConfig, method: &str) -> request::Builder {
    Request::builder()
        .method(Method::POST)
        .uri(format!("https://{}/api.LightningNode/{method}", node.grpc.address()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// An encoded message in its gRPC frame: not compressed, and its length.
pub fn grpc_frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}

fn tls_config(node: &NodeConfig) -> Result<ClientConfig> {
    let certificate = CertificateDer::from_pem_file(places::tls_cert_file(&node.storage_dir))?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
