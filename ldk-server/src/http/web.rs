//! What concerns web pages: which of them may call, and what browsers are told with each answer.
//!
//! A browser sends the certificate of its user with the requests of every page, whoever made the page. So
//! requests for pages of others are refused before they have an effect, unless their origin is configured;
//! and then what the connection tells of the caller does not count.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response_with_state};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use ldk_server_grpc::{SERVICE_NAME, auth, rune};
use tonic::Status;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::client::{Admission, AnswerSize};
use super::identity::ConnectionIdentity;
use super::page::admitted;
use super::stream::TrackedBody;
use crate::config::{CorsOrigins, HttpConfig};
use crate::rest::{self, SHORT_PREFIX};

/// How long a browser may remember what it was told about an origin.
const MAX_AGE: Duration = Duration::from_secs(600);
/// What a browser says about the page that a request is for (W3C, Fetch Metadata).
const FETCH_SITE: &str = "sec-fetch-site";

/// Applies what concerns web pages to these routes.
pub(super) fn protected(routes: Router, config: &HttpConfig) -> Router {
    let origins = Arc::new(config.cors_origins.clone());
    let routes = routes.layer(from_fn_with_state(Arc::clone(&origins), refuse_foreign));
    let routes = if origins.is_empty() { routes } else { routes.layer(cors(origins)) };
    routes.layer(map_response_with_state(config.csp.clone(), with_headers))
}

/// Tells browsers which pages may read the answers.
fn cors(origins: Arc<CorsOrigins>) -> CorsLayer {
    let is_allowed = move |origin: &HeaderValue, _: &_| {
        origin.to_str().is_ok_and(|origin| origins.allow(origin))
    };
    let headers = [
        auth::HEADER,
        auth::KEY_NAME_HEADER,
        rune::HEADER,
        "connect-accept-encoding",
        "connect-content-encoding",
        "connect-protocol-version",
        "connect-timeout-ms",
        "grpc-timeout",
        "last-event-id",
        "x-grpc-web",
        "x-user-agent",
    ];
    let headers = headers.map(HeaderName::from_static);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([&headers[..], &[header::AUTHORIZATION, header::CONTENT_TYPE]].concat())
        .expose_headers(
            ["x-request-id", "grpc-status", "grpc-message", "grpc-status-details-bin"]
                .map(HeaderName::from_static),
        )
        .max_age(MAX_AGE)
}

/// Refuses requests for pages of others, and counts the connection as nobody's where they may call.
async fn refuse_foreign(
    State(origins): State<Arc<CorsOrigins>>,
    mut request: Request,
    next: Next,
) -> Response {
    let (is_foreign, is_allowed) = match page_of(&request) {
        Page::None | Page::Own => (false, true),
        Page::Of(origin) => (true, origins.allow(origin)),
        Page::Foreign => (true, false),
    };
    if !is_allowed {
        return refusal(admitted(&request, AnswerSize::Small)).await;
    }
    if is_foreign {
        request.extensions_mut().remove::<Arc<ConnectionIdentity>>();
    }
    next.run(request).await
}

async fn refusal(admitted: impl Future<Output = Result<Admission, Response>>) -> Response {
    let reason = "the request is for a web page of another origin; http.cors_origins has none such";
    match admitted.await {
        Ok(admitted) => {
            let refusal = rest::refusal(&Status::permission_denied(reason));
            TrackedBody::of(refusal.map(axum::body::Body::from), true, admitted)
        },
        Err(refused) => refused,
    }
}

/// The page that a request is for.
#[derive(Debug, PartialEq, Eq)]
enum Page<'a> {
    /// No page: another program's, or what a person has opened.
    None,
    /// One of this server.
    Own,
    /// One of this origin.
    Of(&'a str),
    /// One of another origin, which the browser does not tell.
    Foreign,
}

fn page_of<B>(request: &http::Request<B>) -> Page<'_> {
    let headers = request.headers();
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next().map(HeaderValue::to_str), origins.next()) {
        (None, _) if is_call(request) && is_from_another_site(headers) => Page::Foreign,
        (None, _) => Page::None,
        (Some(Ok(origin)), None) if is_own(origin, request) => Page::Own,
        (Some(Ok(origin)), None) => Page::Of(origin),
        (Some(_), _) => Page::Foreign,
    }
}

/// Whether the path is that of a call.
fn is_call<B>(request: &http::Request<B>) -> bool {
    let path = request.uri().path();
    path.starts_with(SHORT_PREFIX) || path.trim_start_matches('/').starts_with(SERVICE_NAME)
}

fn is_from_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"))
}

/// Whether this is the origin that the request itself is sent to. There is no other scheme than this.
fn is_own<B>(origin: &str, request: &http::Request<B>) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(http::uri::Authority::as_str).or(host);
    let without_port = |host: &str| host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase();
    match (origin.strip_prefix("https://"), host) {
        (Some(origin), Some(host)) => without_port(origin) == without_port(host),
        _ => false,
    }
}

/// Adds what browsers must know about an answer, except to one in gRPC.
async fn with_headers(State(csp): State<HeaderValue>, mut response: Response) -> Response {
    let content_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type == Some(b"application/grpc+proto") {
        return response;
    }
    // A page may have a policy of its own. Browsers apply both, so that neither weakens the other.
    response.headers_mut().append(header::CONTENT_SECURITY_POLICY, csp);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ] {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, headers: &[(&'static str, &'static str)]) -> http::Request<()> {
        let mut request = http::Request::post(path).body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    }

    #[test]
    fn a_page_is_own_by_its_origin() {
        let at = |uri, headers: &[_]| match page_of(&request(uri, headers)) {
            Page::Own => true,
            Page::Of(_) | Page::Foreign => false,
            Page::None => panic!("no page"),
        };
        assert!(at("https://node.example:3536/v1/a", &[("origin", "https://node.example:3536")]));
        assert!(at("https://node.example/v1/a", &[("origin", "https://NODE.example:443")]));
        assert!(at("/v1/a", &[("host", "node.example:1"), ("origin", "https://node.example:1")]));
        for origin in ["http://node.example", "https://node.example:1", "https://evil.example"] {
            assert!(!at("https://node.example/v1/a", &[("origin", origin)]), "{origin}");
        }
        let two = [("origin", "https://node.example"), ("origin", "https://evil.example")];
        assert!(!at("https://node.example/v1/a", &two));
    }

    #[test]
    fn a_request_without_origin_is_judged_by_what_the_browser_says() {
        let of = |path: &str, site| match page_of(&request(path, &[(FETCH_SITE, site)])) {
            Page::Foreign => false,
            Page::None => true,
            other => panic!("{other:?}"),
        };
        for site in ["cross-site", "same-site", "else"] {
            assert!(!of("/v1/get-node-info", site), "{site}");
            assert!(!of("/api.LightningNode/GetNodeInfo", site), "{site}");
            assert!(of("/docs", site), "people follow links to pages: {site}");
        }
        assert!(of("/v1/get-node-info", "none") && of("/v1/get-node-info", "same-origin"));
        assert_eq!(page_of(&request("/v1/get-node-info", &[])), Page::None);
    }
}
