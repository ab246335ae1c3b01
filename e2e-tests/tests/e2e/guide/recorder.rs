//! A proxy between the command-line client and a node, which records what calls consist of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use e2e_tests::{Node, tls_connect};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ldk_server_grpc::places;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// One byte of flags and four of length.
const FRAME_HEADER_BYTES: usize = 5;

/// Records the calls that come in at `address`, until it is dropped.
pub(crate) struct Recorder {
    pub(crate) address: String,
    calls: Calls,
    _serving: JoinSet<()>,
}

/// A call on the wire.
#[derive(Clone)]
pub(crate) struct Call {
    /// The name of the method.
    pub(crate) method: String,
    request: Bytes,
    answer: Arc<Mutex<Vec<u8>>>,
}

type Calls = Arc<Mutex<Vec<Call>>>;

impl Recorder {
    /// Passes calls on to this node, whose certificate it shows.
    pub(crate) async fn start(node: Arc<Node>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let acceptor = acceptor(&node)?;
        let calls = Calls::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, acceptor, node, Arc::clone(&calls)));
        Ok(Self { address, calls, _serving: serving })
    }

    /// Forgets the calls so far, except those that may still be answered.
    pub(crate) fn forget(&self) {
        self.calls().retain(|call| call.method == "SubscribeEvents");
    }

    /// The last call, if it was answered with a message.
    pub(crate) fn last(&self) -> Option<Call> {
        let answered =
            |call: &&Call| call.method != "SubscribeEvents" && !call.messages().is_empty();
        self.calls().iter().rfind(answered).cloned()
    }

    /// The streams of events.
    pub(crate) fn streams(&self) -> Vec<Call> {
        self.calls().iter().filter(|call| call.method == "SubscribeEvents").cloned().collect()
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// The message of the request.
    pub(crate) fn request(&self) -> Vec<u8> {
        messages(&self.request).into_iter().next().unwrap_or_default()
    }

    /// The messages of the answer that have come so far.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        messages(&self.answer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The messages in whole frames.
fn messages(mut frames: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((&[_, a, b, c, d], rest)) = frames.split_first_chunk::<FRAME_HEADER_BYTES>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some((message, rest)) = rest.split_at_checked(length) else { break };
        messages.push(message.to_vec());
        frames = rest;
    }
    messages
}

fn acceptor(node: &Node) -> Result<TlsAcceptor> {
    let dir = &node.config().storage_dir;
    let certificate = CertificateDer::from_pem_file(places::tls_cert_file(dir))?;
    let key = PrivateKeyDer::from_pem_file(places::tls_key_file(dir))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, node: Arc<Node>, calls: Calls) {
    // Those that are under way end with this task.
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let passing = pass(tcp, acceptor.clone(), Arc::clone(&node), Arc::clone(&calls));
        connections.spawn(async { drop(passing.await) });
        while connections.try_join_next().is_some() {}
    }
}

/// What goes wrong is seen by the client, whose connection ends.
async fn pass(tcp: TcpStream, acceptor: TlsAcceptor, node: Arc<Node>, calls: Calls) -> Result<()> {
    let client = acceptor.accept(tcp).await?;
    let server = tls_connect(node.config(), rustls::DEFAULT_VERSIONS, &["h2"]).await?;
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(server)).await?;
    tokio::spawn(connection);
    let service = service_fn(move |request| forward(request, sender.clone(), Arc::clone(&calls)));
    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    Ok(http.serve_connection(TokioIo::new(client), service).await?)
}

async fn forward(
    request: Request<Incoming>,
    mut server: SendRequest<Full<Bytes>>,
    calls: Calls,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let method = head.uri.path().rsplit('/').next().context("no method")?.to_owned();
    let answer = Arc::new(Mutex::new(Vec::new()));
    let call = Call { method, request: body.clone(), answer: Arc::clone(&answer) };
    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    let response = server.send_request(Request::from_parts(head, Full::new(body))).await?;
    Ok(response.map(|body| {
        let recorded = body.map_frame(move |frame| {
            if let Some(data) = frame.data_ref() {
                answer.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
            }
            frame
        });
        recorded.boxed()
    }))
}
