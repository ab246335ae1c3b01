//! A client of server-sent events, over HTTP/1.1, and what lies between it and the node.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Nginx, Node, NodeConfig, tls_connect_by};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::{CHANNEL_SATS, pay, rune_for_events};

const PATIENCE: Duration = Duration::from_secs(60);
/// nginx gives up on an answer of which it has heard nothing for 60 seconds.
const QUIET: Duration = Duration::from_secs(70);

/// A stream that has begun.
pub(super) struct ServerSent {
    body: Incoming,
    read: String,
    heartbeats: usize,
}

/// The head of the answer to a GET, and its body, of which nothing is read.
pub(super) async fn answer(
    node: &Node,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response<Incoming>> {
    answer_by(&node.config().grpc.address(), node.config(), path, headers).await
}

async fn answer_by(
    address: &str,
    node: &NodeConfig,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response<Incoming>> {
    let stream = TokioIo::new(tls_connect_by(address, node).await?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection);
    let mut request = Request::get(path).header("host", address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?);
    timeout(PATIENCE, answer).await.context("there is no head")?.map_err(Into::into)
}

/// The newest event, as the head of a stream tells.
pub(super) async fn head(node: &Node, rune: &str) -> Result<u64> {
    let answer = answer(node, "/v1/events", &[("rune", rune)]).await?;
    let head = answer.headers().get("event-head-index").context("no event-head-index")?;
    Ok(head.to_str()?.parse()?)
}

impl ServerSent {
    pub(super) async fn open(
        node: &Node,
        path: &str,
        rune: &str,
        last_event_id: Option<u64>,
    ) -> Result<Self> {
        Self::open_by(&node.config().grpc.address(), node, path, rune, last_event_id).await
    }

    async fn open_by(
        address: &str,
        node: &Node,
        path: &str,
        rune: &str,
        last_event_id: Option<u64>,
    ) -> Result<Self> {
        let id = last_event_id.map(|id| id.to_string());
        let mut headers = vec![("rune", rune)];
        headers.extend(id.as_deref().map(|id| ("last-event-id", id)));
        let answer = answer_by(address, node.config(), path, &headers).await?;
        ensure!(answer.status() == StatusCode::OK, "{answer:?}");
        ensure!(answer.headers()["content-type"] == "text/event-stream", "{answer:?}");
        Ok(Self { body: answer.into_body(), read: String::new(), heartbeats: 0 })
    }

    /// The next event, or the error that is the last one.
    pub(super) async fn next(&mut self) -> Result<Value> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.read = rest;
                match block.lines().find_map(|line| line.strip_prefix("data: ")) {
                    Some(data) => return Ok(serde_json::from_str(data)?),
                    None => self.heartbeats += usize::from(block == ":"),
                }
                continue;
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<()> {
        let frame = timeout(PATIENCE, self.body.frame()).await.context("nothing came")?;
        let frame = frame.context("the stream has ended")??;
        if let Ok(data) = frame.into_data() {
            self.read.push_str(std::str::from_utf8(&data)?);
        }
        Ok(())
    }

    /// The next events have these numbers.
    pub(super) async fn are_numbered(&mut self, indices: RangeInclusive<u64>) -> Result<()> {
        for index in indices {
            let event = self.next().await?;
            assert_eq!(event["event_index"], index, "{event}");
        }
        Ok(())
    }

    /// Waits for the end of the stream.
    pub(super) async fn has_ended(&mut self) -> Result<()> {
        while self.read_more().await.is_ok() {}
        Ok(())
    }

    /// Reads comments until this time.
    async fn is_quiet_until(&mut self, end: Instant) -> Result<()> {
        match tokio::time::timeout_at(end, self.next()).await {
            Err(_) => Ok(()),
            Ok(event) => anyhow::bail!("it was not quiet: {event:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_between_cuts_no_quiet_stream_and_loses_nothing() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let rune = rune_for_events(&bob).await?;
    let proxy = Nginx::before(bob.config()).await?;
    let address = proxy.address();
    let last = head(&bob, &rune).await?;
    let path = format!("/v1/events?after={last}");
    let mut events = ServerSent::open_by(&address, &bob, &path, &rune, None).await?;
    // What is waited for is the patience of the real proxy.
    events.is_quiet_until(Instant::now() + QUIET).await?;
    assert!(events.heartbeats >= 4, "{}", events.heartbeats);
    pay(&alice, &bob).await?;
    let head_before = head(&bob, &rune).await?;
    events.are_numbered(last + 1..=head_before).await?;
    bob.stop().await?;
    events.has_ended().await?;
    bob.start_again().await?;
    network.usable(&alice, &bob).await?;
    pay(&alice, &bob).await?;
    let head_after = head(&bob, &rune).await?;
    let mut events = ServerSent::open_by(&address, &bob, &path, &rune, Some(head_before)).await?;
    events.are_numbered(head_before + 1..=head_after).await?;
    network.stop().await
}
