//! What somebody without the key may try on the gRPC port.

use std::convert::Infallible;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper::http::request;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::node_config::NodeConfig;
use crate::raw::{grpc_frame, grpc_request_to};
use crate::tls::tls_connect;

/// One kind of attack, of which each connection is a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Attack {
    /// Asks for the description of the service, on many streams, and takes no byte of the answers.
    Reflection,
    /// As `reflection`, with health checks.
    Health,
    /// As `reflection`, and takes one byte of each answer.
    Trickle,
    /// Begins calls with long headers, a made-up signature and no message.
    Headers,
    /// Asks for the metrics over HTTP/1 and does not read.
    Metrics,
    /// As `reflection`, with calls in JSON without a credential.
    Json,
    /// As `reflection`, with the OpenAPI document, the page for people and what they consist of.
    Pages,
    /// As `pages`, over HTTP/1.
    PagesByHttp1,
    /// As `headers`, with calls in JSON and a made-up rune.
    JsonHeaders,
    /// Asks for events, with server-sent events and WebSockets by turns, and shows no rune.
    Feeds,
    /// Opens an HTTP/2 connection, answers pings and does nothing else.
    Idle,
    /// Makes health checks as fast as it can.
    Flood,
}

type AnyBody = BoxBody<Bytes, Infallible>;
/// Requests over HTTP/1 on each connection.
const PAGES: usize = 256;
/// How long is waited for the head of an answer.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Nearly the most that a header may have.
const LONG_HEADER_BYTES: usize = 7 * 1024;
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const GET_NODE_INFO: &str = "/api.LightningNode/GetNodeInfo";
/// What is for everybody.
const PATHS: [&str; 4] = ["/openapi.json", "/docs", "/", "/docs/swagger-ui-bundle.js"];

/// A connection of an attack that has begun. Dropping it ends the connection.
pub struct Held {
    /// Answers of which nothing is taken.
    pub answers: Vec<Response<Incoming>>,
    /// The connection would end with the last of them.
    _sender: http2::SendRequest<AnyBody>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Attack {
    /// Takes part with one connection, and so many streams on it, until that is closed.
    pub async fn take_part(self, node: &NodeConfig, streams: usize) -> Result<()> {
        match self {
            Self::Metrics => unread(node, &["/metrics"]).await,
            Self::PagesByHttp1 => unread(node, &PATHS).await,
            Self::Flood => self.flood(node).await,
            _ => {
                let mut held = self.begin(node, streams).await?;
                (&mut held.connection).await?.context("the connection failed")
            },
        }
    }

    /// Begins, over HTTP/2, and holds what comes of it.
    pub async fn begin(self, node: &NodeConfig, count: usize) -> Result<Held> {
        let window = if self == Self::Trickle { 1 } else { 0 };
        let (sender, connection) = open(node, window).await?;
        let mut streams = JoinSet::new();
        let count = if self == Self::Idle { 0 } else { count };
        for number in 0..count {
            let (mut sender, request) = (sender.clone(), self.request(node, number)?);
            if sender.ready().await.is_err() {
                break;
            }
            streams
                .spawn(async move { timeout(HEAD_PATIENCE, sender.send_request(request)).await });
        }
        // Those that were reset are errors.
        let answers = streams.join_all().await.into_iter().flatten().flatten().collect();
        Ok(Held { answers, _sender: sender, connection })
    }

    async fn flood(self, node: &NodeConfig) -> Result<()> {
        let (mut sender, _connection) = open(node, 65_535).await?;
        loop {
            sender.ready().await?;
            let answer = sender.send_request(self.request(node, 0)?).await?;
            answer.into_body().collect().await?;
        }
    }

    /// The request on the stream of this number.
    fn request(self, node: &NodeConfig, number: usize) -> Result<Request<AnyBody>> {
        let path = PATHS[number % PATHS.len()];
        let request = match self {
            // `host`, then `file_containing_symbol`.
            Self::Reflection | Self::Trickle => {
                whole(grpc_request_to(node, REFLECTION), grpc_frame(b"\x22\x11api.LightningNode"))
            },
            Self::Headers => endless(with_long_header(grpc_request_to(node, GET_NODE_INFO))),
            Self::Json => whole(json_request(node), b"{}".to_vec()),
            Self::JsonHeaders => endless(with_long_header(json_request(node))),
            Self::Pages => whole(request_to(node, Method::GET, path), Vec::new()),
            Self::Feeds if number.is_multiple_of(2) => {
                whole(request_to(node, Method::GET, "/v1/events"), Vec::new())
            },
            Self::Feeds => endless(websocket_request(node)),
            _ => whole(grpc_request_to(node, CHECK), grpc_frame(&[])),
        };
        Ok(request?)
    }
}

fn request_to(node: &NodeConfig, method: Method, path: &str) -> request::Builder {
    Request::builder().method(method).uri(format!("https://{}{path}", node.grpc.address()))
}

fn json_request(node: &NodeConfig) -> request::Builder {
    request_to(node, Method::POST, "/v1/get-node-info").header("content-type", "application/json")
}

/// As RFC 8441 has it.
fn websocket_request(node: &NodeConfig) -> request::Builder {
    request_to(node, Method::CONNECT, "/v1/ws")
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
}

/// With credentials that are none.
fn with_long_header(request: request::Builder) -> request::Builder {
    let now = crate::raw::now_secs().unwrap_or_default();
    request
        .header("x-auth", format!("HMAC {now}:{}", "00".repeat(32)))
        .header("long", "x".repeat(LONG_HEADER_BYTES))
}

fn whole(request: request::Builder, body: Vec<u8>) -> hyper::http::Result<Request<AnyBody>> {
    request.body(Full::new(body.into()).boxed())
}

fn endless(request: request::Builder) -> hyper::http::Result<Request<AnyBody>> {
    let never = stream::pending::<Result<Frame<Bytes>, Infallible>>();
    request.body(StreamBody::new(never).boxed())
}

async fn open(
    node: &NodeConfig,
    window: u32,
) -> Result<(http2::SendRequest<AnyBody>, JoinHandle<hyper::Result<()>>)> {
    let stream = tls_connect(node, rustls::DEFAULT_VERSIONS, &["h2"]).await?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(stream))
        .await?;
    Ok((sender, tokio::spawn(connection)))
}

/// Asks for these again and again over HTTP/1, and does not read.
async fn unread(node: &NodeConfig, paths: &[&str]) -> Result<()> {
    let mut stream = tls_connect(node, rustls::DEFAULT_VERSIONS, &["http/1.1"]).await?;
    for path in paths.iter().cycle().take(PAGES) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        if stream.write_all(request.as_bytes()).await.is_err() {
            return Ok(());
        }
    }
    stream.flush().await?;
    // As long as nothing is read the other side has no way to tell that it is over.
    tokio::time::sleep(Duration::from_secs(40)).await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
    Ok(())
}

/// The resident memory of a process, in bytes.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}
