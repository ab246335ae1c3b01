//! A client of the WebSocket.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::client::Phoenix;

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Socket(WebSocketStream<TcpStream>);

/// How the password is sent.
#[derive(Clone, Copy)]
pub(super) enum By {
    Login,
    /// As browsers do.
    Protocol,
}

impl Socket {
    pub(super) async fn open(phoenix: &Phoenix, by: By) -> Result<Self> {
        let stream = TcpStream::connect(&phoenix.address).await?;
        let url = format!("ws://{}/websocket", phoenix.address);
        let mut request = url.into_client_request()?;
        let password = &phoenix.password;
        let (name, value) = match by {
            By::Login => {
                let login = BASE64_STANDARD.encode(format!(":{password}"));
                ("authorization", format!("Basic {login}"))
            },
            By::Protocol => ("sec-websocket-protocol", password.clone()),
        };
        request.headers_mut().insert(name, value.parse()?);
        let (socket, _) = timeout(PATIENCE, client_async(request, stream)).await??;
        Ok(Self(socket))
    }

    pub(super) async fn next(&mut self) -> Result<Value> {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.context("nothing came")?;
            match message.context("it was closed")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Ping(_) | Message::Pong(_) => {},
                other => bail!("{other:?}"),
            }
        }
    }
}
