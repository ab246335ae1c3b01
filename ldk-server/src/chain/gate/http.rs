//! Forwards HTTP between the library and Bitcoin Core or an Esplora server.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Either, Empty, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ldk_node::bitcoin::Transaction;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answers::by_http;
use super::hold::{Hold, Refused, Written};
use super::ports::Connections;
use super::requests;
use super::server::Server;

/// Enough for several of the largest transactions that are relayed, in hexadecimal digits.
pub(super) const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// How long the body of a request may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than the library keeps an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Shorter than that of Bitcoin Core, so that no request is sent on a connection that just closed.
const SERVER_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The library's timeout for Bitcoin Core, here for broadcasts, which the library may not wait for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// Longer than every answer to a broadcast.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Methods of Bitcoin Core that broadcast transactions.
const BITCOIND_BROADCASTS: [&str; 2] = ["sendrawtransaction", "submitpackage"];

/// Headers of one connection only, besides those that `connection` names.
const HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The protocol over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// JSON-RPC and REST of Bitcoin Core, which usually share a port.
    Bitcoind,
    /// Esplora.
    Esplora,
}

impl Protocol {
    fn is_broadcast(self, head: &Parts, body: &[u8]) -> bool {
        match self {
            Self::Bitcoind => !body.is_empty() && requests::ask_for(&BITCOIND_BROADCASTS, body),
            // Reads are GET. Some servers broadcast by GET too.
            Self::Esplora => {
                let path = head.uri.path().trim_end_matches('/');
                !matches!(head.method, Method::GET | Method::HEAD) || path.ends_with("/broadcast")
            },
        }
    }

    /// The transactions of a broadcast.
    fn transactions(self, body: &[u8]) -> Vec<Transaction> {
        match self {
            Self::Bitcoind => requests::transactions(&BITCOIND_BROADCASTS, body),
            Self::Esplora => requests::transactions_in_body(body),
        }
    }
}

/// Forwards HTTP to a server.
#[derive(Clone)]
pub(super) struct HttpProxy(Arc<Inner>);

struct Inner {
    client: Client<Server, Full<Bytes>>,
    protocol: Protocol,
    /// The name of the server in requests.
    host: Authority,
    hold: Arc<Hold>,
    connections: Connections,
}

/// The answer to the library: that of the server, or an empty one.
type Answer = Response<Either<Incoming, Either<Full<Bytes>, Empty<Bytes>>>>;

/// Why there is no answer. The connection is then closed.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the request does not arrive")]
    Request,
    #[error("the request cannot be passed on: {0}")]
    Malformed(#[from] http::Error),
    #[error("{0}")]
    Server(#[from] ClientError),
    #[error("the server does not answer a broadcast")]
    Silent,
    #[error("the answer to a broadcast is incomplete: {0}")]
    Incomplete(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the gate is closed")]
    Closed,
}

impl HttpProxy {
    pub(super) fn new(
        server: Server,
        host: Authority,
        protocol: Protocol,
        hold: Arc<Hold>,
        connections: Connections,
    ) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(SERVER_IDLE_TIMEOUT)
            .build(server);
        Self(Arc::new(Inner { client, protocol, host, hold, connections }))
    }

    /// Answers the requests of a connection, until it closes.
    pub(super) async fn serve(self, stream: TcpStream) {
        let closing = self.0.connections.closing().clone();
        let service = service_fn(|request| Arc::clone(&self.0).answer(request));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(IDLE_TIMEOUT);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            },
        };
        if let Err(error) = ended {
            tracing::debug!(?error, "a connection to the chain source ended");
        }
    }
}

impl Inner {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Unanswered> {
        let (head, body) = request.into_parts();
        if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Ok(too_large());
        }
        let body = Limited::new(body, MAX_BODY_BYTES).collect();
        let body = match timeout(BODY_TIMEOUT, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Ok(too_large()),
            Ok(Err(_)) | Err(_) => return Err(Unanswered::Request),
        };
        let is_broadcast = self.protocol.is_broadcast(&head, &body);
        let transactions =
            if is_broadcast { self.protocol.transactions(&body) } else { Vec::new() };
        let request = self.to_server(head, body)?;
        let mut answer = if is_broadcast {
            let answer = self.broadcast(request, transactions).await?;
            answer.map(|body| Either::Right(Either::Left(Full::new(body))))
        } else {
            self.client.request(request).await?.map(Either::Left)
        };
        remove_hop_by_hop(answer.headers_mut());
        Ok(answer)
    }

    /// The request that the server gets.
    fn to_server(&self, head: Parts, body: Bytes) -> http::Result<Request<Full<Bytes>>> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = Uri::builder().scheme("http").authority(self.host.clone()).path_and_query(path);
        let mut headers = head.headers;
        remove_hop_by_hop(&mut headers);
        // The body is complete, and its length is known.
        headers.remove(EXPECT);
        headers.remove(CONTENT_LENGTH);
        headers.insert(HOST, self.host.as_str().try_into()?);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = head.method;
        *request.uri_mut() = uri.build()?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Sends a broadcast when it is released. This is a task of its own: the library stops waiting
    /// after some seconds and may never try again, but the transaction still has to be sent.
    async fn broadcast(
        self: Arc<Self>,
        request: Request<Full<Bytes>>,
        transactions: Vec<Transaction>,
    ) -> Result<Response<Bytes>, Unanswered> {
        let held = self.hold.enter(transactions)?;
        let inner = Arc::clone(&self);
        let sending = self.connections.spawn(async move {
            let turn = held.released().await?;
            let written = turn.written();
            let answer = timeout(ANSWER_TIMEOUT, inner.ask(request, &written));
            turn.until(answer).await.unwrap_or(Err(Unanswered::Silent))
        });
        sending.await.ok().flatten().unwrap_or(Err(Unanswered::Closed))
    }

    /// Sends a broadcast and reads the complete answer.
    async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        written: &Written,
    ) -> Result<Response<Bytes>, Unanswered> {
        let (head, body) = self.client.request(request).await?.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(Unanswered::Incomplete)?.to_bytes();
        if let Some(answer) = by_http(head.status, &body) {
            written.answered(&answer);
        }
        Ok(Response::from_parts(head, body))
    }
}

fn too_large() -> Answer {
    let mut answer = Response::new(Either::Right(Either::Right(Empty::new())));
    *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    answer
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named =
        named.flat_map(|names| names.split(',')).filter_map(|name| name.trim().parse().ok());
    let named: Vec<HeaderName> = named.collect();
    for name in HOP_BY_HOP.into_iter().chain(named) {
        headers.remove(name);
    }
}
