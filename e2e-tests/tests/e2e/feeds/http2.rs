//! Events over HTTP/2: server-sent events, and WebSockets as RFC 8441 has them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, tls_connect};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper::upgrade::{self, Upgraded};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{CHANNEL_SATS, pay, rune_for_events};
use crate::permissions::rune;

const PATIENCE: Duration = Duration::from_secs(60);

type Sender = SendRequest<Empty<Bytes>>;
type Socket = WebSocketStream<TokioIo<Upgraded>>;

#[tokio::test(flavor = "multi_thread")]
async fn many_subscribers_share_a_connection() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let events = rune_for_events(&bob).await?;
    pay(&alice, &bob).await?;
    let mut sender = connect(&bob).await?;
    let mut first = websocket(&bob, &mut sender, Some(&events)).await?;
    let mut second = websocket(&bob, &mut sender, None).await?;
    says(&mut second, &json!({"rune": events})).await?;
    for socket in [&mut first, &mut second] {
        says(socket, &json!({"subscribe": {"after": 0}})).await?;
        ensure!(next(socket).await?["subscribed"].is_object());
        assert_eq!(next(socket).await?["event_index"], 1);
    }
    let text = server_sent(&bob, &mut sender, &events).await?;
    ensure!(text.starts_with("retry:"), "{text}");
    drop(first);
    // What is wrong with one of them ends no other.
    let reads = rune(&bob, &["group=read"]).await?;
    let mut refused = websocket(&bob, &mut sender, Some(&reads)).await?;
    says(&mut refused, &json!({"subscribe": {}})).await?;
    assert_eq!(next(&mut refused).await?["error"]["code"], "permission_denied");
    let mut forged = websocket(&bob, &mut sender, None).await?;
    says(&mut forged, &json!({"rune": "forged"})).await?;
    assert_eq!(next(&mut forged).await?["error"]["code"], "unauthenticated");
    pay(&alice, &bob).await?;
    ensure!(next(&mut second).await?["event_index"].as_u64() > Some(1));
    drop(second);
    network.stop().await
}

async fn connect(node: &Node) -> Result<Sender> {
    let stream = tls_connect(node.config(), rustls::DEFAULT_VERSIONS, &["h2"]).await?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn websocket(node: &Node, sender: &mut Sender, rune: Option<&str>) -> Result<Socket> {
    let uri = format!("https://{}/v1/ws", node.config().grpc.address());
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(uri)
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13");
    if let Some(rune) = rune {
        request = request.header("rune", rune);
    }
    sender.ready().await?;
    let answer = timeout(PATIENCE, sender.send_request(request.body(Empty::new())?)).await??;
    ensure!(answer.status() == StatusCode::OK, "{answer:?}");
    let upgraded = TokioIo::new(upgrade::on(answer).await?);
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
}

/// The first bytes of a stream of server-sent events.
async fn server_sent(node: &Node, sender: &mut Sender, rune: &str) -> Result<String> {
    let uri = format!("https://{}/v1/events?after=0", node.config().grpc.address());
    sender.ready().await?;
    let request = Request::get(uri).header("rune", rune).body(Empty::new())?;
    let mut answer = timeout(PATIENCE, sender.send_request(request)).await??;
    ensure!(answer.status() == StatusCode::OK, "{answer:?}");
    let frame = timeout(PATIENCE, answer.frame()).await?.context("it has ended")??;
    Ok(String::from_utf8(frame.into_data().unwrap_or_default().to_vec())?)
}

async fn says(socket: &mut Socket, message: &Value) -> Result<()> {
    Ok(socket.send(Message::text(message.to_string())).await?)
}

async fn next(socket: &mut Socket) -> Result<Value> {
    loop {
        let message = timeout(PATIENCE, socket.next()).await.context("nothing came")?;
        match message.context("it was closed")?? {
            Message::Text(text) => return Ok(serde_json::from_str(&text)?),
            Message::Ping(_) | Message::Pong(_) => {},
            other => anyhow::bail!("{other:?}"),
        }
    }
}
