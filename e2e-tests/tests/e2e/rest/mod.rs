//! Calls in JSON: answered as in gRPC, under the same checks.

mod comparison;
mod credentials;
mod cross_origin;
mod document;
mod floods;
mod hostile;
mod likeness;
mod policy;
mod runes;
mod streams;

use anyhow::{Context as _, Result};
use e2e_tests::{Node, NodeConfig, RawAnswer, RawConnection};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::request;
use hyper::{Method, Request};
use serde_json::Value;

pub(crate) use likeness::snake;

/// A POST to this path, as a client would begin it.
pub(crate) fn post(node: &NodeConfig, path: &str) -> request::Builder {
    let uri = format!("https://{}{path}", node.grpc.address());
    Request::builder().method(Method::POST).uri(uri)
}

/// As [`post`], with JSON.
fn post_json(node: &NodeConfig, path: &str, rune: &str) -> request::Builder {
    post(node, path).header("content-type", "application/json").header("rune", rune)
}

/// Sends a request on a connection of its own.
pub(crate) async fn send(
    node: &Node,
    request: request::Builder,
    body: impl Into<Bytes>,
) -> Result<RawAnswer> {
    let mut connection = RawConnection::open(node.config()).await?;
    connection.send(request.body(Full::new(body.into()))?).await
}

/// The body of an answer.
fn json(answer: &RawAnswer) -> Result<Value> {
    serde_json::from_slice(&answer.body).with_context(|| format!("{answer:?}"))
}

/// The code of a refusal.
pub(crate) fn code(answer: &RawAnswer) -> Result<String> {
    let json = json(answer)?;
    Ok(json["code"].as_str().with_context(|| format!("no refusal: {answer:?}"))?.to_owned())
}
