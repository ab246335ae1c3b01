//! Which service a request is for.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use ldk_server_grpc::DESCRIPTOR_SET;
use ldk_server_grpc::api::lightning_node_server::LightningNodeServer;
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::layers::authenticate::Guard;
use super::layers::span::RequestLine;
use super::standing::{Size, Standing};
use super::stream::Taken;
use super::{HealthPages, MetricsEndpoint};
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

    /// Answers a request on a connection whose other side stands so.
    pub(super) async fn serve(
        self,
        request: Request<Incoming>,
        standing: Arc<Standing>,
    ) -> Result<Response<Body>, Infallible> {
        if !is_grpc_call(&request)
            && let Some(answer) = self.page(&request, &standing).await
        {
            return Ok(answer);
        }
        if request.version() != Version::HTTP_2 {
            return Ok(plain(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC needs HTTP/2\n"));
        }
        let path = request.uri().path();
        let id = RequestId::next();
        let line = RequestLine::begin(id, path, self.metrics.requests());
        let answer = match standing.rate().admit() {
            Ok(()) => id.accompany(self.call(request, &standing)).await,
            Err(refusal) => Err(refusal),
        };
        let answer = answer.unwrap_or_else(Status::into_http);
        let mut response = with_contract_headers(answer);
        if let Ok(id) = HeaderValue::try_from(id.to_string()) {
            response.headers_mut().insert(REQUEST_ID_HEADER, id);
        }
        Ok(line.answer(response))
    }

    /// The page that is asked for, if it is one.
    async fn page(
        &self,
        request: &Request<Incoming>,
        standing: &Standing,
    ) -> Option<Response<Body>> {
        let (method, path) = (request.method(), request.uri().path());
        let size = match path {
            METRICS_PATH => Size::Large,
            _ => Size::Small,
        };
        let admitted = match standing.admit_open(size).await {
            Ok(admitted) => admitted,
            Err(refusal) => {
                return Some(plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("{}\n", refusal.message()),
                ));
            },
        };
        let answer = match path {
            METRICS_PATH => self.metrics.answer(method, request.headers()).await,
            _ => self.health_pages.answer(method, path)?,
        };
        Some(taken(answer, true, admitted))
    }

    /// Takes a gRPC call to its service.
    async fn call(
        self,
        mut request: Request<Incoming>,
        standing: &Arc<Standing>,
    ) -> Result<Response<Body>, Status> {
        let path = request.uri().path();
        let (service, size) = if path.starts_with(HEALTH_PREFIX) {
            (self.health, Size::Small)
        } else if path.starts_with(REFLECTION_PREFIX) {
            (self.reflection, Size::Large)
        } else if path.starts_with(OLD_REFLECTION_PREFIX) {
            (self.old_reflection, Size::Large)
        } else {
            let unproven = standing.admit_call().await?;
            request.extensions_mut().insert(unproven);
            let answered = self.lightning.oneshot(request).await;
            return answered.map(|answer| taken(answer, false, ())).map_err(|never| match never {});
        };
        let admitted = standing.admit_open(size).await?;
        // Strangers can make them long.
        request.headers_mut().clear();
        let answered = service.oneshot(request).await;
        answered.map(|answer| taken(answer, true, admitted)).map_err(|never| match never {})
    }
}

/// The answer, which holds something until the caller has taken it.
fn taken<T: Send + Unpin + 'static>(
    answer: Response<Body>,
    is_strangers: bool,
    held: T,
) -> Response<Body> {
    // One without a body, which is refused, is over with its headers.
    if answer.body().is_end_stream() {
        return answer;
    }
    answer.map(|body| Body::new(Taken::new(body, is_strangers, held)))
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
