//! Where each request goes: to a page, or to a gRPC service.
//!
//! A gRPC call is answered with a gRPC status whatever its path, so calls and pages have a router each,
//! and the content type of a request says which of the two it is for. What is no page falls back to the
//! calls. Routers of other faces of the API are merged into the pages; each connection that a listener
//! has accepted, with or without TLS, is answered by [`Router::answer`].
//!
//! The Lightning service is the fallback of the calls and has no route: an unknown service is only told
//! to callers who have the key, after the checks of that service. The wildcard of a route would also be
//! copied for each call.

use std::convert::Infallible;

use axum::extract::{Request, State};
use axum::handler::Handler as _;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};
use hyper::body::Incoming;
use ldk_server_grpc::DESCRIPTOR_SET;
use ldk_server_grpc::api::lightning_node_server::LightningNodeServer;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::util::MapErrLayer;
use tower::{Layer as _, Service, ServiceBuilder};
use tower_http::set_header::SetResponseHeaderLayer;

use super::client::Size;
use super::layers::admission::{AdmitOpen, AdmitUnproven};
use super::layers::check::CheckLayer;
use super::layers::rate::CheckRate;
use super::layers::span::SpanLayer;
use super::layers::{self, Access};
use super::page::{admit, admitted};
use super::{HealthPages, MetricsEndpoint};
use crate::grpc;
use crate::metrics::Requests;

/// The headers of the contract where they differ from tonic's.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc+proto");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// The largest message to a service that needs no key: its requests contain nothing but names.
pub const MAX_OPEN_MESSAGE_BYTES: usize = 16 * 1024;

/// Takes each request to its page or its gRPC service.
#[derive(Clone)]
pub struct Router {
    calls: axum::Router,
    pages: axum::Router,
}

impl Router {
    /// Puts the services together, with one that describes them, and the pages.
    pub fn new<H>(
        lightning: LightningNodeServer<grpc::Service>,
        access: Access,
        health: H,
        health_pages: HealthPages,
        metrics: MetricsEndpoint,
    ) -> Result<Self, tonic_reflection::server::Error>
    where
        H: Service<Request, Response = http::Response<Body>, Error = Infallible> + NamedService,
        H: Clone + Send + Sync + 'static,
        H::Future: Send,
    {
        let requests = metrics.requests().clone();
        let lightning = AdmitUnproven.layer(layers::checked(lightning, access));
        let calls = axum::Router::new().fallback_service(call(requests.clone(), lightning));
        let calls = open(calls, &requests, Size::Small, health);
        let calls = with_reflection(calls, &requests)?;
        let pages = axum::Router::new()
            .merge(health_pages.routes().route_layer(from_fn_with_state(Size::Small, admit)))
            .merge(metrics.routes().route_layer(from_fn_with_state(Size::Large, admit)))
            .fallback_service(answer_other.with_state(calls.clone()));
        Ok(Self { calls, pages })
    }

    /// Answers a request, in whose extensions is where the other side of its connection stands.
    pub(super) async fn answer(
        mut self,
        request: http::Request<Incoming>,
    ) -> Result<Response, Infallible> {
        if is_grpc_call(&request) {
            answer_call(self.calls, request).await
        } else {
            self.pages.call(request).await
        }
    }
}

/// Answers what is not a page as a call, which may be refused as one.
async fn answer_other(State(calls): State<axum::Router>, request: Request) -> Response {
    if let Err(refused) = admitted(&request, Size::Small).await {
        return refused;
    }
    answer_call(calls, request).await.into_response()
}

/// Answers a call, unless it comes over HTTP/1.
async fn answer_call<B>(
    mut calls: axum::Router,
    request: http::Request<B>,
) -> Result<Response, Infallible>
where
    axum::Router: Service<http::Request<B>, Response = Response, Error = Infallible>,
{
    if request.version() == Version::HTTP_2 {
        return calls.call(request).await;
    }
    let refused = (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC needs HTTP/2\n");
    Ok(refused.into_response())
}

/// Adds the service that describes the others, also under the name that it had before: some tools ask
/// for nothing else.
fn with_reflection(
    calls: axum::Router,
    requests: &Requests,
) -> Result<axum::Router, tonic_reflection::server::Error> {
    let describe = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let present = describe().build_v1()?.max_decoding_message_size(MAX_OPEN_MESSAGE_BYTES);
    let old = describe().build_v1alpha()?.max_decoding_message_size(MAX_OPEN_MESSAGE_BYTES);
    let calls = open(calls, requests, Size::Large, present);
    Ok(open(calls, requests, Size::Large, old))
}

/// Adds a service that needs no key, because it tells nothing private.
fn open<S>(calls: axum::Router, requests: &Requests, size: Size, service: S) -> axum::Router
where
    S: Service<Request, Response = http::Response<Body>, Error = Infallible> + NamedService,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let layers = ServiceBuilder::new()
        .layer(AdmitOpen(size))
        .layer(MapErrLayer::new(layers::impossible as fn(_) -> _));
    let service = call(requests.clone(), layers.service(service));
    // A wildcard stands for one byte or more.
    calls
        .route_service(&format!("/{}/", S::NAME), service.clone())
        .route_service(&format!("/{}/{{*method}}", S::NAME), service)
}

/// Puts around a service what all calls have in common.
fn call<S>(
    requests: Requests,
    service: S,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static
where
    S: Service<Request, Response = Response, Error = Status> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    ServiceBuilder::new()
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_TYPE, CONTENT_TYPE))
        .layer(SetResponseHeaderLayer::overriding(ACCEPT_ENCODING, IDENTITY))
        .layer(SpanLayer(requests))
        .layer(CheckLayer(CheckRate))
        .service(service)
}

/// Whether a request asks for a gRPC method, even if there is none at its path: it must be answered
/// with a gRPC status then.
fn is_grpc_call<B>(request: &http::Request<B>) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    !reads && content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}
