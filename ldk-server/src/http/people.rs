//! The page for people, at `/`. It is open to all: it tells nothing of this node until somebody signs in.

use axum::Router;

use super::file::File;
use crate::page::{ASSETS, CALLS_PATH, calls};

/// Everything comes from this server, and no text can become markup.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                   connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                   require-trusted-types-for 'script'; trusted-types 'none'";

/// The routes of the page, its files, and the list of calls.
pub(super) fn routes() -> Router {
    let list = File::new(calls().as_bytes(), "application/json", CSP);
    ASSETS.iter().fold(Router::new().route(CALLS_PATH, list.route()), |routes, asset| {
        let file = File::new(asset.content, asset.content_type, CSP);
        routes.route(asset.path, file.route())
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Method, Request, StatusCode, header};
    use tower::ServiceExt as _;

    use super::super::file::HEADERS;
    use super::*;

    #[tokio::test]
    async fn every_file_is_served_to_browsers_only_as_meant() {
        for path in ASSETS.iter().map(|asset| asset.path).chain([CALLS_PATH]) {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = routes().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            for (name, value) in HEADERS {
                assert_eq!(answer.headers()[&name], value, "{path}");
            }
            assert_eq!(answer.headers()[header::CONTENT_SECURITY_POLICY], CSP);
        }
    }

    #[tokio::test]
    async fn files_are_read_only() {
        let request = Request::builder().method(Method::POST).uri("/").body(Body::empty()).unwrap();
        let refused = routes().oneshot(request).await.unwrap();
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
