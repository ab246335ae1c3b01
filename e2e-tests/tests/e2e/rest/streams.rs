//! Streams of the Connect protocol: the same messages as in gRPC, and the same ends.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, RawConnection, grpc_frame, grpc_request, tls_connect_by};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use ldk_server::api::{Kind, specs};
use ldk_server::json::{Method, method};
use ldk_server_client::Code;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::likeness::snake;
use super::{post, post_json, send};
use crate::permissions::rune;

const PATIENCE: Duration = Duration::from_secs(60);
const ENVELOPES: &str = "application/connect+json";
const HEADER_BYTES: usize = 5;
/// The flag of the last envelope.
const END: u8 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn streams_have_the_same_messages_in_json_as_in_grpc() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    alice.pays(&bob, 50_000).await?;
    let rune = rune(&alice, &["--preset", "admin"]).await?;
    // A stream that is not tried here is one too many.
    let streams = specs().iter().filter(|spec| spec.kind == Kind::Stream);
    let names: Vec<_> = streams.map(|spec| spec.name).collect();
    assert_eq!(names, ["SubscribeEvents", "ExportPayments", "CreateBackup"]);
    events_are_the_same(&alice, &rune).await?;
    ends_are_the_same(&alice, &rune).await?;
    what_has_begun_ends_with_the_reason(&alice, &rune).await?;
    a_backup_is_whole(&alice, &rune).await?;
    the_books_end_without_an_error(&alice, &rune).await?;
    calls_are_answered_over_http_1(&alice, &rune).await?;
    network.stop().await
}

/// A stream of envelopes, or of gRPC frames, which have the same heads.
struct Envelopes {
    body: Incoming,
    read: Vec<u8>,
}

impl Envelopes {
    async fn next(&mut self) -> Result<(u8, Vec<u8>)> {
        loop {
            if let Some((&[flags, length @ ..], rest)) =
                self.read.split_first_chunk::<HEADER_BYTES>()
            {
                let length = u32::from_be_bytes(length) as usize;
                if let Some(message) = rest.get(..length) {
                    let message = message.to_vec();
                    self.read.drain(..HEADER_BYTES + length);
                    return Ok((flags, message));
                }
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.context("nothing came")?;
            let frame = frame.context("it has ended without a last envelope")??;
            self.read.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }

    /// The JSON in the next envelope, and whether it is the last.
    async fn next_json(&mut self) -> Result<(bool, Value)> {
        let (flags, text) = self.next().await?;
        ensure!(flags == 0 || flags == END, "flags {flags}");
        Ok((flags == END, serde_json::from_slice(&text)?))
    }
}

/// Begins a stream in JSON.
async fn in_json(
    node: &Node,
    rune: &str,
    name: &str,
    request: &Value,
) -> Result<Response<Incoming>> {
    let post = post(node.config(), &format!("/api.LightningNode/{name}"))
        .header("content-type", ENVELOPES)
        .header("connect-protocol-version", "1")
        .header("rune", rune);
    let body = grpc_frame(request.to_string().as_bytes());
    let mut connection = RawConnection::open(node.config()).await?;
    connection.begin_unread(post.body(Full::new(Bytes::from(body)))?).await
}

/// Begins the same stream in gRPC.
async fn in_grpc(
    node: &Node,
    rune: &str,
    name: &str,
    request: &Value,
) -> Result<Response<Incoming>> {
    let of: &Method = method(name).with_context(|| name.to_owned())?;
    let message = ldk_server::json::decode(&of.request, request.to_string().as_bytes())?;
    let post = grpc_request(node.config(), name).header("rune", rune);
    let mut connection = RawConnection::open(node.config()).await?;
    connection.begin_unread(post.body(Full::new(Bytes::from(grpc_frame(&message))))?).await
}

fn envelopes(answer: Response<Incoming>) -> Envelopes {
    Envelopes { body: answer.into_body(), read: Vec::new() }
}

async fn events_are_the_same(node: &Node, rune: &str) -> Result<()> {
    let (name, request) = ("SubscribeEvents", json!({"resume_after_index": 0}));
    let json = in_json(node, rune, name, &request).await?;
    assert_eq!(json.status(), StatusCode::OK);
    assert_eq!(json.headers()["content-type"], ENVELOPES);
    let grpc = in_grpc(node, rune, name, &request).await?;
    for header in ["event-head-index", "event-oldest-index"] {
        assert_eq!(json.headers()[header], grpc.headers()[header]);
    }
    let head: u64 = grpc.headers()["event-head-index"].to_str()?.parse()?;
    ensure!(head >= 2, "there are {head} events");
    let of = method(name).context("SubscribeEvents")?;
    let (mut json, mut grpc) = (envelopes(json), envelopes(grpc));
    for index in 1..=head {
        let (_, binary) = grpc.next().await?;
        let expected: Value =
            serde_json::from_slice(&ldk_server::json::encode(&of.response, &binary)?)?;
        let (is_last, found) = json.next_json().await?;
        ensure!(!is_last && found == expected, "{found}, in gRPC {expected}");
        assert_eq!(found["event_index"], index);
    }
    // A message that was sent already is shared, and one after the head comes when there is one.
    let more = in_json(node, rune, name, &json!({"resume_after_index": head - 1})).await?;
    assert_eq!(envelopes(more).next_json().await?.1["event_index"], head);
    Ok(())
}

/// The last envelope has the error that gRPC has in its trailers, also if the stream never began.
async fn ends_are_the_same(node: &Node, rune: &str) -> Result<()> {
    for (rune, name, request) in [
        (rune, "SubscribeEvents", json!({"resume_after_index": 999_999})),
        (rune, "SubscribeEvents", json!({"consumer": "a b"})),
        (rune, "CreateBackup", json!({})),
        (rune, "ExportPayments", json!({"from": 2, "before": 1})),
        ("forged", "SubscribeEvents", json!({})),
    ] {
        let grpc = grpc_request(node.config(), name).header("rune", rune);
        let of = method(name).with_context(|| name.to_owned())?;
        let message = ldk_server::json::decode(&of.request, request.to_string().as_bytes())?;
        let grpc = send(node, grpc, grpc_frame(&message)).await?;
        let json = in_json(node, rune, name, &request).await?;
        assert_eq!(json.status(), StatusCode::OK, "{name} {request}");
        let (is_last, told) = envelopes(json).next_json().await?;
        ensure!(is_last, "{name} {request}: {told}");
        assert_eq!(told["error"]["code"], snake(grpc.grpc_code()?), "{name} {request}");
        // In JSON the header is named in which the credential was.
        if grpc.grpc_code()? != Code::Unauthenticated {
            assert_eq!(told["error"]["message"], grpc.grpc_message()?, "{name} {request}");
        }
    }
    Ok(())
}

/// A stream that was under way, by its deadline and with its rune.
async fn what_has_begun_ends_with_the_reason(node: &Node, rune: &str) -> Result<()> {
    let path = "/api.LightningNode/SubscribeEvents";
    let request = post(node.config(), path)
        .header("content-type", ENVELOPES)
        .header("connect-timeout-ms", "200")
        .header("rune", rune);
    let answer = send(node, request, grpc_frame(b"{}")).await?;
    let (head, text) = answer.body.split_first_chunk::<HEADER_BYTES>().context("nothing")?;
    let told: Value = serde_json::from_slice(text)?;
    assert_eq!((head[0], &told["error"]["code"]), (END, &json!("deadline_exceeded")), "{told}");

    // The second that was made.
    let other = crate::permissions::rune(node, &["group=events"]).await?;
    let mut stream = envelopes(in_json(node, &other, "SubscribeEvents", &json!({})).await?);
    node.cli(&["revoke-rune", "1"]).await?;
    let (is_last, told) = stream.next_json().await?;
    ensure!(is_last && told["error"]["code"] == "permission_denied", "{told}");
    Ok(())
}

async fn the_books_end_without_an_error(node: &Node, rune: &str) -> Result<()> {
    let mut json = envelopes(in_json(node, rune, "ExportPayments", &json!({})).await?);
    let mut kinds = Vec::new();
    loop {
        let (is_last, message) = json.next_json().await?;
        if is_last {
            assert_eq!(message, json!({}));
            break;
        }
        kinds.push(message["kind"].clone());
    }
    assert!(kinds.contains(&json!("BOOKS_ENTRY_KIND_PAYMENT_SENT")), "{kinds:?}");
    Ok(())
}

async fn a_backup_is_whole(node: &Node, rune: &str) -> Result<()> {
    let request = json!({"passphrase": "correct horse battery"});
    let grpc = in_grpc(node, rune, "CreateBackup", &request).await?;
    let parts = grpc.into_body().collect().await?;
    ensure!(parts.trailers().is_some_and(|trailers| trailers["grpc-status"] == "0"), "{parts:?}");
    let mut json = envelopes(in_json(node, rune, "CreateBackup", &request).await?);
    let (mut messages, fields) = (0, method("CreateBackup").context("CreateBackup")?);
    loop {
        let (is_last, message) = json.next_json().await?;
        if is_last {
            assert_eq!(message, json!({}));
            break;
        }
        ldk_server::json::decode(&fields.response, message.to_string().as_bytes())?;
        messages += 1;
    }
    ensure!(messages > 0, "the backup is empty");
    Ok(())
}

/// Not only over HTTP/2, on a connection that stays.
async fn calls_are_answered_over_http_1(node: &Node, rune: &str) -> Result<()> {
    let stream = TokioIo::new(tls_connect_by(&node.config().grpc.address(), node.config()).await?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection);
    for path in ["/v1/get-node-info", "/api.LightningNode/GetNodeInfo"] {
        let request = post_json(node.config(), path, rune).header("host", "localhost");
        sender.ready().await?;
        let answer = sender.send_request(request.body(Full::new(Bytes::from("{}")))?).await?;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let body: Value = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
        assert_eq!(body["node_id"], node.id(), "{path}");
    }
    Ok(())
}
