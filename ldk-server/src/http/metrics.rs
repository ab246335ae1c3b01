//! The page `/metrics`, and the login for it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use headers::authorization::Basic;
use headers::{Authorization, HeaderMapExt as _};
use http::{HeaderMap, StatusCode, header};
use ldk_node::bitcoin::hashes::{Hash as _, cmp, sha256};
use secrecy::ExposeSecret as _;
use tokio::sync::{AcquireError, Semaphore, watch};
use tokio::task::{JoinError, spawn_blocking};
use zeroize::Zeroizing;

use super::page::read_only;
use crate::config::{MetricsConfig, MetricsLogin};
use crate::metrics::{self, Latest, Metrics, Requests};
use crate::readiness;

const PATH: &str = "/metrics";
const REFUSAL: &str = "metrics are read with GET\n";
const CHALLENGE: &str = "Basic realm=\"metrics\"";

/// How many answers are made at once; further requests wait.
const MAX_AT_ONCE: usize = 2;

/// The page with the metrics.
#[derive(Clone)]
pub struct MetricsEndpoint {
    login: Option<Arc<Login>>,
    /// `None` if they are not enabled.
    page: Option<Page>,
    requests: Requests,
}

#[derive(Clone)]
struct Page {
    latest: Latest,
    requests: Requests,
    state: watch::Receiver<readiness::State>,
    slots: Arc<Semaphore>,
}

/// Why the metrics could not be written.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error(transparent)]
    Closed(#[from] AcquireError),
    #[error(transparent)]
    Interrupted(#[from] JoinError),
    #[error(transparent)]
    Encoding(#[from] prometheus::Error),
}

impl MetricsEndpoint {
    /// Reports the latest metrics, if they are configured, those of `requests`, and whether the node is
    /// ready.
    pub fn new(
        config: &MetricsConfig,
        latest: Latest,
        requests: Requests,
        state: watch::Receiver<readiness::State>,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(MAX_AT_ONCE));
        let page = Page { latest, requests: requests.clone(), state, slots };
        Self {
            login: config.login.as_ref().map(|login| Arc::new(Login::new(login))),
            page: config.enabled.then_some(page),
            requests,
        }
    }

    /// The counters of requests.
    pub(super) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The route of the page. The login is checked before anything else.
    pub(super) fn routes(self) -> Router {
        let page = match self.page {
            Some(page) => read_only(read, REFUSAL).with_state(page),
            None => any((StatusCode::NOT_FOUND, "metrics are not enabled\n")),
        };
        Router::new().route(PATH, page.layer(from_fn_with_state(self.login, ask_for_login)))
    }
}

async fn ask_for_login(
    State(login): State<Option<Arc<Login>>>,
    request: Request,
    next: Next,
) -> Response {
    if login.is_none_or(|login| login.is_given(request.headers())) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, CHALLENGE)];
    (StatusCode::UNAUTHORIZED, challenge, "missing or wrong user and password\n").into_response()
}

async fn read(State(page): State<Page>) -> Response {
    let metrics = page.latest.borrow().clone();
    if metrics.is_none() && !page.state.borrow().is_standby() {
        let reason = "the node is starting; there are no metrics yet\n";
        return (StatusCode::SERVICE_UNAVAILABLE, reason).into_response();
    }
    match page.text(metrics).await {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics");
            (StatusCode::INTERNAL_SERVER_ERROR, "internal error\n").into_response()
        },
    }
}

impl Page {
    /// Without metrics of a node, those of one that stands by.
    async fn text(self, metrics: Option<Metrics>) -> Result<String, PageError> {
        let slot = self.slots.acquire_owned().await?;
        let is_ready = self.state.borrow().is_ready();
        let text = spawn_blocking(move || {
            let _slot = slot;
            match metrics {
                Some(metrics) => metrics.text(&self.requests, is_ready),
                None => metrics::standby_text(),
            }
        });
        Ok(text.await??)
    }
}

/// The user and password that requests must carry (RFC 7617).
struct Login {
    /// A digest, so that the comparison takes the same time for every length.
    digest: sha256::Hash,
}

impl Login {
    fn new(MetricsLogin { username, password }: &MetricsLogin) -> Self {
        Self { digest: Self::digest(username, password.expose_secret()) }
    }

    fn is_given(&self, headers: &HeaderMap) -> bool {
        headers.typed_get().is_some_and(|Authorization(given): Authorization<Basic>| {
            let digest = Self::digest(given.username(), given.password());
            cmp::fixed_time_eq(digest.as_byte_array(), self.digest.as_byte_array())
        })
    }

    fn digest(username: &str, password: &str) -> sha256::Hash {
        let login = Zeroizing::new(format!("{username}:{password}"));
        sha256::Hash::hash(login.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use http::Method;
    use http_body::Body as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::node::startup::StartPhase;
    use crate::readiness::Readiness;

    fn with(enabled: bool, login: Option<MetricsLogin>) -> MetricsEndpoint {
        with_state(enabled, login, Readiness::starting().subscribe())
    }

    fn with_state(
        enabled: bool,
        login: Option<MetricsLogin>,
        state: watch::Receiver<readiness::State>,
    ) -> MetricsEndpoint {
        let config = MetricsConfig { enabled, poll_interval: Duration::from_secs(1), login };
        let requests = Requests::new().unwrap();
        MetricsEndpoint::new(&config, watch::channel(None).1, requests, state)
    }

    fn login() -> MetricsLogin {
        MetricsLogin { username: "user".to_owned(), password: "pass:word".into() }
    }

    fn endpoint() -> MetricsEndpoint {
        with(true, Some(login()))
    }

    async fn answer(
        endpoint: MetricsEndpoint,
        method: Method,
        authorization: Option<&str>,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(PATH);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        endpoint.routes().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn status(endpoint: MetricsEndpoint, method: Method, authorization: &str) -> StatusCode {
        answer(endpoint, method, Some(authorization)).await.status()
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(credentials))
    }

    #[tokio::test]
    async fn the_right_login_passes() {
        let right = basic("user:pass:word");
        let lower_case = right.replace("Basic", "basic");
        for authorization in [right, lower_case] {
            // There are no metrics yet.
            let status = status(endpoint(), Method::GET, &authorization).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{authorization}");
        }
    }

    #[tokio::test]
    async fn a_standby_says_that_it_is_one() {
        let readiness = Readiness::starting();
        readiness.starting_with(&StartPhase::Standby("another".to_owned()));
        let endpoint = with_state(true, Some(login()), readiness.subscribe());
        let answer = answer(endpoint, Method::GET, Some(&basic("user:pass:word"))).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let text = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.contains("\nldk_server_standby 1\n"), "{text}");
        assert!(!text.contains("ldk_server_ready"), "{text}");
    }

    #[tokio::test]
    async fn everything_else_is_refused() {
        let right = BASE64_STANDARD.encode("user:pass:word");
        for authorization in [
            String::new(),
            "Basic".to_owned(),
            "Basic ".to_owned(),
            "Basic ====".to_owned(),
            format!("Basic{right}"),
            format!("Bearer {right}"),
            format!("Basic {right}A"),
            right,
            basic(""),
            basic(":"),
            basic("user"),
            basic("user:"),
            basic("user:pass:wor"),
            basic("user:pass:word "),
            basic("other:pass:word"),
        ] {
            let status = status(endpoint(), Method::GET, &authorization).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization}");
        }
        let answer = answer(endpoint(), Method::GET, None).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], CHALLENGE);
    }

    #[tokio::test]
    async fn the_login_is_checked_before_the_method() {
        let refused = answer(endpoint(), Method::PUT, Some("Basic ")).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert!(!refused.headers().contains_key(header::ALLOW));
        let right = basic("user:pass:word");
        let refused = answer(endpoint(), Method::PUT, Some(&right)).await;
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[header::ALLOW], "GET, HEAD");
    }

    #[tokio::test]
    async fn the_answer_to_head_has_no_body_whatever_it_is() {
        for authorization in ["Basic ", &basic("user:pass:word")] {
            let get = answer(endpoint(), Method::GET, Some(authorization)).await;
            let head = answer(endpoint(), Method::HEAD, Some(authorization)).await;
            assert_eq!(head.status(), get.status());
            assert!(head.body().is_end_stream());
            let length = get.body().size_hint().exact().unwrap().to_string();
            assert_eq!(head.headers()[header::CONTENT_LENGTH], *length);
        }
    }

    #[tokio::test]
    async fn without_metrics_the_page_is_not_found() {
        let open = with(false, None);
        assert_eq!(status(open, Method::GET, "Basic ").await, StatusCode::NOT_FOUND);
        let guarded = with(false, Some(login()));
        assert_eq!(status(guarded.clone(), Method::GET, "Basic ").await, StatusCode::UNAUTHORIZED);
        let right = format!("Basic {}", BASE64_STANDARD.encode("user:pass:word"));
        assert_eq!(status(guarded, Method::GET, &right).await, StatusCode::NOT_FOUND);
    }
}
