//! Clients that subscribe and never read, while there are thousands of events.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, print_uncaptured, resident_bytes, tls_over, until};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::Uri;
use ldk_server::store::{KvOwner, NewEvent, Store};
use ldk_server_client::events::PaymentFailed;
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::types::Payment;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::rune_for_events;
use super::server_sent::{ServerSent, head};

const PATIENCE: Duration = Duration::from_secs(90);
const EVENTS: u64 = 2_000;
/// What each event has at least.
const EVENT_BYTES: usize = 8 * 1024;
/// Subscribers that do not read. All events for all of them are 160 MiB.
const SLOW: usize = 10;
/// What the system buffers of what was not read.
const RECEIVE_BUFFER_BYTES: u32 = 8 * 1024;
/// What the node may need for them, and for the one that reads.
const MAX_TAKEN_BYTES: u64 = 48 * 1024 * 1024;
const IMPATIENT: &str = "[limits]\nwrite_timeout_secs = 2\n";

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_takes_little_and_delays_nobody() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", IMPATIENT).await?;
    let rune = rune_for_events(&alice).await?;
    alice.stop().await?;
    record_events(&alice).await?;
    alice.start_again().await?;
    ensure!(head(&alice, &rune).await? == EVENTS);
    for kind in [Kind::ServerSent, Kind::WebSocket, Kind::SocketIo] {
        are_not_waited_for(&alice, &rune, kind).await.with_context(|| format!("{kind:?}"))?;
    }
    network.stop().await
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    ServerSent,
    WebSocket,
    SocketIo,
}

async fn are_not_waited_for(node: &Node, rune: &str, kind: Kind) -> Result<()> {
    let pid = node.pid().await?;
    let (memory, sockets) = (resident_bytes(pid)?, open_sockets(pid)?);
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        slow.push(kind.begin(node, rune).await?);
    }
    let mut honest = ServerSent::open(node, "/v1/events?after=0", rune, None).await?;
    let mut most = 0;
    for index in 1..=EVENTS {
        honest.are_numbered(index..=index).await?;
        most = most.max(resident_bytes(pid)?);
    }
    drop(honest);
    until("who does not read is sent away", PATIENCE, async || {
        most = most.max(resident_bytes(pid)?);
        let left = open_sockets(pid)?.saturating_sub(sockets);
        ensure!(left == 0, "{left} are still there");
        Ok(())
    })
    .await?;
    let taken = most.saturating_sub(memory) / 1024;
    print_uncaptured(&format!("{SLOW} that do not read {kind:?} take {taken} KiB"));
    ensure!(taken * 1024 < MAX_TAKEN_BYTES, "{taken} KiB");
    drop(slow);
    Ok(())
}

impl Kind {
    async fn begin(self, node: &Node, rune: &str) -> Result<Stream> {
        match self {
            Self::ServerSent => unread_server_sent(node, rune).await,
            Self::WebSocket => unread_websocket(node, rune).await,
            Self::SocketIo => unread_socket_io(node, rune).await,
        }
    }
}

/// Records events in the place of a node that is stopped.
async fn record_events(node: &Node) -> Result<()> {
    let dir = node.config().storage_dir.join("regtest");
    let recorded = spawn_blocking(move || {
        let failed = |reason: &str| eprintln!("{reason}");
        let store = Store::open(&dir, KvOwner::Server, failed)?;
        for number in 0..EVENTS {
            store.record_event(event(number))?;
        }
        Ok(())
    });
    recorded.await?
}

fn event(number: u64) -> NewEvent {
    let digest = Sha256::digest(number.to_be_bytes()).into();
    let payment = Payment { id: "x".repeat(EVENT_BYTES), ..Default::default() };
    let event = Event::PaymentFailed(PaymentFailed { payment: Some(payment) });
    NewEvent { event, dedup_key: Some(digest), source_digest: Some(digest), forward: None }
}

/// The number of sockets that a process has.
fn open_sockets(pid: u32) -> Result<usize> {
    let links = fs::read_dir(format!("/proc/{pid}/fd"))?;
    let targets = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
    Ok(targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count())
}

type Stream = TlsStream<TcpStream>;

/// A connection of which the system takes little that is not read.
async fn connect(node: &Node) -> Result<Stream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    let tcp = socket.connect(node.config().grpc.address().parse()?).await?;
    tls_over(tcp, &node.config().storage_dir, &["http/1.1"]).await
}

async fn unread_server_sent(node: &Node, rune: &str) -> Result<Stream> {
    let mut stream = connect(node).await?;
    let request =
        format!("GET /v1/events?after=0 HTTP/1.1\r\nhost: localhost\r\nrune: {rune}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    Ok(stream)
}

async fn websocket(node: &Node, rune: &str, path: &str) -> Result<WebSocketStream<Stream>> {
    let uri: Uri = format!("wss://{}{path}", node.config().grpc.address()).parse()?;
    let mut request = uri.into_client_request()?;
    request.headers_mut().insert("rune", rune.parse()?);
    let (socket, _) = timeout(PATIENCE, client_async(request, connect(node).await?)).await??;
    Ok(socket)
}

async fn unread_websocket(node: &Node, rune: &str) -> Result<Stream> {
    let mut socket = websocket(node, rune, "/v1/ws").await?;
    socket.send(Message::text(r#"{"subscribe":{"after":0}}"#)).await?;
    Ok(socket.into_inner())
}

async fn unread_socket_io(node: &Node, rune: &str) -> Result<Stream> {
    let path = "/socket.io/?EIO=4&transport=websocket&after=0";
    let mut socket = websocket(node, rune, path).await?;
    let opened = timeout(PATIENCE, socket.next()).await?.context("it was closed")??;
    ensure!(opened.to_text()?.starts_with('0'), "{opened:?}");
    socket.send(Message::text("40")).await?;
    Ok(socket.into_inner())
}
