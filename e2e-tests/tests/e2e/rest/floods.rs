//! What strangers send to the interfaces that are not gRPC, and slow bodies.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Attack, Network, Node, print_uncaptured, resident_bytes, tls_connect};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::http::request;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{post, post_json, send};
use crate::permissions::rune;

const PATIENCE: Duration = Duration::from_secs(60);
/// Less than the slow are given: who waits for one of them waits longer.
const AT_ONCE: Duration = Duration::from_secs(2);
/// How long an honest caller waits, on a machine that also runs the flood.
const HONEST_PATIENCE: Duration = Duration::from_secs(10);
/// Honest calls during each flood.
const CALLS: usize = 100;
const CONNECTIONS: usize = 40;
/// More than a stranger may have on each of them.
const STREAMS: usize = 64;
/// What the node may need for a flood.
const MAX_TAKEN_BYTES: u64 = 64 * 1024 * 1024;
const SHORT: &str = "[limits]\nrequest_timeout_secs = 3\n";
const BODY_TIMEOUT: Duration = Duration::from_secs(3);
/// How slow bodies arrive, byte by byte.
const EACH_BYTE: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn strangers_take_little_and_hold_up_nobody() -> Result<()> {
    let network = Network::start_measuring().await?;
    let alice = network.node("alice").await?;
    let rune = rune(&alice, &["--preset", "admin"]).await?;
    // So that what is made once is there.
    honest(&alice, &rune).await?;
    for attack in
        [Attack::Json, Attack::JsonHeaders, Attack::Pages, Attack::PagesByHttp1, Attack::Feeds]
    {
        withstands(&alice, &rune, attack).await?;
    }
    network.stop().await
}

async fn withstands(node: &Arc<Node>, rune: &str, attack: Attack) -> Result<()> {
    let pid = node.pid().await?;
    let (before, mut most, mut slowest) = (resident_bytes(pid)?, 0, Duration::ZERO);
    let mut attackers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let node = Arc::clone(node);
        attackers.spawn(async move {
            // Again when it was sent away.
            while attack.take_part(node.config(), STREAMS).await.is_ok() {}
        });
    }
    for _ in 0..CALLS {
        slowest = slowest.max(honest(node, rune).await.with_context(|| format!("{attack:?}"))?);
        most = most.max(resident_bytes(pid)?);
    }
    attackers.shutdown().await;
    let taken = most.saturating_sub(before) / 1024;
    print_uncaptured(&format!("{attack:?} takes {taken} KiB; honest calls {slowest:?} at most"));
    ensure!(taken * 1024 < MAX_TAKEN_BYTES, "{attack:?} takes {taken} KiB");
    Ok(())
}

/// How long a call takes on a connection of its own.
async fn honest(node: &Node, rune: &str) -> Result<Duration> {
    let sent = Instant::now();
    let call = send(node, post_json(node.config(), "/v1/get-node-info", rune), "{}");
    let answer = timeout(HONEST_PATIENCE, call).await.context("no answer")??;
    ensure!(answer.status == StatusCode::OK, "{answer:?}");
    Ok(sent.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_end() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", SHORT).await?;
    let rune = rune(&alice, &["--preset", "admin"]).await?;
    for protocol in ["h2", "http/1.1"] {
        for path in ["/v1/get-node-info", "/api.LightningNode/GetNodeInfo"] {
            let request = post_json(alice.config(), path, &rune).header("host", "localhost");
            let sent = Instant::now();
            let answer = byte_by_byte(&alice, protocol, request).await?;
            ensure!(answer.status() == StatusCode::GATEWAY_TIMEOUT, "{path}: {answer:?}");
            ensure!(sent.elapsed() >= BODY_TIMEOUT, "it was not waited for");
            let told = error(answer).await?;
            assert_eq!(told["code"], "deadline_exceeded", "{told}");
            let message = told["message"].as_str().context("no message")?;
            ensure!(message.starts_with("limits.request_timeout_secs"), "{message}");
        }
        // What a stranger sends is not waited for.
        let request = post(alice.config(), "/v1/get-node-info").header("host", "localhost");
        let answer = timeout(AT_ONCE, byte_by_byte(&alice, protocol, request)).await??;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    network.stop().await
}

/// Sends a request with a body that does not end, and reads the head of the answer.
async fn byte_by_byte(
    node: &Node,
    protocol: &str,
    request: request::Builder,
) -> Result<Response<Incoming>> {
    let mut ticks = interval(EACH_BYTE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let bytes = stream::unfold(ticks, |mut ticks| async move {
        ticks.tick().await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b" "))), ticks))
    });
    let request = request.body(StreamBody::new(Box::pin(bytes)))?;
    let stream =
        TokioIo::new(tls_connect(node.config(), rustls::DEFAULT_VERSIONS, &[protocol]).await?);
    let answering = async {
        if protocol == "h2" {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await
        } else {
            let (mut sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await
        }
    };
    timeout(PATIENCE, answering).await.context("it is not ended")?.map_err(Into::into)
}

async fn error(answer: Response<Incoming>) -> Result<Value> {
    let body = timeout(PATIENCE, answer.into_body().collect()).await??;
    Ok(serde_json::from_slice(&body.to_bytes())?)
}
