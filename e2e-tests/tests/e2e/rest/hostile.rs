//! Requests that no honest client sends, and forms that only a few do.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e_tests::{Network, Node, grpc_frame};
use hyper::Method;

use super::{code, json, post, post_json, send};
use crate::permissions::rune;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_told() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let rune = rune(&alice, &["--preset", "admin"]).await?;
    bad_json_is_refused(&alice, &rune).await?;
    bad_heads_are_refused(&alice, &rune).await?;
    pages_of_others_are_refused(&alice, &rune).await?;
    grpc_web_is_answered(&alice, &rune).await?;
    network.stop().await
}

async fn bad_json_is_refused(node: &Node, rune: &str) -> Result<()> {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!("{{\"invoice\":\"{}\"}}", "x".repeat(11 * 1024 * 1024));
    for body in [
        "{".to_owned(),
        "[]".to_owned(),
        "{\"no_such_field\":1}".to_owned(),
        "{\"amount_msat\":1,\"amount_msat\":2}".to_owned(),
        "{\"amount_msat\":1e400}".to_owned(),
        "{\"amount_msat\":18446744073709551616}".to_owned(),
        "{\"amount_msat\":-1}".to_owned(),
        "{\"amount_msat\":0.5}".to_owned(),
        format!("{{\"invoice\":{deep}}}"),
        deep,
        large,
    ] {
        let start: String = body.chars().take(60).collect();
        let answer = send(node, post_json(node.config(), "/v1/bolt11-send", rune), body).await?;
        ensure!(code(&answer)? == "invalid_argument", "{start}: {answer:?}");
        ensure!(answer.body.len() < 1000, "{start}: {answer:?}");
    }
    for body in [&b"\xff\xfe{\0}\0"[..], b"{\"invoice\":\"\xe9\"}"] {
        let answer = send(node, post_json(node.config(), "/v1/bolt11-send", rune), body).await?;
        ensure!(code(&answer)? == "invalid_argument", "{answer:?}");
    }
    Ok(())
}

async fn bad_heads_are_refused(node: &Node, rune: &str) -> Result<()> {
    let request = |path: &str| post(node.config(), path).header("rune", rune);
    let path = "/v1/get-node-info";
    for (request, status) in [
        (request(path).header("content-type", "text/plain"), 415),
        (request(path).header("content-type", "application/json; charset=utf-16"), 415),
        (request(path).header("content-type", "application/json; charset=utf-8"), 200),
        (request(path).header("content-encoding", "gzip"), 501),
        (request(path).header("connect-timeout-ms", "soon"), 400),
        (request(path).header("connect-timeout-ms", "0"), 504),
        (request(&format!("{path}?limit=5")), 400),
        (request(path).method(Method::GET), 405),
        (request(path).method(Method::DELETE), 405),
        (request("/v1/no-such-call"), 501),
        (request("/v1/GetNodeInfo"), 501),
        (request("/v1/subscribe-events"), 400),
        (
            request("/api.LightningNode/OnchainReceive?connect=v1&message=%7B%7D")
                .method(Method::GET),
            400,
        ),
        (
            request("/api.LightningNode/GetNodeInfo?connect=v1&message=e30&base64=1")
                .method(Method::GET),
            200,
        ),
    ] {
        let shown = format!("{request:?}");
        let answer = send(node, request, "").await?;
        ensure!(answer.status == status, "{shown}: {answer:?}");
        ensure!(json(&answer)?.is_object(), "{shown}: {answer:?}");
    }
    Ok(())
}

async fn pages_of_others_are_refused(node: &Node, rune: &str) -> Result<()> {
    let path = "/v1/onchain-receive";
    let own = format!("https://{}", node.config().grpc.address());
    for (origin, status) in [(&*own, 200), ("https://evil.example", 403), ("null", 403)] {
        for content_type in ["application/json", "text/plain", "application/x-www-form-urlencoded"]
        {
            if status == 200 && content_type == "text/plain" {
                continue;
            }
            let request = post(node.config(), path).header("rune", rune).header("origin", origin);
            let answer = send(node, request.header("content-type", content_type), "").await?;
            ensure!(answer.status == status, "{origin} {content_type}: {answer:?}");
            ensure!(answer.headers["x-content-type-options"] == "nosniff", "{answer:?}");
        }
    }
    Ok(())
}

async fn grpc_web_is_answered(node: &Node, rune: &str) -> Result<()> {
    for (content_type, body) in [
        ("application/grpc-web+proto", grpc_frame(&[])),
        ("application/grpc-web-text", BASE64_STANDARD.encode(grpc_frame(&[])).into_bytes()),
    ] {
        let request = post(node.config(), "/api.LightningNode/GetNodeInfo")
            .header("content-type", content_type)
            .header("accept", content_type)
            .header("x-grpc-web", "1");
        let stranger = send(node, request, body.clone()).await?;
        let request = post(node.config(), "/api.LightningNode/GetNodeInfo")
            .header("content-type", content_type)
            .header("accept", content_type)
            .header("rune", rune);
        let answer = send(node, request, body).await?;
        let text = |body: &[u8]| {
            // Each part of the body is padded.
            let parts: Result<Vec<_>, _> =
                body.chunks(4).map(|part| BASE64_STANDARD.decode(part)).collect();
            let body = parts.map_or_else(|_| body.to_vec(), |parts| parts.concat());
            String::from_utf8_lossy(&body).into_owned()
        };
        ensure!(text(&answer.body).contains(node.id()), "{content_type}: {answer:?}");
        let refused = format!("{:?}{}", stranger.headers, text(&stranger.body));
        ensure!(refused.contains("grpc-status"), "{stranger:?}");
        ensure!(!refused.contains(node.id()), "{stranger:?}");
    }
    Ok(())
}
