//! Files for browsers: what never changes while the server runs.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use ldk_node::bitcoin::hashes::{Hash as _, sha256};

use super::page::read_only;

const REFUSAL: &str = "this is read with GET\n";

/// For browsers. What they have cached is used again only if it is still the same.
pub(super) const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-cache"),
];

/// What is served at a path.
#[derive(Clone)]
pub(super) struct File {
    content: Bytes,
    content_type: &'static str,
    policy: &'static str,
    is_gzip: bool,
    etag: HeaderValue,
}

impl File {
    /// A file that a browser may use as this policy says.
    pub(super) fn new(
        content: &'static [u8],
        content_type: &'static str,
        policy: &'static str,
    ) -> Self {
        let etag = format!("\"{:x}\"", sha256::Hash::hash(content));
        // Hex digits in quotes are a value.
        let etag = HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\""));
        let content = Bytes::from_static(content);
        Self { content, content_type, policy, is_gzip: false, etag }
    }

    /// The same, of which the content is compressed.
    pub(super) fn compressed(self, is_gzip: bool) -> Self {
        Self { is_gzip, ..self }
    }

    /// What answers requests for it.
    pub(super) fn route(self) -> MethodRouter {
        read_only(
            async move |request: Request<Body>| self.clone().answer(request.headers()),
            REFUSAL,
        )
    }

    /// The file, or that the caller has it already.
    pub(super) fn answer(self, headers: &HeaderMap) -> Response {
        let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| {
            let known = known.as_bytes();
            known == b"*" || known.windows(self.etag.len()).any(|part| part == self.etag.as_bytes())
        });
        let mut answer = match is_known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => ([(header::CONTENT_TYPE, self.content_type)], self.content).into_response(),
        };
        let headers = answer.headers_mut();
        headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(self.policy));
        if self.is_gzip && !is_known {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(header::ETAG, self.etag);
        answer
    }
}
