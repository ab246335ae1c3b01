//! The server side of these tests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use ldk_server_client::{Client, ClientBuilder};
use ldk_server_grpc::api::lightning_node_server::{LightningNode, LightningNodeServer};
use ldk_server_grpc::auth::{self, Credential, Form};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use tonic::body::Body;
use tower::{ServiceExt as _, service_fn};

pub(crate) const API_KEY: &str = "1f2e3d4c5b6a79880f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978";

/// No test here has to wait longer than this.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) certificate: rcgen::Certificate,
    params: CertificateParams,
    key: KeyPair,
}

impl Identity {
    pub(crate) fn self_signed(name: &str) -> Self {
        let (params, key) = Self::draft(name);
        Self { certificate: params.self_signed(&key).unwrap(), params, key }
    }

    pub(crate) fn issued_by(authority: &Self, name: &str) -> Self {
        let (params, key) = Self::draft(name);
        let issuer = Issuer::from_params(&authority.params, &authority.key);
        Self { certificate: params.signed_by(&key, &issuer).unwrap(), params, key }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn draft(name: &str) -> (CertificateParams, KeyPair) {
        (CertificateParams::new(vec![name.to_owned()]).unwrap(), KeyPair::generate().unwrap())
    }
}

/// A listening server of the gRPC service.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) pem: String,
    listener: Listener,
}

impl TestServer {
    /// Serves `node` as `localhost`, under a certificate of its own.
    pub(crate) async fn start(node: impl LightningNode) -> Self {
        Self::start_as(&Identity::self_signed("localhost"), node).await
    }

    pub(crate) async fn start_as(identity: &Identity, node: impl LightningNode) -> Self {
        Self::start_on(Listener::socket().await, identity, node)
    }

    /// Serves on a socket that listens already.
    pub(crate) fn start_on(
        socket: TcpListener,
        identity: &Identity,
        node: impl LightningNode,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(tls(identity)));
        let service = LightningNodeServer::new(node)
            .max_decoding_message_size(ldk_server_grpc::MAX_MESSAGE_BYTES);
        let serve = move |tcp| serve_connection(acceptor.clone(), service.clone(), tcp);
        let listener = Listener::start_on(socket, serve);
        Self { address: listener.address, pem: identity.pem(), listener }
    }

    /// Answers every request so, as a proxy may that stands in front of the server.
    pub(crate) async fn start_answering(answer: fn() -> Response<Body>) -> Self {
        let identity = Identity::self_signed("localhost");
        let acceptor = TlsAcceptor::from(Arc::new(tls(&identity)));
        let answered = move |_| async move { Ok::<_, Infallible>(answer()) };
        let serve = move |tcp| {
            serve_http(acceptor.clone(), TowerToHyperService::new(service_fn(answered)), tcp)
        };
        let listener = Listener::start(serve).await;
        Self { address: listener.address, pem: identity.pem(), listener }
    }

    pub(crate) fn client(&self) -> Client {
        self.client_builder().build().unwrap()
    }

    pub(crate) fn client_builder(&self) -> ClientBuilder {
        Client::builder(self.address.to_string(), API_KEY, &self.pem)
    }

    /// Breaks every connection; new ones are accepted.
    pub(crate) fn drop_connections(&self) {
        self.listener.connections.lock().unwrap().abort_all();
    }
}

async fn serve_connection<T: LightningNode>(
    acceptor: TlsAcceptor,
    service: LightningNodeServer<T>,
    tcp: TcpStream,
) {
    let checked = service_fn(move |request| check(service.clone(), request));
    serve_http(acceptor, TowerToHyperService::new(checked), tcp).await;
}

async fn serve_http<S>(acceptor: TlsAcceptor, service: S, tcp: TcpStream)
where
    S: hyper::service::Service<
            Request<Incoming>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Send,
{
    if let Ok(tls) = acceptor.accept(tcp).await {
        // How the connection ends is for the client's side of the test to judge.
        let _ = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(tls), service)
            .await;
    }
}

/// A listening socket; dropping it closes the port and every connection.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    connections: Arc<Mutex<JoinSet<()>>>,
    _accepting: JoinSet<()>,
}

impl Listener {
    /// Hands every accepted connection to `serve`.
    pub(crate) async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_on(Self::socket().await, serve)
    }

    /// A listening socket whose connections nobody accepts yet.
    pub(crate) async fn socket() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    fn start_on<F>(socket: TcpListener, serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = socket.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let spawner = Arc::clone(&connections);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            while let Ok((tcp, _)) = socket.accept().await {
                spawner.lock().unwrap().spawn(serve(tcp));
            }
        });
        Self { address, connections, _accepting: accepting }
    }
}

fn tls(identity: &Identity) -> ServerConfig {
    let certificates: Vec<CertificateDer<'static>> = vec![identity.certificate.der().clone()];
    let key = identity.key.serialize_der().try_into().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Serves only requests whose path and body are signed.
async fn check<T: LightningNode>(
    service: LightningNodeServer<T>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(Collected::to_bytes) else {
        return Ok(Status::cancelled("the body broke off").into_http());
    };
    let now_secs = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let header = head.headers.get(auth::HEADER).and_then(|value| value.to_str().ok());
    let form = Credential::parse(header.unwrap_or_default(), now_secs)
        .and_then(|credential| credential.verify(API_KEY, head.uri.path(), &body));
    match form {
        Ok(Form::RequestBound) => service.oneshot(Request::from_parts(head, Full::new(body))).await,
        other => Ok(Status::unauthenticated(format!("{other:?}")).into_http()),
    }
}
