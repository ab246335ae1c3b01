//! An Electrum server that knows the first block of regtest, scripts without a history, and nothing else.

use anyhow::Result;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::esplora::HEADER;

/// The server. It ends when this is dropped.
pub struct Electrum {
    url: String,
    _serving: JoinSet<()>,
}

impl Electrum {
    /// Begins to serve.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("tcp://{}", listener.local_addr()?);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                connections.spawn(answer(tcp));
            }
        });
        Ok(Self { url, _serving: serving })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Answers until the client leaves. A question is a line, and so is an answer.
async fn answer(tcp: TcpStream) -> Result<()> {
    let mut stream = BufStream::new(tcp);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let question: Value = serde_json::from_str(&line)?;
        let mut answer = match question["method"].as_str() {
            Some("blockchain.block.header") => json!({ "result": HEADER }),
            Some("blockchain.scripthash.get_history") => json!({ "result": [] }),
            _ => json!({ "error": { "code": -32601, "message": "not known" } }),
        };
        answer["id"] = question["id"].clone();
        stream.write_all(format!("{answer}\n").as_bytes()).await?;
        stream.flush().await?;
        line.clear();
    }
    Ok(())
}
