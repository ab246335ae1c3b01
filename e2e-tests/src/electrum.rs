//! An Electrum server that knows the first block of regtest, one history, and nothing else.

use anyhow::Result;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::esplora::HEADER;

/// The server. It ends when this is dropped.
pub struct Electrum {
    url: String,
    port: u16,
    _serving: JoinSet<()>,
}

impl Electrum {
    /// Begins to serve.
    pub async fn start() -> Result<Self> {
        Self::start_with_history(json!([])).await
    }

    /// Begins to serve, with this for the history of every script.
    pub async fn start_with_history(history: Value) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let url = format!("tcp://127.0.0.1:{port}");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                connections.spawn(answer(tcp, history.clone()));
            }
        });
        Ok(Self { url, port, _serving: serving })
    }

    /// Its port of this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Answers until the client leaves. A question is a line, and so is an answer.
async fn answer(tcp: TcpStream, history: Value) -> Result<()> {
    let mut stream = BufStream::new(tcp);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let question: Value = serde_json::from_str(&line)?;
        let mut answer = match question["method"].as_str() {
            Some("blockchain.block.header") => json!({ "result": HEADER }),
            Some("blockchain.scripthash.get_history") => json!({ "result": history }),
            _ => json!({ "error": { "code": -32601, "message": "not known" } }),
        };
        answer["id"] = question["id"].clone();
        stream.write_all(format!("{answer}\n").as_bytes()).await?;
        stream.flush().await?;
        line.clear();
    }
    Ok(())
}
