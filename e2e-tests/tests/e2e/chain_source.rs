//! Chain sources that go away and come back, that take their time, and how often they are asked.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{
    Authority, ConfigBuilder, Daemon, ElectrumIndex, Esplora, Network, Node, NodeConfig,
    RawConnection, TcpProxy, tls_connect, until,
};
use ldk_server_client::Error;
use ldk_server_client::api::GetNodeInfoRequest;
use ldk_server_grpc::SERVICE_NAME;
use rustls::ALL_VERSIONS;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;
use tonic_health::pb::health_check_response::ServingStatus;

const PATIENCE: Duration = Duration::from_secs(60);
/// Bitcoin Core may be silent for a minute.
const SILENCE_PATIENCE: Duration = Duration::from_secs(120);
const BLOCKS_MISSED: u32 = 3;
const DEPOSIT_SATS: u64 = 70_000;
/// A start asks for about a dozen things, one after the other.
const DELAY: Duration = Duration::from_secs(1);
const CALLS: u32 = 20;
const INTERVAL_SECS: u32 = 10;
/// The shortest of the intervals is 30 seconds by default.
const LESS_THAN_BY_DEFAULT: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_bitcoind_went_away_goes_on_and_catches_up() -> Result<()> {
    let network = Network::start().await?;
    let proxy = TcpProxy::closed()?;
    proxy.open(network.bitcoind().rpc_address()).await?;
    let (alice, bob) =
        tokio::try_join!(network.node_of(behind(&proxy, &network)?), network.node("bob"))?;
    network.fund(&[&alice, &bob], 1_000_000).await?;
    network.open_channel(&alice, &bob, 500_000, 250_000).await?;
    is_ready(&alice).await?;

    proxy.close();
    let before = (alice.height().await?, alice.balances().await?.total_onchain_balance_sats);
    network.bitcoind().send(&[alice.new_address().await?], DEPOSIT_SATS).await?;
    network.bitcoind().mine(BLOCKS_MISSED).await?;
    until("it says that the chain source is silent", SILENCE_PATIENCE, async || {
        says_silent(&alice, &proxy).await
    })
    .await?;
    let now = (alice.height().await?, alice.balances().await?.total_onchain_balance_sats);
    assert_eq!(now, before, "it knows what it cannot know");
    alice.pays(&bob, 1_000_000).await?;
    bob.pays(&alice, 1_000_000).await?;

    proxy.open(network.bitcoind().rpc_address()).await?;
    is_ready(&alice).await?;
    until("it has what it missed", PATIENCE, async || {
        let now = (alice.height().await?, alice.balances().await?.total_onchain_balance_sats);
        ensure!(now == (before.0 + BLOCKS_MISSED, before.1 + DEPOSIT_SATS), "{now:?}");
        Ok(())
    })
    .await?;
    alice.pays(&bob, 1_000_000).await?;
    bob.pays(&alice, 1_000_000).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_bitcoind_makes_no_caller_wait() -> Result<()> {
    let network = Network::start().await?;
    let proxy = TcpProxy::closed()?;
    proxy.open_slowly(network.bitcoind().rpc_address(), DELAY).await?;
    let alice = network.node_of(behind(&proxy, &network)?).await?;
    is_ready(&alice).await?;
    let begin = Instant::now();
    for _ in 0..CALLS {
        alice.client().get_node_info(GetNodeInfoRequest {}).await?;
        alice.new_address().await?;
    }
    let took = begin.elapsed();
    assert!(took < DELAY * CALLS, "{CALLS} calls of each kind took {took:?}");
    network.fund(&[&alice], DEPOSIT_SATS).await?;
    alice.client().check_ready().await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_asked_as_configured() -> Result<()> {
    const BEARER: &str = "Bearer of news";
    let network = Network::start().await?;
    let esplora = Esplora::start().await?;
    let url = |path: &str| format!("{}{path}", esplora.url());
    let builder = ConfigBuilder::new(&network, "asking")?
        .unset("bitcoind")?
        .set("esplora.server_url", url("/api"))?
        .set("esplora.headers", vec![format!("Authorization: {BEARER}")])?
        .set("node.rgs_server_url", url("/rgs"))?
        .set("node.pathfinding_scores_source_url", url("/scores"))?
        .set("sync.onchain_wallet_interval_secs", INTERVAL_SECS)?
        .set("sync.lightning_wallet_interval_secs", INTERVAL_SECS)?
        .set("sync.fee_rates_interval_secs", INTERVAL_SECS)?;
    let mut daemon = builder.start()?;
    let client = daemon.ready().await?;
    let syncs = async || {
        let info = client.get_node_info(GetNodeInfoRequest {}).await?;
        let (onchain, lightning, fee_rates) = (
            info.latest_onchain_wallet_sync_timestamp,
            info.latest_lightning_wallet_sync_timestamp,
            info.latest_fee_rate_cache_update_timestamp,
        );
        onchain.zip(lightning).zip(fee_rates).context("not all of them have been")
    };
    let ((onchain, lightning), fee_rates) = until("all syncs were", PATIENCE, syncs).await?;
    until("all have been again", LESS_THAN_BY_DEFAULT, async || {
        let now = syncs().await?;
        ensure!(now.0.0 > onchain && now.0.1 > lightning && now.1 > fee_rates, "{now:?}");
        Ok(())
    })
    .await?;
    daemon.stop().await?;

    let requests = esplora.take_requests();
    for path in ["/rgs/", "/scores", "/api/"] {
        let is_asked = requests.iter().any(|(asked, _)| asked.starts_with(path));
        assert!(is_asked, "{path} is not in {requests:?}");
    }
    let of_index = requests.iter().filter(|(asked, _)| asked.starts_with("/api/"));
    for (path, authorization) in of_index {
        assert_eq!(authorization.as_deref(), Some(BEARER), "{path}");
    }
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_esplora_server_is_reached_by_tls_if_its_authority_is_trusted() -> Result<()> {
    let network = Network::start().await?;
    let (ours, theirs) = (Authority::new("localhost")?, Authority::new("localhost")?);
    let esplora = Esplora::start_with_tls(&ours).await?;
    let builder = |name: &str, authority: &Authority| {
        ConfigBuilder::new(&network, name)?
            .unset("bitcoind")?
            .set("esplora.server_url", esplora.url())?
            .set("esplora.ca_cert_path", authority.ca_cert_path().display().to_string())
    };
    let mut daemon = builder("trusting", &ours)?.start()?;
    let client = daemon.ready().await?;
    until("it is ready", PATIENCE, async || Ok(client.check_ready().await?)).await?;
    daemon.stop().await?;
    let asked = esplora.take_requests();
    assert!(asked.iter().any(|(path, _)| path == "/fee-estimates"), "{asked:?}");

    waits_for(builder("mistrusting", &theirs)?.start()?, esplora.url()).await?;
    assert_eq!(esplora.take_requests(), []);
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_electrum_server_is_reached_by_tls_and_broadcasts() -> Result<()> {
    let network = Network::start().await?;
    let (ours, theirs) = (Authority::new("localhost")?, Authority::new("localhost")?);
    let electrum = ElectrumIndex::start_with_tls(&network, &ours).await?;
    let section = |authority: &Authority| {
        let ca_cert_path = authority.ca_cert_path();
        format!(
            "[electrum]\nserver_url = \"{}\"\nca_cert_path = \"{}\"\n",
            electrum.url(),
            ca_cert_path.display()
        )
    };
    let mut config = network.config("alice")?;
    config.chain_source = section(&ours);
    config.sections = format!(
        "[sync]\nonchain_wallet_interval_secs = {INTERVAL_SECS}\n\
         lightning_wallet_interval_secs = {INTERVAL_SECS}\n\
         [metrics]\nenabled = true\npoll_metrics_interval = 1\n"
    );
    let (alice, bob) = tokio::try_join!(network.node_of(config), network.node("bob"))?;
    network.fund(&[&alice, &bob], 1_000_000).await?;
    network.open_channel(&alice, &bob, 500_000, 250_000).await?;
    alice.pays(&bob, 1_000_000).await?;
    bob.pays(&alice, 1_000_000).await?;
    let metrics = metrics(&alice).await?;
    let held = |count: u32| format!("ldk_server_broadcast_held_seconds_count {count}\n");
    assert!(!metrics.contains(&held(0)) && metrics.contains("held_seconds_count"), "{metrics}");
    assert!(metrics.contains("ldk_server_broadcasts_refused_total 0\n"), "{metrics}");
    alice.stop().await?;

    let builder = ConfigBuilder::new(&network, "mistrusting")?.unset("bitcoind")?;
    let daemon = builder
        .set("electrum.server_url", electrum.url())?
        .set("electrum.ca_cert_path", theirs.ca_cert_path().display().to_string())?
        .start()?;
    waits_for(daemon, electrum.url()).await?;
    network.stop().await
}

/// What Prometheus would read.
async fn metrics(node: &Node) -> Result<String> {
    let mut stream = tls_connect(node.config(), ALL_VERSIONS, &["http/1.1"]).await?;
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Checks that it starts and says that its server cannot be trusted, and stops it.
async fn waits_for(mut daemon: Daemon, server_url: &str) -> Result<()> {
    daemon.says(&format!("{server_url} does not tell its first block: ")).await?;
    daemon.says("certificate").await?;
    daemon.stop().await
}

/// The configuration of a node that reaches bitcoind only through the proxy.
fn behind(proxy: &TcpProxy, network: &Network) -> Result<NodeConfig> {
    let mut config = network.config("alice")?;
    config.args = vec!["--bitcoind-rpc-address".to_owned(), proxy.address()];
    Ok(config)
}

async fn is_ready(node: &Node) -> Result<()> {
    until(&format!("{} is ready", node.alias()), PATIENCE, async || {
        ensure!(health(node).await? == [ServingStatus::Serving; 2]);
        Ok(node.client().check_ready().await?)
    })
    .await
}

/// Checks that it lives, answers, and says that its chain source does not.
async fn says_silent(node: &Node, proxy: &TcpProxy) -> Result<()> {
    match node.client().check_ready().await {
        Err(Error::Unavailable(why)) => ensure!(
            why.starts_with("chain source: no answer since ")
                && why.ends_with(" s)")
                && !why.contains(&proxy.address()),
            "{why}"
        ),
        other => bail!("{other:?}"),
    }
    ensure!(health(node).await? == [ServingStatus::NotServing; 2]);
    node.client().check_live().await?;
    node.client().get_node_info(GetNodeInfoRequest {}).await?;
    Ok(())
}

/// Of the server as a whole, and of its service.
async fn health(node: &Node) -> Result<[ServingStatus; 2]> {
    let mut connection = RawConnection::open(node.config()).await?;
    Ok([
        connection.health(node.config(), "").await?,
        connection.health(node.config(), SERVICE_NAME).await?,
    ])
}
