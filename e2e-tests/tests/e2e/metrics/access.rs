//! Who may read the metrics, and over which HTTP.

use std::io;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e_tests::{NodeConfig, RawAnswer, RawConnection, tls_connect, until};
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, Request, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::metrics::{LOGIN, METRICS, PATIENCE, parsed};

const FORMAT: &str = "text/plain; version=0.0.4";

pub(crate) async fn they_are_off_unless_switched_on(node: &NodeConfig) -> Result<()> {
    for login in [None, Some(basic(LOGIN))] {
        let answer = ask(node, Method::GET, login.as_deref()).await?;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    assert!(ask_http_1(node, "GET", "").await?.starts_with("HTTP/1.1 404 "));
    Ok(())
}

pub(crate) async fn anybody_reads_them_over_both_versions_of_http(node: &NodeConfig) -> Result<()> {
    // Before the first look at the node there is nothing to tell.
    let answer = until("there are metrics", PATIENCE, async || {
        let answer = ask(node, Method::GET, None).await?;
        ensure!(answer.status == StatusCode::OK, "{answer:?}");
        Ok(answer)
    })
    .await?;
    assert_eq!(header(&answer.headers, "content-type"), FORMAT);
    let text = std::str::from_utf8(&answer.body)?;
    let values = parsed(text)?;
    for (name, kind) in METRICS {
        assert!(values.contains_key(name), "{name}");
        let described = format!("# TYPE ldk_server_{name} {kind}\nldk_server_{name} ");
        assert!(text.contains(&described), "{described} is not in {text}");
        assert!(text.contains(&format!("# HELP ldk_server_{name} ")), "{name}");
    }

    let answer = ask_http_1(node, "GET", "").await?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| answer.clone())?;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains(&format!("content-type: {FORMAT}")), "{head}");
    assert!(
        METRICS.iter().all(|(name, _)| body.contains(&format!("\nldk_server_{name} "))),
        "{body}"
    );
    // A login that nobody asked for does no harm.
    assert_eq!(ask(node, Method::GET, Some(&basic(LOGIN))).await?.status, StatusCode::OK);
    Ok(())
}

pub(crate) async fn only_reading_is_allowed(node: &NodeConfig) -> Result<()> {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = ask(node, method, None).await?;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&answer.headers, "allow"), "GET, HEAD");
    }
    let answer = ask_http_1(node, "POST", "content-length: 0\r\n").await?;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");

    let answer = ask(node, Method::HEAD, None).await?;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(header(&answer.headers, "content-type"), FORMAT);
    assert!(answer.body.is_empty(), "{answer:?}");
    let answer = ask_http_1(node, "HEAD", "").await?;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");

    // Nothing is below the path.
    let mut below = request(node, Method::GET);
    *below.uri_mut() = format!("https://{}/metrics/", node.grpc.address()).parse()?;
    let answer = RawConnection::open(node).await?.send(below).await?;
    assert_eq!(answer.grpc_status()?, 12);
    Ok(())
}

pub(crate) async fn a_login_is_asked_for(node: &NodeConfig) -> Result<()> {
    let encoded = BASE64_STANDARD.encode(LOGIN);
    for authorization in [
        None,
        Some(String::new()),
        Some("Basic".to_owned()),
        Some("Basic ????".to_owned()),
        Some(encoded.clone()),
        Some(format!("Bearer {encoded}")),
        Some(basic("prometheus")),
        Some(basic("prometheus:")),
        Some(basic("prometheus:a secre")),
        Some(basic("prometheus:a secret!")),
        Some(basic("prometheus:A secret")),
        Some(basic("nobody:a secret")),
    ] {
        for method in [Method::GET, Method::HEAD, Method::PUT] {
            let answer = ask(node, method, authorization.as_deref()).await?;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{authorization:?}");
            let challenge = header(&answer.headers, "www-authenticate");
            assert_eq!(challenge, "Basic realm=\"metrics\"");
            assert!(!String::from_utf8_lossy(&answer.body).contains("ldk_server"));
        }
    }
    let refused = ask_http_1(node, "GET", "").await?;
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");

    for authorization in [basic(LOGIN), format!("basic {encoded}")] {
        until("the login is accepted", PATIENCE, async || {
            let answer = ask(node, Method::GET, Some(&authorization)).await?;
            ensure!(answer.status == StatusCode::OK, "{answer:?}");
            Ok(())
        })
        .await?;
        let header = format!("authorization: {authorization}\r\n");
        let answer = ask_http_1(node, "GET", &header).await?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    Ok(())
}

fn request(node: &NodeConfig, method: Method) -> Request<Full<hyper::body::Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method;
    if let Ok(uri) = format!("https://{}/metrics", node.grpc.address()).parse() {
        *request.uri_mut() = uri;
    }
    request
}

/// The answer over HTTP/2.
pub(crate) async fn ask(
    node: &NodeConfig,
    method: Method,
    authorization: Option<&str>,
) -> Result<RawAnswer> {
    let mut request = request(node, method);
    if let Some(value) = authorization {
        request.headers_mut().insert(AUTHORIZATION, value.parse()?);
    }
    RawConnection::open(node).await?.send(request).await
}

/// The answer over HTTP/1.1, as it was on the wire.
async fn ask_http_1(node: &NodeConfig, method: &str, header: &str) -> Result<String> {
    let mut stream = tls_connect(node, rustls::DEFAULT_VERSIONS, &["http/1.1"]).await?;
    let request = format!(
        "{method} /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)).flatten()?;
    Ok(String::from_utf8(answer)?)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

pub(crate) fn basic(login: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(login))
}
