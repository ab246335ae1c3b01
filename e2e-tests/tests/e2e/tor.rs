//! Peers at onion addresses, through a SOCKS5 proxy in the place of Tor's.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{ConfigBuilder, Exit, HOST_UNREACHABLE, Network, Node, SocksProxy, until};
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::{
    ConnectPeerRequest, DisconnectPeerRequest, GetNodeInfoRequest, ListPeersRequest,
    OpenChannelRequest,
};
use ldk_server_client::types::Peer;
use ldk_server_client::{Client, Code, Error};

const PATIENCE: Duration = Duration::from_secs(60);
/// How long the daemon may take to say that a proxy is not there.
const AT_ONCE: Duration = Duration::from_secs(5);
const CHANNEL_SATS: u64 = 1_000_000;
const FUNDS_SATS: u64 = 3_000_000;
/// Somebody who is not there.
const STRANGER: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";
const ALICE_ONION: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion:9735";
const BOB_ONION: &str = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion:9736";
const V2_ONION: &str = "expyuzz4wqqyqhjn.onion:9735";

#[tokio::test(flavor = "multi_thread")]
async fn an_onion_peer_is_like_any_other() -> Result<()> {
    let network = Network::start().await?;
    let mut proxy = SocksProxy::start().await?;
    let (alice, bob) =
        tokio::try_join!(node_with_tor(&network, "alice", &proxy), network.node("bob"))?;
    proxy.lead(BOB_ONION, Exit::To(bob.address()));

    connects_and_disconnects(&alice, &bob, &proxy).await?;
    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    opens_a_channel_and_pays(&network, &alice, &bob).await?;
    comes_back_by_itself(&network, &alice, &bob, &proxy).await?;
    says_when_the_proxy_is_down(&network, &alice, &bob, &mut proxy).await?;
    stays_offline_without_the_section(&alice, &bob).await?;
    network.stop().await
}

async fn connects_and_disconnects(alice: &Node, bob: &Node, proxy: &SocksProxy) -> Result<()> {
    for persist in [false, true] {
        let before = proxy.requests().len();
        // It can be written in capitals, too.
        let address = if persist { BOB_ONION.to_owned() } else { BOB_ONION.to_uppercase() };
        connect(alice.client(), bob.id(), &address, persist).await?;
        let found = peer(alice, bob).await?;
        let expected = Peer {
            node_id: bob.id().to_owned(),
            address: BOB_ONION.to_owned(),
            is_persisted: persist,
            is_connected: true,
            connected_address: None,
        };
        assert_eq!(found, expected);
        let requests = proxy.requests().split_off(before);
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert_eq!(requests[0].target, BOB_ONION);
        // Tor keeps peers apart by their passwords.
        assert!(BOB_ONION.starts_with(&requests[0].login.1), "{requests:?}");
        // Another look at the peer does not bother the proxy.
        connect(alice.client(), bob.id(), BOB_ONION, persist).await?;
        assert_eq!(proxy.requests().len(), before + 1);

        let request = DisconnectPeerRequest { node_pubkey: bob.id().to_owned() };
        alice.client().disconnect_peer(request).await?;
        assert_eq!(peers(alice).await?, []);
    }
    Ok(())
}

async fn opens_a_channel_and_pays(network: &Network, alice: &Node, bob: &Node) -> Result<()> {
    let request = channel_to(bob, BOB_ONION, false);
    alice.client().open_channel(request).await?;
    network.confirm_funding(alice).await?;
    network.usable(alice, bob).await?;
    alice.pays(bob, 50_000_000).await?;
    // Bob can spend it when the channel has it in its books.
    Network::at_rest(alice, bob).await?;
    bob.pays(alice, 10_000_000).await?;
    let peer = peer(alice, bob).await?;
    assert_eq!((peer.address.as_str(), peer.is_persisted), (BOB_ONION, true));
    Ok(())
}

/// After a restart it goes through the proxy again, not to the port of its own that it used before:
/// somebody else may have it now.
async fn comes_back_by_itself(
    network: &Network,
    alice: &Node,
    bob: &Node,
    proxy: &SocksProxy,
) -> Result<()> {
    let before = proxy.requests().len();
    alice.stop().await?;
    let others = TcpListener::bind(entrance(alice).await?)?;
    others.set_nonblocking(true)?;
    alice.start_again().await?;
    network.usable(alice, bob).await?;
    assert!(proxy.requests().len() > before);
    assert_eq!(peer(alice, bob).await?.address, BOB_ONION);
    Network::at_rest(alice, bob).await?;
    alice.pays(bob, 1_000_000).await?;
    let visit = others.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(visit, Err(ErrorKind::WouldBlock), "the old port was tried");
    Ok(())
}

async fn says_when_the_proxy_is_down(
    network: &Network,
    alice: &Node,
    bob: &Node,
    proxy: &mut SocksProxy,
) -> Result<()> {
    proxy.stop().await;
    until("alice has lost bob", PATIENCE, async || {
        let peer = peer(alice, bob).await?;
        ensure!(!peer.is_connected, "{peer:?}");
        assert_eq!((peer.address.as_str(), peer.is_persisted), (BOB_ONION, true));
        Ok(())
    })
    .await?;
    let asked = Instant::now();
    let answer = connect(alice.client(), bob.id(), BOB_ONION, true).await;
    refused(answer, Code::FailedPrecondition, &["tor.proxy_address", &proxy.address(), BOB_ONION]);
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());

    proxy.start_again().await?;
    connect(alice.client(), bob.id(), BOB_ONION, true).await?;
    network.usable(alice, bob).await?;
    alice.pays(bob, 1_000_000).await.map(drop)
}

async fn stays_offline_without_the_section(alice: &Node, bob: &Node) -> Result<()> {
    alice.stop().await?;
    let config = fs::read_to_string(alice.config_file())?;
    let (without, _) = config.split_once("[tor]").context("there is no [tor]")?;
    fs::write(alice.config_file(), without)?;
    alice.start_again().await?;
    let stored = peer(alice, bob).await?;
    assert_eq!((stored.address.as_str(), stored.is_connected), (BOB_ONION, false));
    let log = log(alice)?;
    let warnings = log.lines().filter(|line| line.contains("stored peers at onion addresses"));
    assert_eq!(warnings.count(), 1);

    // It is all there when the section is.
    alice.stop().await?;
    fs::write(alice.config_file(), config)?;
    alice.start_again().await?;
    until("bob is back", PATIENCE, async || {
        let peer = peer(alice, bob).await?;
        ensure!(peer.is_connected, "{peer:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused() -> Result<()> {
    let network = Network::start().await?;
    let proxy = SocksProxy::start().await?;
    let (with, without) =
        tokio::try_join!(node_with_tor(&network, "with", &proxy), network.node("without"))?;

    for node in [&with, &without] {
        for address in [V2_ONION, "a.onion:9735", &BOB_ONION.replace(".onion", ".onion.")] {
            let answer = connect(node.client(), STRANGER, address, false).await;
            refused(answer, Code::InvalidArgument, &["address: ", address, "version 3"]);
        }
    }
    let words = [BOB_ONION, "tor.proxy_address"];
    let answer = connect(without.client(), STRANGER, BOB_ONION, true).await;
    refused(answer, Code::FailedPrecondition, &words);
    let request = channel_to(&with, BOB_ONION, false);
    refused(without.client().open_channel(request).await, Code::FailedPrecondition, &words);
    assert_eq!(peers(&without).await?, []);

    tokio::join!(
        leads_nowhere(&with, &proxy, 'a', Exit::Refusal(HOST_UNREACHABLE), "Host unreachable"),
        leads_nowhere(&with, &proxy, 'b', Exit::Refusal(1), "General SOCKS server failure"),
        leads_nowhere(&with, &proxy, 'c', Exit::Nonsense, "did not get there"),
        leads_nowhere(&with, &proxy, 'd', Exit::Silence, "within 25 s"),
        leads_nowhere(&with, &proxy, 'e', Exit::To(without.address()), "does not answer"),
    );
    assert_eq!(peers(&with).await?, []);
    refused_at_start(&network).await?;
    network.stop().await
}

/// Tries to reach a stranger at an onion address that the proxy leads elsewhere from.
async fn leads_nowhere(node: &Node, proxy: &SocksProxy, letter: char, exit: Exit, reason: &str) {
    // The last two letters say that it is of version 3.
    let onion = format!("{}id.onion:9735", letter.to_string().repeat(54));
    proxy.lead(&onion, exit);
    let answer = connect(node.client(), STRANGER, &onion, true).await;
    refused(answer, Code::FailedPrecondition, &["cannot connect", STRANGER, &onion, reason]);
}

async fn refused_at_start(network: &Network) -> Result<()> {
    let listening = vec![ALICE_ONION.to_owned()];
    let builder =
        ConfigBuilder::new(network, "listening")?.set("node.listening_addresses", listening)?;
    let answer = builder.refused().await?.stderr;
    for word in ["node.listening_addresses", ALICE_ONION, "node.announcement_addresses"] {
        assert!(answer.contains(word), "{word} is not in {answer}");
    }
    let announced = vec![ALICE_ONION.to_uppercase()];
    let builder =
        ConfigBuilder::new(network, "announced")?.set("node.announcement_addresses", announced)?;
    let answer = builder.refused().await?.stderr;
    assert!(answer.contains("node.announcement_addresses: "), "{answer}");
    let builder = ConfigBuilder::new(network, "client")?
        .set("liquidity.lsps2_client.node_pubkey", STRANGER)?
        .set("liquidity.lsps2_client.address", ALICE_ONION)?;
    let answer = builder.refused().await?.stderr;
    for word in ["liquidity.lsps2_client.address", ALICE_ONION, "tor.proxy_address"] {
        assert!(answer.contains(word), "{word} is not in {answer}");
    }
    Ok(())
}

/// Alice is a hidden service: she tells her onion address to all, and bob, to whom she has opened
/// channels, finds her there.
#[tokio::test(flavor = "multi_thread")]
async fn an_onion_address_is_announced_and_found() -> Result<()> {
    let network = Network::start().await?;
    let proxy = SocksProxy::start().await?;
    let (alice, bob) =
        tokio::try_join!(network.node("alice"), node_with_tor(&network, "bob", &proxy))?;
    alice.stop().await?;
    let config = fs::read_to_string(alice.config_file())?;
    let announced = format!("[node]\nannouncement_addresses = [\"{ALICE_ONION}\"]");
    fs::write(alice.config_file(), config.replace("[node]", &announced))?;
    alice.start_again().await?;
    proxy.lead(ALICE_ONION, Exit::To(alice.address()));

    let info = alice.client().get_node_info(GetNodeInfoRequest {}).await?;
    assert_eq!(info.announcement_addresses, [ALICE_ONION]);
    assert_eq!(info.node_uris, [format!("{}@{ALICE_ONION}", alice.id())]);
    assert_eq!(info.listening_addresses, [alice.address()]);

    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    alice.client().open_channel(channel_to(&bob, &bob.address(), true)).await?;
    network.confirm_funding(&alice).await?;
    network.usable(&alice, &bob).await?;
    until("alice has announced herself", PATIENCE, async || {
        let info = alice.client().get_node_info(GetNodeInfoRequest {}).await?;
        info.latest_node_announcement_broadcast_timestamp.context("not yet")
    })
    .await?;
    // A node that is opened a channel to remembers the announced address of the other.
    alice.client().open_channel(channel_to(&bob, &bob.address(), false)).await?;
    until("bob remembers alice", PATIENCE, async || {
        let peer = peer(&bob, &alice).await?;
        ensure!(peer.is_persisted, "{peer:?}");
        Ok(())
    })
    .await?;
    alice.stop().await?;
    until("bob has lost alice", PATIENCE, async || {
        let peer = peer(&bob, &alice).await?;
        ensure!(!peer.is_connected, "{peer:?}");
        assert_eq!(peer.address, ALICE_ONION);
        Ok(())
    })
    .await?;

    // The address that the library has learnt by itself is that of the daemon at once …
    goes_through(&proxy, 0).await?;
    bob.stop().await?;
    let before = proxy.requests().len();
    alice.start_again().await?;
    bob.start_again().await?;
    // … and it is on disk.
    goes_through(&proxy, before).await?;
    // The second channel is never confirmed.
    until("alice can use the first channel", PATIENCE, async || alice.usable_channel(&bob).await)
        .await?;
    network.stop().await
}

/// Waits until somebody goes to alice through the proxy, who has had so many requests before.
async fn goes_through(proxy: &SocksProxy, before: usize) -> Result<()> {
    until("bob goes to alice through the proxy", PATIENCE, async || {
        let requests = proxy.requests().split_off(before);
        ensure!(requests.iter().any(|request| request.target == ALICE_ONION), "{requests:?}");
        Ok(())
    })
    .await
}

async fn node_with_tor(network: &Network, alias: &str, proxy: &SocksProxy) -> Result<Arc<Node>> {
    let section = format!("[tor]\nproxy_address = \"{}\"\n", proxy.address());
    network.node_with(alias, &section).await
}

fn channel_to(node: &Node, address: &str, announce_channel: bool) -> OpenChannelRequest {
    OpenChannelRequest {
        node_pubkey: node.id().to_owned(),
        address: address.to_owned(),
        amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
        announce_channel,
        ..Default::default()
    }
}

async fn connect(
    client: &Client,
    node_pubkey: &str,
    address: &str,
    persist: bool,
) -> Result<(), Error> {
    let (node_pubkey, address) = (node_pubkey.to_owned(), address.to_owned());
    let request = ConnectPeerRequest { node_pubkey, address, persist };
    client.connect_peer(request).await.map(drop)
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

/// The port of the node's own machine that leads to bob's onion address.
async fn entrance(node: &Node) -> Result<String> {
    let end = format!(" address={BOB_ONION}");
    node.log().says(&format!("{end}\n")).await?;
    let log = log(node)?;
    let line = log.lines().rev().find_map(|line| line.strip_suffix(&end));
    let entrance =
        line.and_then(|line| line.rsplit_once("entrance=")).map(|(_, entrance)| entrance);
    Ok(entrance.context("the log does not tell the port")?.to_owned())
}

fn log(node: &Node) -> Result<String> {
    Ok(fs::read_to_string(node.config().storage_dir.join("output.log"))?)
}

/// Checks that a call was refused with this status, in words that have all of these among them.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, code: Code, words: &[&str]) {
    let found = answer.as_ref().err().and_then(Error::code);
    assert_eq!(found, Some(code), "{answer:?}");
    let message = answer.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(words.iter().all(|word| message.contains(word)), "not {words:?} in {message}");
}
