//! The routes: each request goes to a page, or to a gRPC service.
//!
//! A gRPC call is answered with a gRPC status even at the path of a page. So there are two routers, for
//! calls and for pages, and the content type of the request selects one of them; a request for no page
//! falls back to the calls. The routers of further HTTP interfaces belong to the pages, by `merge` or
//! `nest`. Every listener, with TLS or without, answers with [`Router::answer`].
//!
//! The Lightning service is the fallback of the calls instead of a route, because a stranger must not
//! learn whether a service exists: its checks come first. A call of its own path passes no router, which
//! would copy all layers to the heap for each call.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::handler::Handler as _;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use futures_util::future::BoxFuture;
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

use super::client::AnswerSize;
use super::feeds::{Identify, identify as identify_subscriber};
use super::layers::admission::{AdmitCall, AdmitPublic};
use super::layers::check::CheckLayer;
use super::layers::rate::CheckRate;
use super::layers::span::SpanLayer;
use super::layers::{self, Access};
use super::lightning::{self, Lightning};
use super::page::{admit, admitted};
use super::{HealthPages, MetricsEndpoint, documentation, in_json, people, web};
use crate::config::HttpConfig;
use crate::feeds::Feeds;
use crate::grpc;
use crate::metrics::Requests;
use crate::rest::{self, SHORT_PREFIX};

/// The headers of the contract where they differ from tonic's.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc+proto");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// What is told over HTTP/1.
pub(super) const GRPC_NEEDS_HTTP_2: &str = "gRPC needs HTTP/2\n";

/// The largest request message to a service that needs no key: it contains nothing but names.
pub const MAX_PUBLIC_MESSAGE_BYTES: usize = 16 * 1024;

/// Routes each request to its page or its gRPC service.
#[derive(Clone)]
pub struct Router {
    lightning: Lightning,
    calls: axum::Router,
    pages: axum::Router,
    /// Whether calls in gRPC-Web are none in gRPC.
    has_grpc_web: bool,
}

impl Router {
    /// Makes the routes of the services, of a service that describes them, and of the pages.
    pub fn new<H>(
        lightning: LightningNodeServer<grpc::Service>,
        access: Access,
        health: H,
        health_pages: HealthPages,
        metrics: MetricsEndpoint,
        http: &HttpConfig,
        feeds: Feeds,
    ) -> Result<Self, tonic_reflection::server::Error>
    where
        H: Service<Request, Response = http::Response<Body>, Error = Infallible> + NamedService,
        H: Clone + Send + Sync + 'static,
        H::Future: Send,
    {
        let requests = metrics.requests().clone();
        let identify = Identify::new(&access);
        let lightning = AdmitCall.layer(layers::checked(lightning, access));
        let lightning = call(requests.clone(), lightning);
        let calls = axum::Router::new().fallback_service(lightning.clone());
        let calls = add_public(calls, &requests, AnswerSize::Small, health);
        let calls = with_reflection(calls, &requests)?;
        let lightning = lightning::shared(lightning);
        let pages = axum::Router::new()
            .merge(health_pages.routes().route_layer(from_fn_with_state(AnswerSize::Small, admit)))
            .merge(metrics.routes().route_layer(from_fn_with_state(AnswerSize::Large, admit)))
            .merge(in_json_routes(&lightning, http))
            .merge(browser_routes(http))
            .merge(feed_routes(feeds, identify, http));
        let others = Others { is_json_enabled: http.enabled, lightning, calls };
        let pages = pages.fallback_service(answer_other.with_state(others.clone()));
        let pages = web::protected(pages, http);
        let Others { lightning, calls, is_json_enabled: has_grpc_web } = others;
        Ok(Self { lightning, calls, pages, has_grpc_web })
    }

    /// Answers a request, which has the [`Client`](super::client::Client) in its extensions.
    ///
    /// The request is moved once and the answer is on the heap, because each stream of a stranger has room
    /// for both.
    pub(super) fn answer(
        &self,
        request: http::Request<Incoming>,
    ) -> BoxFuture<'static, Result<Response, Infallible>> {
        let is_grpc_web = self.has_grpc_web && in_json::is_grpc_web(&request);
        if !is_grpc_call(&request) || is_grpc_web {
            return Box::pin(self.pages.clone().call(request));
        }
        if request.version() == Version::HTTP_2 && request.uri().path().starts_with(lightning::PATH)
        {
            return (self.lightning)(request.map(axum::body::Body::new));
        }
        Box::pin(answer_call(self.calls.clone(), request))
    }
}

/// What answers requests for no page.
#[derive(Clone)]
struct Others {
    is_json_enabled: bool,
    lightning: Lightning,
    calls: axum::Router,
}

/// The routes of calls in JSON, if there are any.
fn in_json_routes(lightning: &Lightning, http: &HttpConfig) -> axum::Router {
    let routes = axum::Router::new();
    if !http.enabled {
        return routes;
    }
    let path = format!("{SHORT_PREFIX}{{*call}}");
    routes.route(&path, any(in_json::answer).with_state(Arc::clone(lightning)))
}

/// The streams of events, if there are any.
fn feed_routes(feeds: Feeds, identify: Identify, http: &HttpConfig) -> axum::Router {
    if !http.enabled {
        return axum::Router::new();
    }
    feeds.routes().route_layer(from_fn_with_state(identify, identify_subscriber))
}

/// The page for people and the documentation, if there are any.
fn browser_routes(http: &HttpConfig) -> axum::Router {
    if !http.enabled {
        return axum::Router::new();
    }
    let people = people::routes().route_layer(from_fn_with_state(AnswerSize::Small, admit));
    let documentation = documentation::routes(http.docs);
    people.merge(documentation.route_layer(from_fn_with_state(AnswerSize::Large, admit)))
}

/// Answers a request for no page as a call, which the checks of calls then refuse or not.
async fn answer_other(
    State(Others { is_json_enabled, lightning, calls }): State<Others>,
    request: Request,
) -> Response {
    if is_json_enabled
        && in_json::is_grpc_web(&request)
        && request.uri().path().starts_with(lightning::PATH)
    {
        return in_json::answer_grpc_web(lightning, request).await;
    }
    let (parts, body) = request.into_parts();
    let is_in_json = is_json_enabled && rest::Call::is_in(&parts);
    let call = is_in_json.then(|| rest::Call::of(&parts));
    let request = Request::from_parts(parts, body);
    if let Some(call) = call {
        return in_json::answer_call(&lightning, call, request).await;
    }
    if let Err(refused) = admitted(&request, AnswerSize::Small).await {
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
    let refused = (StatusCode::HTTP_VERSION_NOT_SUPPORTED, GRPC_NEEDS_HTTP_2);
    Ok(refused.into_response())
}

/// Adds the reflection service, also under its earlier name, which is the only one that some tools know.
fn with_reflection(
    calls: axum::Router,
    requests: &Requests,
) -> Result<axum::Router, tonic_reflection::server::Error> {
    let describe = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let present = describe().build_v1()?.max_decoding_message_size(MAX_PUBLIC_MESSAGE_BYTES);
    let old = describe().build_v1alpha()?.max_decoding_message_size(MAX_PUBLIC_MESSAGE_BYTES);
    let calls = add_public(calls, requests, AnswerSize::Large, present);
    Ok(add_public(calls, requests, AnswerSize::Large, old))
}

/// Adds a service that needs no key, because it reveals nothing private.
fn add_public<S>(
    calls: axum::Router,
    requests: &Requests,
    size: AnswerSize,
    service: S,
) -> axum::Router
where
    S: Service<Request, Response = http::Response<Body>, Error = Infallible> + NamedService,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let layers = ServiceBuilder::new()
        .layer(AdmitPublic(size))
        .layer(MapErrLayer::new(layers::impossible as fn(_) -> _));
    let service = call(requests.clone(), layers.service(service));
    // A wildcard does not match the empty string.
    calls
        .route_service(&format!("/{}/", S::NAME), service.clone())
        .route_service(&format!("/{}/{{*method}}", S::NAME), service)
}

/// Adds the layers that all calls have in common.
pub(super) fn call<S>(
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

/// Whether a request is a gRPC call, which must be answered with a gRPC status, even if its path is that of
/// no method.
fn is_grpc_call<B>(request: &http::Request<B>) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    !reads && content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::{ServiceExt as _, service_fn};

    use super::super::client::tests::client;
    use super::*;

    /// The answer to a call whose service answers this.
    async fn answered(result: Result<(), Status>) -> Response {
        let service = service_fn(move |_: Request| {
            let answer = result.clone().map(|()| Response::new(Body::empty()));
            std::future::ready(answer)
        });
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(client());
        call(Requests::new().unwrap(), service).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn every_answer_has_the_headers_of_the_contract() {
        let refused = answered(Err(Status::unimplemented("no"))).await;
        assert_eq!(refused.headers()["grpc-status"], "12");
        for answer in [refused, answered(Ok(())).await] {
            assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/grpc+proto");
            assert_eq!(answer.headers()["grpc-accept-encoding"], "identity");
        }
    }

    #[tokio::test]
    async fn a_call_over_http_1_is_refused() {
        let calls = axum::Router::new().fallback_service(any(async || "answered"));
        for (version, expected) in [
            (Version::HTTP_11, StatusCode::HTTP_VERSION_NOT_SUPPORTED),
            (Version::HTTP_2, StatusCode::OK),
        ] {
            let mut request = Request::new(Body::empty());
            *request.version_mut() = version;
            let answer = answer_call(calls.clone(), request).await.unwrap();
            assert_eq!(answer.status(), expected, "{version:?}");
        }
    }

    #[test]
    fn the_content_type_and_the_method_tell_calls_from_pages() {
        let is_call = |method: Method, content_type: &str| {
            let request =
                http::Request::builder().method(method).header(header::CONTENT_TYPE, content_type);
            is_grpc_call(&request.body(()).unwrap())
        };
        assert!(is_call(Method::POST, "application/grpc"));
        assert!(is_call(Method::PUT, "application/grpc+json"));
        assert!(!is_call(Method::GET, "application/grpc"));
        assert!(!is_call(Method::HEAD, "application/grpc"));
        assert!(!is_call(Method::POST, "application/json"));
    }
}
