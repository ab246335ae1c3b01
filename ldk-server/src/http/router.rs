//! Which service a request is for.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use ldk_server_grpc::DESCRIPTOR_SET;
use ldk_server_grpc::api::lightning_node_server::LightningNodeServer;
use tonic::Status;
use tonic::body::Body;
use tower::util::{BoxCloneSyncService, MapErrLayer};
use tower::{Service, ServiceBuilder};

use super::layers::admission::{AdmitOpen, AdmitUnproven};
use super::layers::check::{CheckLayer, Checked};
use super::layers::rate::CheckRate;
use super::layers::span::{InSpan, SpanLayer};
use super::layers::{self, Access};
use super::standing::{Size, Standing};
use super::stream::Taken;
use super::{HealthPages, MetricsEndpoint};
use crate::grpc;

/// What is allowed where there is only something to read.
pub(super) const READING: HeaderValue = HeaderValue::from_static("GET, HEAD");
const METRICS_PATH: &str = "/metrics";
const HEALTH_PREFIX: &str = "/grpc.health.v1.Health/";
const REFLECTION_PREFIX: &str = "/grpc.reflection.v1.ServerReflection/";
/// What the same was called before; some tools ask for nothing else.
const OLD_REFLECTION_PREFIX: &str = "/grpc.reflection.v1alpha.ServerReflection/";

/// What a message to a service that needs no key may have: names are all they are asked for.
pub const MAX_OPEN_MESSAGE_BYTES: usize = 16 * 1024;

/// Takes each request to its page or its gRPC service.
#[derive(Clone)]
pub struct Router(Arc<Routes>);

struct Routes {
    health_pages: HealthPages,
    metrics: MetricsEndpoint,
    calls: InSpan<Checked<CheckRate, GrpcServices>>,
}

/// A gRPC service behind its layers.
type GrpcService = BoxCloneSyncService<Request<Incoming>, Response<Body>, Status>;

/// The gRPC services, by the name that a path begins with.
#[derive(Clone)]
struct GrpcServices(Arc<ByName>);

struct ByName {
    /// `api.LightningNode`, and what is no service: it tells callers so who have the key.
    lightning: GrpcService,
    /// `grpc.health.v1.Health`.
    health: GrpcService,
    /// `grpc.reflection.v1.ServerReflection`.
    reflection: GrpcService,
    old_reflection: GrpcService,
}

impl Router {
    /// Puts the services together, with one that describes them.
    pub fn new<H>(
        lightning: LightningNodeServer<grpc::Service>,
        access: Access,
        health: H,
        health_pages: HealthPages,
        metrics: MetricsEndpoint,
    ) -> Result<Self, tonic_reflection::server::Error>
    where
        H: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
        H: Clone + Send + Sync + 'static,
        H::Future: Send,
    {
        let services = GrpcServices(Arc::new(ByName::new(lightning, access, health)?));
        let calls = ServiceBuilder::new()
            .layer(SpanLayer(metrics.requests().clone()))
            .layer(CheckLayer(CheckRate))
            .service(services);
        Ok(Self(Arc::new(Routes { health_pages, metrics, calls })))
    }

    /// Answers a request, in whose extensions is where the other side of its connection stands.
    pub(super) async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        if !is_grpc_call(&request)
            && let Some(answer) = self.0.page(&request).await
        {
            return Ok(answer);
        }
        if request.version() != Version::HTTP_2 {
            return Ok(plain(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC needs HTTP/2\n"));
        }
        self.0.calls.clone().call(request).await
    }
}

impl Routes {
    /// The page that is asked for, if it is one.
    async fn page(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let (method, path) = (request.method(), request.uri().path());
        let size = match path {
            METRICS_PATH => Size::Large,
            _ => Size::Small,
        };
        let admitted = match Standing::of(request) {
            Ok(standing) => standing.admit_open(size).await,
            Err(error) => Err(error),
        };
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let reason = format!("{}\n", refusal.message());
                return Some(plain(StatusCode::SERVICE_UNAVAILABLE, reason));
            },
        };
        let answer = match path {
            METRICS_PATH => self.metrics.answer(method, request.headers()).await,
            _ => self.health_pages.answer(method, path)?,
        };
        Some(Taken::of(answer, true, admitted))
    }
}

impl ByName {
    fn new<H>(
        lightning: LightningNodeServer<grpc::Service>,
        access: Access,
        health: H,
    ) -> Result<Self, tonic_reflection::server::Error>
    where
        H: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
        H: Clone + Send + Sync + 'static,
        H::Future: Send,
    {
        let describe = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let reflection = describe().build_v1()?;
        let old_reflection = describe().build_v1alpha()?;
        let lightning = layers::checked(lightning, access);
        let lightning = ServiceBuilder::new().layer(AdmitUnproven).service(lightning);
        Ok(Self {
            lightning: GrpcService::new(lightning),
            health: open(Size::Small, health),
            reflection: open(
                Size::Large,
                reflection.max_decoding_message_size(MAX_OPEN_MESSAGE_BYTES),
            ),
            old_reflection: open(
                Size::Large,
                old_reflection.max_decoding_message_size(MAX_OPEN_MESSAGE_BYTES),
            ),
        })
    }

    fn of_path(&self, path: &str) -> &GrpcService {
        if path.starts_with(HEALTH_PREFIX) {
            &self.health
        } else if path.starts_with(REFLECTION_PREFIX) {
            &self.reflection
        } else if path.starts_with(OLD_REFLECTION_PREFIX) {
            &self.old_reflection
        } else {
            &self.lightning
        }
    }
}

/// A service that needs no key, because it tells nothing private.
fn open<S>(size: Size, service: S) -> GrpcService
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let layers = ServiceBuilder::new()
        .layer(AdmitOpen(size))
        .layer(MapErrLayer::new(layers::impossible as fn(_) -> _));
    GrpcService::new(layers.service(service))
}

impl Service<Request<Incoming>> for GrpcServices {
    type Response = Response<Body>;
    type Error = Status;
    type Future = <GrpcService as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Which one is to be ready is only known with the request. They always are.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        self.0.of_path(request.uri().path()).clone().call(request)
    }
}

/// Whether a request asks for a gRPC method, even if there is none at its path: it must be answered
/// with a gRPC status then.
fn is_grpc_call(request: &Request<Incoming>) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    !reads && content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
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
