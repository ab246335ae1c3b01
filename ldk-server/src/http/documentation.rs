//! `/openapi.json`, and the page `/docs` that shows it. Both are open to all, like reflection: they tell
//! nothing of this node.

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode};
use tokio::task::spawn_blocking;

use super::file::File;
use super::page::read_only;
use crate::openapi::{self, ASSETS};

const PATH: &str = "/openapi.json";
const REFUSAL: &str = "the documentation is read with GET\n";

/// Scripts and styles come from this server only. The icons of Swagger UI are in its styles.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                   connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of the document, and of the page if there is to be one.
pub(super) fn routes(has_page: bool) -> Router {
    let document = Router::new().route(PATH, read_only(document, REFUSAL));
    let assets = ASSETS.iter().filter(|_| has_page);
    assets.fold(document, |routes, asset| {
        let file = File::new(asset.content, asset.content_type, CSP).compressed(asset.is_gzip);
        routes.route(asset.path, file.route())
    })
}

/// The first request makes the document, which takes a while.
async fn document(request: Request<Body>) -> Response {
    let made = spawn_blocking(|| File::new(openapi::text().as_bytes(), "application/json", CSP));
    match made.await {
        Ok(file) => file.answer(request.headers()),
        Err(error) => {
            tracing::error!(%error, "cannot make the OpenAPI document");
            (StatusCode::INTERNAL_SERVER_ERROR, "internal error\n").into_response()
        },
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use http::Method;
    use http::header::{self, HeaderValue};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::super::file::HEADERS;
    use super::*;

    async fn ask(path: &str, etag: Option<&HeaderValue>) -> Response {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        if let Some(etag) = etag {
            request.headers_mut().insert(header::IF_NONE_MATCH, etag.clone());
        }
        routes(true).oneshot(request).await.unwrap()
    }

    async fn content(answer: Response) -> Bytes {
        answer.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn every_file_is_served_once() {
        for path in std::iter::once(PATH).chain(ASSETS.iter().map(|asset| asset.path)) {
            let first = ask(path, None).await;
            assert_eq!(first.status(), StatusCode::OK, "{path}");
            for (name, value) in HEADERS {
                assert_eq!(first.headers()[&name], value, "{path}");
            }
            assert_eq!(first.headers()[header::CONTENT_SECURITY_POLICY], CSP);
            let etag = first.headers()[header::ETAG].clone();
            assert!(!content(first).await.is_empty(), "{path}");
            let again = ask(path, Some(&etag)).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
            assert_eq!(again.headers()[header::ETAG], etag);
            assert!(content(again).await.is_empty(), "{path}");
            let other = HeaderValue::from_static("\"0\"");
            assert_eq!(ask(path, Some(&other)).await.status(), StatusCode::OK, "{path}");
        }
    }

    #[tokio::test]
    async fn files_are_read_only_and_the_page_can_be_left_out() {
        let post = |path| Request::builder().method(Method::POST).uri(path).body(Body::empty());
        let refused = routes(true).oneshot(post(PATH).unwrap()).await.unwrap();
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        for asset in &ASSETS {
            let request = Request::get(asset.path).body(Body::empty()).unwrap();
            let answer = routes(false).oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{}", asset.path);
        }
    }

    #[tokio::test]
    async fn the_page_names_only_files_that_are_there_and_has_no_script_of_its_own() {
        let page = content(ask("/docs", None).await).await;
        let page = std::str::from_utf8(&page).unwrap();
        let links = page.split(['"']).filter(|text| text.starts_with('/'));
        let links: Vec<_> = links.collect();
        assert!(links.len() >= 4, "{links:?}");
        for link in links {
            assert_eq!(ask(link, None).await.status(), StatusCode::OK, "{link}");
        }
        for script in page.split("<script").skip(1) {
            assert!(
                script.contains(" src=\"/docs/") && script.contains("\"></script>"),
                "{script}"
            );
        }
        assert!(!page.contains("style=") && !page.contains("://"));
    }
}
