//! HTTP/2 requests made by hand, for those that no client would send.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper::http::request;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ldk_server_client::Code;
use ldk_server_grpc::places::Places;
use ldk_server_grpc::{SERVICE_NAME, auth};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::node_config::NodeConfig;
use crate::tls::tls_connect;

/// One byte of flags and four of length.
const FRAME_HEADER_BYTES: usize = 5;
const DEFAULT_WINDOW_BYTES: u32 = 1024 * 1024;

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
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it was on the wire.
    pub body: Bytes,
    /// The trailers, if there were any after the body.
    pub trailers: Option<HeaderMap>,
}

impl RawAnswer {
    /// The number of the gRPC status: in the trailers, or in the headers where nothing else follows.
    pub fn grpc_status(&self) -> Result<i32> {
        let found = self.status_headers().get("grpc-status");
        let status = found.with_context(|| format!("there is no grpc-status: {self:?}"))?;
        Ok(status.to_str()?.parse()?)
    }

    /// As [`grpc_status`](Self::grpc_status), by its name.
    pub fn grpc_code(&self) -> Result<Code> {
        self.grpc_status().map(Code::from)
    }

    /// The message that goes with the gRPC status; empty if there is none.
    pub fn grpc_message(&self) -> Result<String> {
        let encoded = self.status_headers().get("grpc-message");
        encoded.map_or(Ok(String::new()), |value| percent_decoded(value.to_str()?))
    }

    fn status_headers(&self) -> &HeaderMap {
        self.trailers.as_ref().unwrap_or(&self.headers)
    }

    /// The encoded message of an answer that is one frame.
    pub fn message(&self) -> Result<&[u8]> {
        ensure!(self.grpc_status()? == 0, "{self:?}");
        let (_, message) =
            self.body.split_at_checked(FRAME_HEADER_BYTES).context("there is no frame")?;
        ensure!(self.body == grpc_frame(message), "not one frame: {self:?}");
        Ok(message)
    }
}

impl RawConnection {
    /// Connects to a node with this configuration.
    pub async fn open(node: &NodeConfig) -> Result<Self> {
        Self::open_with_window(node, DEFAULT_WINDOW_BYTES).await
    }

    /// As [`open`](Self::open); of each answer so many bytes are taken before it is read.
    pub async fn open_with_window(node: &NodeConfig, window_bytes: u32) -> Result<Self> {
        let stream = tls_connect(node, rustls::DEFAULT_VERSIONS, &["h2"]).await?;
        Self::over_with_window(stream, window_bytes).await
    }

    /// Speaks HTTP/2 on this stream.
    pub async fn over<S>(stream: S) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::over_with_window(stream, DEFAULT_WINDOW_BYTES).await
    }

    async fn over_with_window<S>(stream: S, window_bytes: u32) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window_bytes)
            .handshake(TokioIo::new(stream))
            .await?;
        // Ends when the sender is dropped; what goes wrong is seen by the request it concerns.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends a request and reads the answer to its end.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<RawAnswer> {
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        Ok(RawAnswer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
            trailers,
        })
    }

    /// Connects to a node and asks for what is at this path.
    pub async fn get(node: &NodeConfig, path: &str) -> Result<RawAnswer> {
        let uri = format!("https://{}{path}", node.grpc.address());
        Self::open(node).await?.send(Request::get(uri).body(Full::default())?).await
    }

    /// Sends a request and reads only the head of the answer, whatever follows: that of a stream
    /// would not end.
    pub async fn begin(&mut self, request: Request<Full<Bytes>>) -> Result<RawAnswer> {
        self.sender.ready().await?;
        let (head, _) = self.sender.send_request(request).await?.into_parts();
        let body = Bytes::new();
        Ok(RawAnswer { status: head.status, headers: head.headers, body, trailers: None })
    }

    /// Sends a request and gives the answer with its body, of which nothing is read yet.
    pub async fn begin_unread(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Asks for the health of a service of the node; the empty name means the node as a whole.
    pub async fn health(&mut self, node: &NodeConfig, service: &str) -> Result<ServingStatus> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let frame = grpc_frame(&request.encode_to_vec());
        let request = grpc_request_to(node, "/grpc.health.v1.Health/Check");
        let answer = self.send(request.body(Full::new(Bytes::from(frame)))?).await?;
        Ok(HealthCheckResponse::decode(answer.message()?)?.status())
    }
}

fn percent_decoded(text: &str) -> Result<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).with_context(|| text.to_owned())?;
        bytes.push(u8::from_str_radix(digits, 16)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Ok(String::from_utf8(bytes)?)
}

/// A gRPC request to this method of the service, as a client would begin it.
pub fn grpc_request(node: &NodeConfig, method: &str) -> request::Builder {
    grpc_request_to(node, &format!("/api.LightningNode/{method}"))
}

/// As [`grpc_request`], to any path: that of another service, or of none.
pub fn grpc_request_to(node: &NodeConfig, path: &str) -> request::Builder {
    Request::builder()
        .method(Method::POST)
        .uri(format!("https://{}{path}", node.grpc.address()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// A whole gRPC request to this method of the service, signed for this one time.
pub fn signed_request(
    node: &NodeConfig,
    method: &str,
    body: impl Into<Bytes>,
) -> Result<Request<Full<Bytes>>> {
    let body = body.into();
    let x_auth = x_auth_of_request(node, method, &body)?;
    Ok(grpc_request(node, method).header(auth::HEADER, x_auth).body(Full::new(body))?)
}

/// The `x-auth` header for one request to this method, made with the key of the node.
pub fn x_auth_of_request(node: &NodeConfig, method: &str, body: &[u8]) -> Result<String> {
    let api_key = Places::of_storage_dir(&node.storage_dir, "regtest").read_api_key()?;
    let path = format!("/{SERVICE_NAME}/{method}");
    Ok(auth::sign_request(&api_key, now_secs()?, &rand::random(), &path, body))
}

/// The `x-auth` header of an older form, made with the key of the node over this time and body.
pub fn x_auth(node: &NodeConfig, unix_secs: u64, body: &[u8]) -> Result<String> {
    let api_key = Places::of_storage_dir(&node.storage_dir, "regtest").read_api_key()?;
    Ok(auth::sign(&api_key, unix_secs, body))
}

/// The time of `x-auth` headers.
pub fn now_secs() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// An encoded message in its gRPC frame: not compressed, and its length.
pub fn grpc_frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}
