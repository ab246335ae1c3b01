//! `/metrics`: who may read them, and the answer over HTTP.

use std::sync::Arc;

use headers::authorization::Basic;
use headers::{Authorization, HeaderMapExt as _};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use ldk_node::bitcoin::hashes::{Hash as _, cmp, sha256};
use secrecy::ExposeSecret as _;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tonic::body::Body;
use zeroize::Zeroizing;

use super::router::{READING, plain, with_header, without_body};
use crate::config::{MetricsConfig, MetricsLogin};
use crate::metrics::{Latest, Metrics, Requests};
use crate::readiness::State;

const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"metrics\"");
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static(prometheus::TEXT_FORMAT);

/// Answers that are put together at once; further ones wait.
const MAX_AT_ONCE: usize = 2;

/// What answers requests for the metrics.
#[derive(Clone)]
pub struct MetricsEndpoint {
    login: Option<Arc<Login>>,
    /// `None` if they are not enabled.
    latest: Option<Latest>,
    requests: Requests,
    state: watch::Receiver<State>,
    slots: Arc<Semaphore>,
}

impl MetricsEndpoint {
    /// Answers with the latest metrics, if they are configured, with those of `requests` and with
    /// whether the node is ready.
    pub fn new(
        config: &MetricsConfig,
        latest: Latest,
        requests: Requests,
        state: watch::Receiver<State>,
    ) -> Self {
        Self {
            login: config.login.as_ref().map(|login| Arc::new(Login::new(login))),
            latest: config.enabled.then_some(latest),
            requests,
            state,
            slots: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        }
    }

    /// Where requests are counted.
    pub(super) fn requests(&self) -> &Requests {
        &self.requests
    }

    pub(super) async fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<Body> {
        let answer = self.looked_up(method, headers).await;
        if method == Method::HEAD { without_body(answer) } else { answer }
    }

    async fn looked_up(&self, method: &Method, headers: &HeaderMap) -> Response<Body> {
        if !self.login.as_ref().is_none_or(|login| login.is_given(headers)) {
            let refused = plain(StatusCode::UNAUTHORIZED, "missing or wrong user and password\n");
            return with_header(refused, header::WWW_AUTHENTICATE, CHALLENGE);
        }
        let Some(latest) = &self.latest else {
            return plain(StatusCode::NOT_FOUND, "metrics are not enabled\n");
        };
        if method != Method::GET && method != Method::HEAD {
            let refused = plain(StatusCode::METHOD_NOT_ALLOWED, "metrics are read with GET\n");
            return with_header(refused, header::ALLOW, READING);
        }
        let Some(metrics) = latest.borrow().clone() else {
            let reason = "the node is starting; there are no metrics yet\n";
            return plain(StatusCode::SERVICE_UNAVAILABLE, reason);
        };
        match self.text(metrics).await {
            Ok(text) => {
                let found = Response::new(Body::new(text));
                with_header(found, header::CONTENT_TYPE, CONTENT_TYPE)
            },
            Err(reason) => {
                tracing::error!("cannot write the metrics: {reason}");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
            },
        }
    }

    async fn text(&self, metrics: Metrics) -> Result<String, String> {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|error| error.to_string())?;
        let (requests, is_ready) = (self.requests.clone(), self.state.borrow().is_ready());
        let text = spawn_blocking(move || {
            let _slot = slot;
            metrics.text(&requests, is_ready)
        });
        text.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

/// The user and password that must be given (RFC 7617).
struct Login {
    /// A digest, so that comparing takes the same time for every length.
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

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use http_body::Body as _;

    use super::*;
    use crate::readiness::Readiness;

    fn with(enabled: bool, login: Option<MetricsLogin>) -> MetricsEndpoint {
        let config = MetricsConfig { enabled, poll_interval: Duration::from_secs(1), login };
        let state = Readiness::starting().subscribe();
        let requests = Requests::new().unwrap();
        MetricsEndpoint::new(&config, watch::channel(None).1, requests, state)
    }

    fn login() -> MetricsLogin {
        MetricsLogin { username: "user".to_owned(), password: "pass:word".into() }
    }

    fn endpoint() -> MetricsEndpoint {
        with(true, Some(login()))
    }

    async fn status(
        endpoint: &MetricsEndpoint,
        method: &Method,
        authorization: &str,
    ) -> StatusCode {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        endpoint.answer(method, &headers).await.status()
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(credentials))
    }

    #[tokio::test]
    async fn the_right_login_passes() {
        let right = basic("user:pass:word");
        let lower_case = right.replace("Basic", "basic");
        for authorization in [right, lower_case] {
            // There is nothing to tell yet.
            let status = status(&endpoint(), &Method::GET, &authorization).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{authorization}");
        }
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
            let status = status(&endpoint(), &Method::GET, &authorization).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization}");
        }
        let answer = endpoint().answer(&Method::GET, &HeaderMap::new()).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], CHALLENGE);
    }

    #[tokio::test]
    async fn the_login_is_asked_for_before_the_method_is_looked_at() {
        let endpoint = endpoint();
        assert_eq!(status(&endpoint, &Method::PUT, "Basic ").await, StatusCode::UNAUTHORIZED);
        let right = basic("user:pass:word");
        assert_eq!(status(&endpoint, &Method::PUT, &right).await, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn the_answer_to_head_has_no_body_whatever_it_is() {
        for authorization in ["Basic ", &basic("user:pass:word")] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
            let endpoint = endpoint();
            let get = endpoint.answer(&Method::GET, &headers).await;
            let head = endpoint.answer(&Method::HEAD, &headers).await;
            assert_eq!(head.status(), get.status());
            assert!(head.body().is_end_stream());
            let length = get.body().size_hint().exact().unwrap().to_string();
            assert_eq!(head.headers()[header::CONTENT_LENGTH], *length);
        }
    }

    #[tokio::test]
    async fn without_metrics_there_is_nothing_for_who_may_ask() {
        let nobody = with(false, None);
        assert_eq!(status(&nobody, &Method::GET, "Basic ").await, StatusCode::NOT_FOUND);
        let guarded = with(false, Some(login()));
        assert_eq!(status(&guarded, &Method::GET, "Basic ").await, StatusCode::UNAUTHORIZED);
        let right = format!("Basic {}", BASE64_STANDARD.encode("user:pass:word"));
        assert_eq!(status(&guarded, &Method::GET, &right).await, StatusCode::NOT_FOUND);
    }
}
