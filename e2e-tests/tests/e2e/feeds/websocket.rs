//! A client of the WebSocket.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Node, tls_connect_by};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Socket(WebSocketStream<TlsStream<TcpStream>>);

impl Socket {
    pub(super) async fn open(node: &Node, rune: Option<&str>) -> Result<Self> {
        let address = node.config().grpc.address();
        let stream = tls_connect_by(&address, node.config()).await?;
        let mut request = format!("wss://{address}/v1/ws").into_client_request()?;
        if let Some(rune) = rune {
            request.headers_mut().insert("rune", rune.parse()?);
        }
        let (socket, _) = timeout(PATIENCE, client_async(request, stream)).await??;
        Ok(Self(socket))
    }

    pub(super) async fn says(&mut self, text: &str) -> Result<()> {
        Ok(self.0.send(Message::text(text)).await?)
    }

    async fn next(&mut self) -> Result<Value> {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.context("nothing came")?;
            match message.context("it was closed")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Ping(_) | Message::Pong(_) => {},
                other => bail!("{other:?}"),
            }
        }
    }

    pub(super) async fn subscribes(&mut self, text: &str) -> Result<()> {
        self.says(text).await?;
        let told = self.next().await?;
        ensure!(told["subscribed"]["event_head_index"].is_u64(), "{told}");
        Ok(())
    }

    pub(super) async fn acknowledges(&mut self, index: u64) -> Result<()> {
        self.says(&format!("{{\"ack\":{index}}}")).await?;
        let told = self.next().await?;
        ensure!(told["acknowledged_index"] == index, "{told}");
        Ok(())
    }

    pub(super) async fn are_numbered(&mut self, indices: RangeInclusive<u64>) -> Result<()> {
        for index in indices {
            let event = self.next().await?;
            assert_eq!(event["event_index"], index, "{event}");
        }
        Ok(())
    }

    /// The next that it is told is an error, and the last.
    pub(super) async fn is_refused(&mut self, code: &str) -> Result<()> {
        let told = self.next().await?;
        assert_eq!(told["error"]["code"], code, "{told}");
        self.is_closed().await
    }

    async fn is_closed(&mut self) -> Result<()> {
        let closed = async { while let Some(Ok(_)) = self.0.next().await {} };
        timeout(PATIENCE, closed).await.context("it was not closed")
    }
}

/// What no client should say ends the conversation, and costs nothing.
pub(super) async fn hostile_messages_are_refused(
    node: &Node,
    events: &str,
    reads: &str,
) -> Result<()> {
    for (rune, text, code) in [
        (Some(events), "{", "invalid_argument"),
        (Some(events), r#"{"subscribe":{"x":1}}"#, "invalid_argument"),
        (Some(events), r#"{"subscribe":{},"kinds":["x"]}"#, "invalid_argument"),
        (Some(events), r#"{"subscribe":{"after":999999}}"#, "out_of_range"),
        (Some(events), r#"{"rune":"a"}"#, "unauthenticated"),
        (Some(events), r#"{"ack":1}"#, "invalid_argument"),
        (Some(reads), r#"{"subscribe":{}}"#, "permission_denied"),
        (None, r#"{"subscribe":{}}"#, "unauthenticated"),
        (None, r#"{"rune":"forged"}"#, "unauthenticated"),
    ] {
        let mut socket = Socket::open(node, rune).await?;
        socket.says(text).await?;
        socket.is_refused(code).await.with_context(|| text.to_owned())?;
    }
    let mut long = Socket::open(node, Some(events)).await?;
    // It may be closed while this is being sent.
    let _ = long.says(&"x".repeat(1024 * 1024)).await;
    long.is_closed().await?;
    // Who says nothing is not waited for.
    Socket::open(node, None).await?.is_refused("unauthenticated").await
}
