//! The gate between a node and its peers: who floods it, says nothing, says nonsense or does not
//! read harms nobody else, and everybody sees real addresses, though the node library sees none.

// It looks at `/proc`.
#![cfg(target_os = "linux")]

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Network, Node, RawConnection, until};
use futures_util::future::try_join_all;
use hyper::StatusCode;
use ldk_server_client::api::{ConnectPeerRequest, GetNodeInfoRequest, ListPeersRequest};
use ldk_server_client::types::Peer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 1_000_000;

const FLOOD: usize = 20_000;
const FLOODERS: usize = 40;
/// What each of them holds open.
const HELD: usize = 12;
const OPEN_FILES: u32 = 1024;

const IMPATIENT: &str = "
[limits]
peer_handshake_timeout_secs = 1
peer_write_timeout_secs = 1
";
const CROWD: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_leaves_the_node_and_its_peers_alone() -> Result<()> {
    let network = Network::start().await?;
    let mut config = network.config("alice")?;
    let run = format!("ulimit -n {OPEN_FILES} && exec \"$0\" \"$@\"");
    config.run_by = vec!["sh".to_owned(), "-c".to_owned(), run];
    let alice = network.node_of(config).await?;
    let bob = network.node("bob").await?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&bob, &alice, CHANNEL_SATS, CHANNEL_SATS / 2).await?;

    let before = peer(&alice, &bob).await?;
    let both = [alice.address(), alice.config().grpc.address()];
    for (ports, number) in [(&both[..1], FLOOD), (&both[1..], FLOOD / 4), (&both, FLOOD / 4)] {
        let mut flood = JoinSet::new();
        for flooder in 0..FLOODERS {
            let port = ports[flooder % ports.len()].clone();
            flood.spawn(flood_of_connections(port, number / FLOODERS));
        }
        let mut paid = 0;
        while !flood.is_empty() {
            alice.pays(&bob, AMOUNT_MSAT).await?;
            paid += 1;
            while let Some(one) = flood.try_join_next() {
                one??;
            }
        }
        println!("{paid} payments were made amid {number} connections to {ports:?}");
        // Somebody else is let in, too.
        let page = RawConnection::get(alice.config(), "/livez").await?;
        ensure!(page.status == StatusCode::OK, "{page:?}");
    }
    alice.ensure_running().await?;
    Network::at_rest(&alice, &bob).await?;
    bob.pays(&alice, AMOUNT_MSAT).await?;
    // He was there all the time: otherwise he would have come back from another port.
    assert_eq!(peer(&alice, &bob).await?, before);
    alice.log().says("refusing connections of peers").await?;
    network.stop().await
}

/// Connects so many times, and lets go of each a little later.
async fn flood_of_connections(address: String, times: usize) -> Result<()> {
    let mut held = VecDeque::new();
    for _ in 0..times {
        held.push_back(TcpStream::connect(&address).await?);
        if held.len() > HELD {
            held.pop_front();
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_speak_or_listen_is_sent_away() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", IMPATIENT).await?;
    let address = alice.address();

    let begun = Instant::now();
    let mut silent = TcpStream::connect(&address).await?;
    closed(&mut silent).await?;
    ensure!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    let mut garbage = TcpStream::connect(&address).await?;
    garbage.write_all(b"GET / HTTP/1.1\r\nHost: alice\r\n\r\n").await?;
    closed(&mut garbage).await?;
    // It begins as a handshake does, with the version.
    let mut wrong = TcpStream::connect(&address).await?;
    wrong.write_all(&[0; 1000]).await?;
    closed(&mut wrong).await?;
    timeout(PATIENCE, talk_without_end(&address)).await.context("it may talk on")??;

    let crowd = (0..CROWD).map(|_| TcpStream::connect(&address));
    let mut crowd = try_join_all(crowd).await?;
    let bob = network.node("bob").await?;
    until("bob gets through the crowd", PATIENCE, async || {
        connect(&bob, &alice, false).await?;
        Ok(())
    })
    .await?;
    for stream in &mut crowd {
        closed(stream).await?;
    }
    assert!(peer(&alice, &bob).await?.is_connected);
    // They fill no log.
    let told = alice.log().text().matches("the connection of a peer was dropped").count();
    ensure!((1..10).contains(&told), "{told}");
    network.stop().await
}

/// Sends without reading, until it is sent away.
async fn talk_without_end(address: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let words = vec![0; 1 << 16];
    while stream.write_all(&words).await.is_ok() {}
    Ok(())
}

/// Waits until the node has closed it.
async fn closed(stream: &mut TcpStream) -> Result<()> {
    let mut rest = Vec::new();
    // It may be reset.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.context("it stays open")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_but_the_library_sees_real_addresses() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    let info = alice.client().get_node_info(GetNodeInfoRequest {}).await?;
    let uri = format!("{}@{}", alice.id(), alice.address());
    assert_eq!(info.listening_addresses, [alice.address()]);
    assert_eq!(info.announcement_addresses, [alice.address()]);
    assert_eq!(info.node_uris, [&*uri]);
    alice.log().says(&format!("NODE_URI: {uri}")).await?;

    connect(&bob, &alice, true).await?;
    let outbound = peer(&bob, &alice).await?;
    let expected = Peer {
        node_id: alice.id().to_owned(),
        address: alice.address(),
        is_persisted: true,
        is_connected: true,
        connected_address: None,
    };
    assert_eq!(outbound, expected);
    let inbound: SocketAddr = peer(&alice, &bob).await?.address.parse()?;
    assert_eq!(sockets(bob.pid().await?)?.remote_of(inbound)?.to_string(), alice.address());
    bob.log().says(&format!("Connecting to peer: {uri}\n")).await?;

    // So does the next start, of this version or one before.
    bob.stop().await?;
    let stored = stored_peers(&bob)?;
    let port = alice.config().lightning.number().to_be_bytes();
    let address = [&[1, 127, 0, 0, 1], &port[..]].concat();
    assert!(stored.windows(address.len()).any(|bytes| bytes == address), "{stored:?}");
    bob.start_again().await?;
    until("bob is back", PATIENCE, async || {
        let peer = peer(&bob, &alice).await?;
        ensure!(peer == expected, "{peer:?}");
        Ok(())
    })
    .await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_has_moved_is_found_again() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    connect(&bob, &alice, true).await?;
    let moved = format!("localhost:{}", alice.config().lightning.number());
    let request = ConnectPeerRequest {
        node_pubkey: alice.id().to_owned(),
        address: moved.clone(),
        persist: true,
    };
    let answer = bob.client().connect_peer(request).await?;
    assert_eq!(answer.stays_connected_at, Some(alice.address()));
    let expected = Peer {
        node_id: alice.id().to_owned(),
        address: moved,
        is_persisted: true,
        is_connected: true,
        connected_address: Some(alice.address()),
    };
    assert_eq!(peer(&bob, &alice).await?, expected);

    bob.stop().await?;
    bob.start_again().await?;
    let expected = Peer { connected_address: None, ..expected };
    until("bob has found alice at her new address", PATIENCE, async || {
        let peer = peer(&bob, &alice).await?;
        ensure!(peer == expected, "{peer:?}");
        Ok(())
    })
    .await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_past_the_gate_is_sent_away() -> Result<()> {
    let network = Network::start_for(3).await?;
    let (alice, bob, mallory) =
        tokio::try_join!(network.node("alice"), network.node("bob"), network.node("mallory"))?;
    connect(&bob, &alice, true).await?;
    // Alice goes nowhere by herself, so there is one port of which nobody should know.
    let secret = sockets(alice.pid().await?)?.secret_port()?;
    let request = ConnectPeerRequest {
        node_pubkey: alice.id().to_owned(),
        address: secret.to_string(),
        persist: false,
    };
    mallory.client().connect_peer(request).await?;
    until("mallory is sent away", PATIENCE, async || {
        let peers = peers(&alice).await?;
        ensure!(peers.iter().all(|peer| peer.node_id != mallory.id()), "{peers:?}");
        Ok(())
    })
    .await?;
    alice.log().says("has connected to the node without the gate").await?;
    alice.log().says(&format!("node_id={}", mallory.id())).await?;
    // Through the gate everybody is welcome.
    connect(&mallory, &alice, false).await?;
    for node in [&bob, &mallory] {
        assert!(peer(&alice, node).await?.is_connected);
    }
    network.stop().await
}

/// The sockets of a process.
struct Sockets(Vec<Socket>);

struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
}

impl Sockets {
    /// Where the connection from here leads.
    fn remote_of(&self, local: SocketAddr) -> Result<SocketAddr> {
        let socket = self.0.iter().find(|socket| socket.local == local && !socket.is_listening());
        Ok(socket.with_context(|| format!("it has no connection from {local}"))?.remote)
    }

    /// The one that is listened at where nobody else is.
    fn secret_port(&self) -> Result<SocketAddr> {
        let is_secret = |socket: &&Socket| {
            socket.is_listening() && socket.local.ip().to_string() != "127.0.0.1"
        };
        let secret: Vec<SocketAddr> =
            self.0.iter().filter(is_secret).map(|socket| socket.local).collect();
        match secret[..] {
            [secret] => Ok(secret),
            _ => bail!("it listens at {secret:?}"),
        }
    }
}

impl Socket {
    fn is_listening(&self) -> bool {
        self.remote.port() == 0
    }
}

fn sockets(pid: u32) -> Result<Sockets> {
    let mut inodes = Vec::new();
    for file in fs::read_dir(format!("/proc/{pid}/fd"))? {
        if let Ok(target) = fs::read_link(file?.path()) {
            let target = target.to_string_lossy().into_owned();
            let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            inodes.extend(inode.map(str::to_owned));
        }
    }
    let mut sockets = Vec::new();
    for line in fs::read_to_string("/proc/net/tcp")?.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(local), Some(remote), Some(inode)) = (words.get(1), words.get(2), words.get(9))
        else {
            bail!("{line}");
        };
        if inodes.iter().any(|own| own == inode) {
            sockets.push(Socket { local: socket_address(local)?, remote: socket_address(remote)? });
        }
    }
    Ok(Sockets(sockets))
}

/// An address as `/proc/net/tcp` has it: `0100007F:1F90`.
fn socket_address(text: &str) -> Result<SocketAddr> {
    let (ip, port) = text.split_once(':').context("no port")?;
    let ip = u32::from_str_radix(ip, 16)?.to_ne_bytes();
    Ok((ip, u16::from_str_radix(port, 16)?).into())
}

/// The library's record of peers on the disk of a node that is down.
fn stored_peers(node: &Node) -> Result<Vec<u8>> {
    let file = node.config().storage_dir.join("regtest").join("ldk_node_data.sqlite");
    let database = rusqlite::Connection::open(file)?;
    let sql = "SELECT value FROM ldk_node_data WHERE primary_namespace = '' AND key = 'peers'";
    Ok(database.query_row(sql, [], |row| row.get(0))?)
}

async fn connect(from: &Arc<Node>, to: &Arc<Node>, persist: bool) -> Result<()> {
    let (node_pubkey, address) = (to.id().to_owned(), to.address());
    let request = ConnectPeerRequest { node_pubkey, address, persist };
    from.client().connect_peer(request).await?;
    // The other side hears of it a moment later.
    until(&format!("{} is connected", from.alias()), PATIENCE, async || {
        ensure!(peer(to, from).await?.is_connected, "not yet");
        Ok(())
    })
    .await
}

async fn peers(node: &Node) -> Result<Vec<Peer>> {
    Ok(node.client().list_peers(ListPeersRequest {}).await?.peers)
}

/// The other as this node sees it.
async fn peer(node: &Node, other: &Node) -> Result<Peer> {
    let peers = peers(node).await?;
    let found = peers.iter().find(|peer| peer.node_id == other.id());
    found.cloned().with_context(|| format!("{} has {peers:?}", node.alias()))
}
