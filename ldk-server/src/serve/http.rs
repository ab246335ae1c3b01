//! Which service a request is for.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use ldk_server_grpc::DESCRIPTOR_SET;
use ldk_server_grpc::api::lightning_node_server::LightningNodeServer;
use tonic::body::Body;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::rate::Rate;
use super::request_line::RequestLine;
use super::{Guard, HealthPages, MetricsEndpoint};
use crate::request_id::RequestId;
use crate::rpc;

/// Tells a caller what its request is called in the log.
const REQUEST_ID_HEADER: &str = "x-request-id";
/// What is allowed where there is only something to read.
pub(super) const READING: HeaderValue = HeaderValue::from_static("GET, HEAD");
const METRICS_PATH: &str = "/metrics";
const HEALTH_PREFIX: &str = "/grpc.health.v1.Health/";
const REFLECTION_PREFIX: &str = "/grpc.reflection.v1.ServerReflection/";
/// What the same was called before; some tools ask for nothing else.
const OLD_REFLECTION_PREFIX: &str = "/grpc.reflection.v1alpha.ServerReflection/";

/// What a message to a service that needs no key may have: names are all they are asked for.
pub const MAX_OPEN_MESSAGE_BYTES: usize = 16 * 1024;

/// A service that needs no key, because it tells nothing private.
pub type OpenService = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;

/// The services behind the listener.
#[derive(Clone)]
pub struct Front {
    /// `api.LightningNode`.
    lightning: Guard<LightningNodeServer<rpc::Service>>,
    /// `grpc.health.v1.Health`.
    health: OpenService,
    /// `grpc.reflection.v1.ServerReflection`.
    reflection: OpenService,
    old_reflection: OpenService,
    health_pages: HealthPages,
    metrics: MetricsEndpoint,
}

impl Front {
    /// Puts the services together, with one that describes them.
    pub fn new(
        lightning: Guard<LightningNodeServer<rpc::Service>>,
        health: OpenService,
        health_pages: HealthPages,
        metrics: MetricsEndpoint,
    ) -> Result<Self, tonic_reflection::server::Error> {
        let describe = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        Ok(Self {
            lightning,
            health,
            reflection: OpenService::new(
                describe().build_v1()?.max_decoding_message_size(MAX_OPEN_MESSAGE_BYTES),
            ),
            old_reflection: OpenService::new(
                describe().build_v1alpha()?.max_decoding_message_size(MAX_OPEN_MESSAGE_BYTES),
            ),
            health_pages,
            metrics,
        })
    }

    /// Answers a request of a connection that has this rate.
    pub(super) async fn serve(
        self,
        request: Request<Incoming>,
        rate: Arc<Rate>,
    ) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path();
        if !is_grpc_call(&request) {
            if path == METRICS_PATH {
                return Ok(self.metrics.answer(request.method(), request.headers()).await);
            }
            if let Some(answer) = self.health_pages.answer(request.method(), path) {
                return Ok(answer);
            }
        }
        if request.version() != Version::HTTP_2 {
            return Ok(plain(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC needs HTTP/2\n"));
        }
        let id = RequestId::next();
        let line = RequestLine::begin(id, path, self.metrics.requests());
        let answer = match rate.admit() {
            Ok(()) => id.accompany(self.call(request)).await?,
            Err(refusal) => refusal.into_http(),
        };
        let mut response = with_contract_headers(answer);
        if let Ok(id) = HeaderValue::try_from(id.to_string()) {
            response.headers_mut().insert(REQUEST_ID_HEADER, id);
        }
        Ok(line.answer(response))
    }

    /// Takes a gRPC call to its service.
    async fn call(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path();
        if path.starts_with(HEALTH_PREFIX) {
            self.health.oneshot(request).await
        } else if path.starts_with(REFLECTION_PREFIX) {
            self.reflection.oneshot(request).await
        } else if path.starts_with(OLD_REFLECTION_PREFIX) {
            self.old_reflection.oneshot(request).await
        } else {
            self.lightning.oneshot(request).await
        }
    }
}

/// Whether a request asks for a gRPC method, even if there is none at its path: it must be answered
/// with a gRPC status then.
fn is_grpc_call(request: &Request<Incoming>) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    !reads && content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// The headers of the contract where they differ from tonic's.
fn with_contract_headers(mut response: Response<Body>) -> Response<Body> {
    let grpc = HeaderValue::from_static("application/grpc+proto");
    let identity = HeaderValue::from_static("identity");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response.headers_mut().insert("grpc-accept-encoding", identity);
    response
}

pub(super) fn plain(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::new(text.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// The answer to HEAD: what GET would be answered with, and how long it would be.
pub(super) fn without_body(answer: Response<Body>) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let bare = Response::from_parts(head, Body::empty());
    match body.size_hint().exact() {
        Some(length) => with_header(bare, header::CONTENT_LENGTH, HeaderValue::from(length)),
        None => bare,
    }
}

pub(super) fn with_header(
    mut response: Response<Body>,
    name: header::HeaderName,
    value: HeaderValue,
) -> Response<Body> {
    response.headers_mut().insert(name, value);
    response
}
