//! `/metrics`: who may read them, and the answer over HTTP.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use ldk_node::bitcoin::hashes::{Hash as _, cmp, sha256};
use secrecy::ExposeSecret as _;
use tonic::body::Body;

use super::http::{READING, plain, with_header, without_body};
use crate::config::{MetricsConfig, MetricsLogin};
use crate::metrics::Latest;

const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"metrics\"");
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static(prometheus::TEXT_FORMAT);

/// What answers requests for the metrics.
#[derive(Clone)]
pub struct MetricsEndpoint {
    login: Option<Arc<Login>>,
    /// `None` if they are not enabled.
    latest: Option<Latest>,
}

impl MetricsEndpoint {
    /// Answers with the latest metrics, if they are configured.
    pub fn new(config: &MetricsConfig, latest: Latest) -> Self {
        Self {
            login: config.login.as_ref().map(|login| Arc::new(Login::new(login))),
            latest: config.enabled.then_some(latest),
        }
    }

    pub(super) fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<Body> {
        let answer = self.looked_up(method, headers);
        if method == Method::HEAD { without_body(answer) } else { answer }
    }

    fn looked_up(&self, method: &Method, headers: &HeaderMap) -> Response<Body> {
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
        let text = latest.borrow().as_ref().map(crate::metrics::Metrics::text);
        match text {
            Some(Ok(text)) => {
                let found = Response::new(Body::new(text));
                with_header(found, header::CONTENT_TYPE, CONTENT_TYPE)
            },
            Some(Err(error)) => {
                tracing::error!("cannot write the metrics: {error}");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
            },
            None => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "the node is starting; there are no metrics yet\n",
            ),
        }
    }
}

/// The user and password that must be given (RFC 7617).
struct Login {
    /// A digest, so that comparing takes the same time for every length.
    digest: sha256::Hash,
}

impl Login {
    fn new(MetricsLogin { username, password }: &MetricsLogin) -> Self {
        let expected = zeroize::Zeroizing::new(format!("{username}:{}", password.expose_secret()));
        Self { digest: sha256::Hash::hash(expected.as_bytes()) }
    }

    fn is_given(&self, headers: &HeaderMap) -> bool {
        let given = credentials(headers).map(|given| sha256::Hash::hash(&given));
        given.is_some_and(|given| {
            cmp::fixed_time_eq(given.as_byte_array(), self.digest.as_byte_array())
        })
    }
}

/// What is in the header, as `user:password`.
fn credentials(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let encoded = scheme.eq_ignore_ascii_case("Basic").then_some(encoded)?;
    BASE64_STANDARD.decode(encoded.trim_matches(' ')).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body::Body as _;
    use tokio::sync::watch;

    use super::*;

    fn with(enabled: bool, login: Option<MetricsLogin>) -> MetricsEndpoint {
        let config = MetricsConfig { enabled, poll_interval: Duration::from_secs(1), login };
        MetricsEndpoint::new(&config, watch::channel(None).1)
    }

    fn login() -> MetricsLogin {
        MetricsLogin { username: "user".to_owned(), password: "pass:word".into() }
    }

    fn endpoint() -> MetricsEndpoint {
        with(true, Some(login()))
    }

    fn status(endpoint: &MetricsEndpoint, method: &Method, authorization: &str) -> StatusCode {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        endpoint.answer(method, &headers).status()
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(credentials))
    }

    #[test]
    fn the_right_login_passes() {
        let right = basic("user:pass:word");
        let lower_case = right.replace("Basic", "basic");
        for authorization in [right, lower_case] {
            // There is nothing to tell yet.
            let status = status(&endpoint(), &Method::GET, &authorization);
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{authorization}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
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
            let status = status(&endpoint(), &Method::GET, &authorization);
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization}");
        }
        let answer = endpoint().answer(&Method::GET, &HeaderMap::new());
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], CHALLENGE);
    }

    #[test]
    fn the_login_is_asked_for_before_the_method_is_looked_at() {
        let endpoint = endpoint();
        assert_eq!(status(&endpoint, &Method::PUT, "Basic "), StatusCode::UNAUTHORIZED);
        let right = basic("user:pass:word");
        assert_eq!(status(&endpoint, &Method::PUT, &right), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn the_answer_to_head_has_no_body_whatever_it_is() {
        for authorization in ["Basic ", &basic("user:pass:word")] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
            let [get, head] =
                [Method::GET, Method::HEAD].map(|method| endpoint().answer(&method, &headers));
            assert_eq!(head.status(), get.status());
            assert!(head.body().is_end_stream());
            let length = get.body().size_hint().exact().unwrap().to_string();
            assert_eq!(head.headers()[header::CONTENT_LENGTH], *length);
        }
    }

    #[test]
    fn without_metrics_there_is_nothing_for_who_may_ask() {
        let nobody = with(false, None);
        assert_eq!(status(&nobody, &Method::GET, "Basic "), StatusCode::NOT_FOUND);
        let guarded = with(false, Some(login()));
        assert_eq!(status(&guarded, &Method::GET, "Basic "), StatusCode::UNAUTHORIZED);
        let right = format!("Basic {}", BASE64_STANDARD.encode("user:pass:word"));
        assert_eq!(status(&guarded, &Method::GET, &right), StatusCode::NOT_FOUND);
    }
}
