//! What browsers are told about the pages of others that may call.

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, RawAnswer};
use hyper::{HeaderMap, Method};

use super::{post, post_json, send};
use crate::permissions::rune;

const ALLOWED: [&str; 3] =
    ["https://shop.example", "http://127.0.0.1:8080", "https://till-7.shop.example:444"];
const REFUSED: [&str; 5] = [
    "https://evil.example",
    "https://shop.example.evil.example",
    "http://shop.example",
    "https://till-x.shop.example:444",
    "null",
];
const SECTIONS: &str = "[http]\ncors_origins = [\"https://shop.example\", \"http://127.0.0.1:8080\", \
                        \"https://till-[0-9]+\\\\.shop\\\\.example(:[0-9]+)?\"]\n";
/// A path of each way to call, its method, and the headers that programs send there.
const WAYS: [(&str, &str, &str); 5] = [
    ("/v1/get-node-info", "POST", "rune,content-type"),
    ("/v1/get-node-info", "POST", "authorization,x-auth"),
    (
        "/api.LightningNode/GetNodeInfo",
        "POST",
        "connect-protocol-version,connect-timeout-ms,connect-accept-encoding,content-type,rune",
    ),
    (
        "/api.LightningNode/GetNodeInfo",
        "POST",
        "content-type,grpc-timeout,rune,x-grpc-web,x-user-agent",
    ),
    ("/v1/events", "GET", "last-event-id,rune"),
];

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_configured_origins_may_call_and_no_others() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", SECTIONS).await?;
    for way in WAYS {
        for origin in ALLOWED {
            let answer = preflight(&alice, way, origin).await?;
            permits(&answer, way, origin)
                .with_context(|| format!("{origin} {way:?}: {answer:?}"))?;
        }
        for origin in REFUSED {
            let answer = preflight(&alice, way, origin).await?;
            ensure!(is_silent(&answer.headers), "{origin} {way:?}: {answer:?}");
            ensure!(varies(&answer.headers), "{answer:?}");
        }
    }
    let rune = rune(&alice, &["--preset", "read"]).await?;
    answers_tell_what_may_be_read(&alice, &rune).await?;
    network.stop().await
}

/// What a browser asks before it sends such a request for a page of this origin.
async fn preflight(
    node: &Node,
    (path, method, headers): (&str, &str, &str),
    origin: &str,
) -> Result<RawAnswer> {
    let request = post(node.config(), path).method(Method::OPTIONS).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    send(node, request.header("access-control-request-headers", headers), "").await
}

fn permits(
    answer: &RawAnswer,
    (_, method, headers): (&str, &str, &str),
    origin: &str,
) -> Result<()> {
    ensure!(answer.status.is_success() && answer.body.is_empty());
    let found = &answer.headers;
    ensure!(found["access-control-allow-origin"] == origin);
    ensure!(found["access-control-max-age"] == "600");
    // A credential of the browser's own, such as a certificate, counts for no page of others.
    ensure!(!found.contains_key("access-control-allow-credentials"));
    ensure!(names(found, "access-control-allow-methods").contains(&method.to_lowercase()));
    let allowed = names(found, "access-control-allow-headers");
    for header in headers.split(',') {
        ensure!(allowed.iter().any(|allowed| allowed == header), "{header}");
    }
    ensure!(varies(found));
    Ok(())
}

/// Whether a browser is not told that a page may call.
fn is_silent(headers: &HeaderMap) -> bool {
    !headers.contains_key("access-control-allow-origin")
}

/// Whether caches are told that the answer is for pages of one origin.
fn varies(headers: &HeaderMap) -> bool {
    names(headers, "vary").iter().any(|name| name == "origin")
}

/// The names in a header that is a list.
fn names(headers: &HeaderMap, header: &str) -> Vec<String> {
    let values = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(','));
    names.map(|name| name.trim().to_lowercase()).collect()
}

async fn answers_tell_what_may_be_read(node: &Node, rune: &str) -> Result<()> {
    for origin in ALLOWED {
        let request = post_json(node.config(), "/v1/get-node-info", rune).header("origin", origin);
        let answer = send(node, request, "{}").await?;
        ensure!(answer.status == 200, "{origin}: {answer:?}");
        ensure!(answer.headers["access-control-allow-origin"] == origin, "{answer:?}");
        ensure!(varies(&answer.headers), "{answer:?}");
        let exposed = names(&answer.headers, "access-control-expose-headers");
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id"] {
            ensure!(exposed.iter().any(|exposed| exposed == name), "{name}: {answer:?}");
        }
    }
    for origin in REFUSED {
        let request = post_json(node.config(), "/v1/get-node-info", rune).header("origin", origin);
        let answer = send(node, request, "{}").await?;
        ensure!(answer.status == 403 && is_silent(&answer.headers), "{origin}: {answer:?}");
    }
    Ok(())
}
