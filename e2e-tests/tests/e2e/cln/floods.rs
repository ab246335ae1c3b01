//! More than well-behaved clients send, and less than they read. Meanwhile, others are answered at all doors.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Node, print_uncaptured, resident_bytes, until};
use ldk_server_client::api::GetNodeInfoRequest;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::client::Raw;

const PATIENCE: Duration = Duration::from_secs(60);
/// An answer that others wait for.
const AT_ONCE: Duration = Duration::from_secs(5);
/// The time that calls under way are given, and some more.
const STOP: Duration = Duration::from_secs(20);
/// What a flood may take in memory.
const MAX_TAKEN_BYTES: u64 = 96 * 1024 * 1024;
const CONNECTIONS: usize = 10_000;
/// As many as the test can have open.
const OPEN: usize = 400;
const PIPELINED: usize = 10_000;

/// Somebody who has nothing to do with a flood, at the socket and at the node's own API.
pub(super) struct Bystander<'a> {
    node: &'a Node,
    raw: Raw,
    slowest: Duration,
}

impl<'a> Bystander<'a> {
    pub(super) async fn new(node: &'a Node, socket: &Path) -> Result<Self> {
        Ok(Self { node, raw: Raw::connect(socket).await?, slowest: Duration::ZERO })
    }

    /// Is answered.
    async fn calls(&mut self) -> Result<()> {
        let begun = Instant::now();
        self.raw.send(&request("bystander", "getinfo", &json!({}))).await?;
        let answer = self.raw.next().await?;
        ensure!(answer["result"].is_object(), "{answer}");
        self.node.client().get_node_info(GetNodeInfoRequest {}).await?;
        let took = begun.elapsed();
        self.slowest = self.slowest.max(took);
        ensure!(took < AT_ONCE, "a bystander was answered after {took:?}");
        Ok(())
    }

    /// What a flood has taken.
    async fn sum_up(&mut self, flood: &str, before: u64) -> Result<()> {
        self.calls().await?;
        let taken = resident_bytes(self.node.pid().await?)?.saturating_sub(before);
        let slowest = std::mem::take(&mut self.slowest);
        print_uncaptured(&format!("{flood}: {} KiB; a bystander, {slowest:?}", taken / 1024));
        ensure!(taken < MAX_TAKEN_BYTES, "{flood} takes {taken} bytes");
        Ok(())
    }

    async fn resident(&self) -> Result<u64> {
        resident_bytes(self.node.pid().await?)
    }
}

fn request(id: impl Into<Value>, method: &str, params: &Value) -> Vec<u8> {
    let id: Value = id.into();
    json!({"id": id, "method": method, "params": params}).to_string().into_bytes()
}

/// Halves of requests, from connections that stay.
pub(super) async fn truncated_requests(bystander: &mut Bystander<'_>, socket: &Path) -> Result<()> {
    let before = bystander.resident().await?;
    let half = [b"{\"id\":1,\"method\":\"".to_vec(), vec![b'a'; 500_000]].concat();
    let mut held = Vec::new();
    for _ in 0..64 {
        let mut raw = Raw::connect(socket).await?;
        raw.send(&half).await?;
        bystander.calls().await?;
        held.push(raw);
    }
    bystander.sum_up("64 truncated requests of 500 KB", before).await
}

/// 100 MiB of one request that does not end, and of brackets.
pub(super) async fn endless_requests(bystander: &mut Bystander<'_>, socket: &Path) -> Result<()> {
    const PIECE: usize = 1024 * 1024;
    let before = bystander.resident().await?;
    for (begin, byte) in [(&b"{\"id\":\""[..], b'a'), (b"{\"a\":[", b'['), (b"", b' ')] {
        let mut raw = Raw::connect(socket).await?;
        raw.send(begin).await?;
        let piece = vec![byte; PIECE];
        let mut sent = 0;
        // It is closed before the end. Blanks separate requests, and can go on.
        while sent < 100 * PIECE && raw.send(&piece).await.is_ok() {
            sent += PIECE;
            bystander.calls().await?;
        }
        if byte == b' ' {
            raw.send(&request(1, "getinfo", &json!({}))).await?;
            ensure!(raw.next().await?["result"].is_object());
        } else {
            ensure!(sent < 8 * PIECE, "{sent} bytes of one request were read");
            assert_eq!(raw.next().await?["error"]["code"], -32600);
        }
    }
    bystander.sum_up("100 MiB without end", before).await
}

/// Ten thousand connections, one after the other, of which many are open.
pub(super) async fn many_connections(bystander: &mut Bystander<'_>, socket: &Path) -> Result<()> {
    let before = bystander.resident().await?;
    let mut open = std::collections::VecDeque::new();
    for number in 0..CONNECTIONS {
        // The queue of those that are not accepted yet may be full.
        let connect =
            until("a connection", PATIENCE, async || Ok(UnixStream::connect(socket).await?));
        open.push_back(connect.await?);
        if open.len() > OPEN {
            open.pop_front();
        }
        if number % 500 == 0 {
            bystander.calls().await?;
        }
    }
    bystander.sum_up("10,000 connections", before).await
}

/// Connections that say nothing make room for those who have something to say.
pub(super) async fn silent_connections_make_room(socket: &Path) -> Result<()> {
    let mut silent = Vec::new();
    for _ in 0..OPEN {
        silent.push(UnixStream::connect(socket).await?);
    }
    admitted(socket).await.map(drop)
}

/// A connection that has a place, for which it waits if others have all of them.
async fn admitted(socket: &Path) -> Result<Raw> {
    until("there is room", PATIENCE, async || {
        let mut raw = Raw::connect(socket).await?;
        raw.send(&request(1, "getinfo", &json!({}))).await?;
        raw.next().await?;
        Ok(raw)
    })
    .await
}

/// Requests without end, and no answer is read until all are sent, or nothing more is taken.
pub(super) async fn unread_answers(bystander: &mut Bystander<'_>, socket: &Path) -> Result<()> {
    let before = bystander.resident().await?;
    let mut slow = Vec::new();
    let pipelined: Vec<u8> =
        (0..PIPELINED).flat_map(|id| request(id, "listconfigs", &json!({}))).collect();
    for _ in 0..16 {
        let stream = UnixStream::connect(socket).await?;
        fill(&stream, &pipelined, async || bystander.calls().await).await?;
        slow.push(stream);
    }
    bystander.sum_up("16 slow readers", before).await
}

/// Sends until nothing more is taken, which must be before the end, and does this `between` any two pieces.
async fn fill(
    stream: &UnixStream,
    bytes: &[u8],
    mut between: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let mut sent = 0;
    // What is not taken within a second is not taken before something is read.
    while let Ok(ready) = timeout(Duration::from_secs(1), stream.writable()).await {
        ready?;
        match stream.try_write(&bytes[sent..]) {
            Ok(length) => sent += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {},
            Err(error) => return Err(error).context("the flood is cut off"),
        }
        ensure!(sent < bytes.len(), "all was taken although nothing was read");
        between().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_flood_that_is_cut_off_or_all_taken_comes_to_an_end() -> Result<()> {
    let (stream, other) = UnixStream::pair()?;
    ensure!(fill(&stream, b"little", async || Ok(())).await.is_err());
    drop(other);
    ensure!(fill(&stream, b"more", async || Ok(())).await.is_err());
    Ok(())
}

/// The daemon stops although somebody does not read what is left to be written.
pub(super) async fn a_stop_waits_for_no_slow_reader(node: &Node, socket: &Path) -> Result<()> {
    // Whoever was here before may still have the places of those that are let in.
    let raw = admitted(socket).await?;
    let pipelined: Vec<u8> =
        (0..PIPELINED).flat_map(|id| request(id, "listconfigs", &json!({}))).collect();
    fill(raw.stream(), &pipelined, async || Ok(())).await?;
    let begun = Instant::now();
    timeout(STOP, node.stop()).await.context("the daemon does not stop")??;
    print_uncaptured(&format!("a stop with a slow reader: {:?}", begun.elapsed()));
    Ok(())
}

/// Answers are there for whoever reads them after all has been sent.
pub(super) async fn pipelined_requests_are_answered(socket: &Path) -> Result<()> {
    let mut raw = Raw::connect(socket).await?;
    const REQUESTS: usize = 200;
    let pipelined: Vec<u8> =
        (0..REQUESTS).flat_map(|id| request(id, "getinfo", &json!({}))).collect();
    raw.send(&pipelined).await?;
    let mut ids = Vec::new();
    for _ in 0..REQUESTS {
        ids.push(raw.next().await?["id"].as_u64().context("no id")?);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), REQUESTS);
    Ok(())
}
