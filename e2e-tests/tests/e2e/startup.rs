//! From a configuration that is right to a daemon that serves, and what is there then.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{ConfigBuilder, Daemon, Esplora, Network, Port, RawConnection, TcpProxy, until};
use ldk_server_client::api::{GetNodeInfoRequest, GetNodeInfoResponse};
use ldk_server_client::{Client, Error};
use ldk_server_grpc::{SERVICE_NAME, places};
use tonic_health::pb::health_check_response::ServingStatus;

const PATIENCE: Duration = Duration::from_secs(30);
/// Twenty that nothing was paid to, of the addresses for others and of those for change.
const SCRIPTS_OF_A_FULL_SCAN: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_bitcoind_and_makes_no_wallet_before() -> Result<()> {
    let network = Network::start().await?;
    let proxy = TcpProxy::closed()?;
    let builder = || {
        let builder = ConfigBuilder::new(&network, "early")?;
        builder.set("bitcoind.rpc_address", proxy.address())
    };
    let dir = builder()?.storage_dir().to_owned();
    let wallet = places::network_dir(&dir, "regtest").join("ldk_node_data.sqlite");

    let mut early = builder()?.start()?;
    is_waiting_for(&mut early, &proxy.address()).await?;
    early.stop().await?;
    assert!(!wallet.exists(), "a wallet was made without knowing the height");

    let mut early = builder()?.start()?;
    is_waiting_for(&mut early, &proxy.address()).await?;
    proxy.open(network.bitcoind().rpc_address()).await?;
    let info = info(&early.ready().await?).await?;
    let height = info.current_best_block.context("no best block")?.height;
    assert_eq!(height, network.bitcoind().height().await?);
    assert!(wallet.exists());
    early.stop().await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_any_other_chain_source_too() -> Result<()> {
    let network = Network::start().await?;
    let address = Port::claim()?.address();
    for (source, scheme) in [("esplora", "http"), ("electrum", "tcp")] {
        let url = format!("{scheme}://{address}");
        let builder = ConfigBuilder::new(&network, source)?.unset("bitcoind")?;
        let mut daemon = builder.set(&format!("{source}.server_url"), url.as_str())?.start()?;
        is_waiting_for(&mut daemon, &address).await?;
        daemon.stop().await?;
    }
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_one_that_accepts_and_says_nothing() -> Result<()> {
    let network = Network::start_for(3).await?;
    let mute = TcpListener::bind("127.0.0.1:0")?;
    let address = mute.local_addr()?.to_string();
    let url = |scheme| format!("{scheme}://{address}");
    let builder = |name| ConfigBuilder::new(&network, name);
    let mut daemons = [
        builder("bitcoind")?.set("bitcoind.rpc_address", address.as_str())?.start()?,
        builder("electrum")?.unset("bitcoind")?.set("electrum.server_url", url("tcp"))?.start()?,
        builder("esplora")?.unset("bitcoind")?.set("esplora.server_url", url("http"))?.start()?,
    ];
    for daemon in &mut daemons {
        is_waiting_for(daemon, &address).await?;
    }
    for daemon in daemons {
        daemon.stop().await?;
    }
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wallet_looks_through_the_chain_once_and_whenever_it_is_told_to() -> Result<()> {
    let network = Network::start().await?;
    let esplora = Esplora::start().await?;
    for (flags, is_full) in
        [(&[][..], true), (&[], false), (&["--force-wallet-full-scan"], true), (&[], false)]
    {
        let builder = ConfigBuilder::new(&network, "scanning")?.unset("bitcoind")?;
        let mut daemon =
            builder.set("esplora.server_url", esplora.url())?.start_with(|command| {
                command.args(flags);
            })?;
        let client = daemon.ready().await?;
        let in_step = async || Ok(client.check_ready().await?);
        until("it is in step with the chain", PATIENCE, in_step).await?;
        let scripts = esplora.take_scripts();
        let as_told = (scripts >= SCRIPTS_OF_A_FULL_SCAN) == is_full;
        ensure!(as_told, "{flags:?}: it asked for {scripts} scripts");
        daemon.stop().await?;
    }
    // What an index of the chain has found, Bitcoin Core goes on from.
    let mut daemon = ConfigBuilder::new(&network, "scanning")?.start()?;
    let client = daemon.ready().await?;
    let in_step = async || Ok(client.check_ready().await?);
    until("it is in step with the chain of Bitcoin Core", PATIENCE, in_step).await?;
    // The library may have read the blocks and not have told of them yet.
    until("the last block is known", PATIENCE, async || {
        let best = info(&client).await?.current_best_block.context("no best block")?;
        let tip = network.bitcoind().height().await?;
        ensure!(best.height == tip, "{} of {tip}", best.height);
        Ok(())
    })
    .await?;
    daemon.stop().await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_bitcoind_works() -> Result<()> {
    let network = Network::start().await?;
    by_rest(&network).await?;
    by_cookie_file(&network).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() -> Result<()> {
    const VARIABLE: &str = "LDK_SERVER_NODE_ALIAS";
    let network = Network::start().await?;
    let builder = |name| ConfigBuilder::new(&network, name)?.set("node.alias", "of the file");
    for (name, flags, expected) in [
        ("variable", &[][..], "of the variable"),
        ("flag", &["--node-alias", "of the flag"], "of the flag"),
    ] {
        let mut daemon = builder(name)?.start_with(|command| {
            command.env(VARIABLE, "of the variable").args(flags);
        })?;
        let info = info(&daemon.ready().await?).await?;
        assert_eq!(info.node_alias.as_deref(), Some(expected));
        daemon.stop().await?;
    }
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_made_for_the_owner_alone_or_taken_as_they_are() -> Result<()> {
    let network = Network::start().await?;
    let mut fresh = ConfigBuilder::new(&network, "fresh")?.start()?;
    fresh.ready().await?;
    everything_is_private(&fresh.config().storage_dir)?;
    fresh.stop().await?;

    let first = id_of_seed(&network, "seeded", [7; 64]).await?;
    assert_eq!(first, id_of_seed(&network, "seeded-alike", [7; 64]).await?);
    assert_ne!(first, id_of_seed(&network, "seeded-otherwise", [8; 64]).await?);
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_where_they_are_wanted() -> Result<()> {
    let network = Network::start().await?;
    let place = |name: &str| network.dir().join(name);
    let shown = |name: &str| place(name).display().to_string();
    let mut daemon = ConfigBuilder::new(&network, "elsewhere")?
        .set("log.file", shown("daemon.log"))?
        .set("tls.cert_path", shown("service.crt"))?
        .set("tls.key_path", shown("service.key"))?
        .start()?;
    info(&daemon.ready().await?).await?;
    for name in ["daemon.log", "service.crt", "service.key"] {
        assert!(fs::metadata(place(name))?.len() > 0, "{name} is empty");
    }
    let dir = daemon.config().storage_dir.clone();
    daemon.stop().await?;
    for name in ["tls.crt", "tls.key", "regtest/ldk-server.log"] {
        assert!(!dir.join(name).exists(), "there is {name} too");
    }

    let mut daemon =
        ConfigBuilder::new(&network, "console")?.set("log.log_to_file", false)?.start()?;
    daemon.ready().await?;
    daemon.says("] ready").await?;
    assert!(!daemon.config().storage_dir.join("regtest/ldk-server.log").exists());
    daemon.stop().await?;
    network.stop().await
}

/// Checks that the daemon says everywhere that it waits for what is at this address.
async fn is_waiting_for(daemon: &mut Daemon, address: &str) -> Result<()> {
    daemon.says("trying again").await?;
    let client = daemon.client()?;
    match client.get_node_info(GetNodeInfoRequest {}).await {
        Err(Error::Unavailable(message)) => {
            ensure!(message.starts_with("starting: ") && message.contains(address), "{message}");
        },
        other => bail!("it is not waiting: {other:?}"),
    }
    let mut connection = RawConnection::open(daemon.config()).await?;
    for service in [SERVICE_NAME, ""] {
        let health = connection.health(daemon.config(), service).await?;
        ensure!(health == ServingStatus::NotServing, "the health of {service:?} is {health:?}");
    }
    daemon.ensure_running()
}

async fn by_rest(network: &Network) -> Result<()> {
    let builder = ConfigBuilder::new(network, "rest")?;
    let address = network.bitcoind().rpc_address();
    let mut daemon = builder.set("bitcoind.rest_address", address)?.start()?;
    let client = daemon.ready().await?;
    network.mine(1).await?;
    let tip = network.bitcoind().height().await?;
    until("it has the new block", PATIENCE, async || {
        let block = info(&client).await?.current_best_block.context("no best block")?;
        ensure!(block.height == tip, "it is at {}", block.height);
        Ok(())
    })
    .await?;
    daemon.stop().await
}

/// Bitcoin Core makes another cookie each time it starts.
async fn by_cookie_file(network: &Network) -> Result<()> {
    let (user, password) = network.bitcoind().credentials();
    let cookie = network.dir().join(".cookie");
    fs::write(&cookie, format!("{user}:{password}"))?;
    let builder = ConfigBuilder::new(network, "cookie")?;
    let builder = builder.unset("bitcoind.rpc_user")?.unset("bitcoind.rpc_password")?;
    let file = cookie.display().to_string();
    let mut daemon = builder.set("bitcoind.rpc_cookie_file", file)?.start()?;
    let before = info(&daemon.ready().await?).await?.node_id;

    fs::write(&cookie, format!("{user}:{password}\n"))?;
    until("it has started again", PATIENCE, async || {
        let output = daemon.output();
        let starts = output.lines().filter(|line| line.ends_with("] ready")).count();
        ensure!(starts == 2, "it was ready {starts} times");
        Ok(())
    })
    .await?;
    assert_eq!(info(&daemon.ready().await?).await?.node_id, before);
    daemon.stop().await
}

async fn id_of_seed(network: &Network, name: &str, seed: [u8; 64]) -> Result<String> {
    let builder = ConfigBuilder::new(network, name)?;
    fs::create_dir_all(builder.storage_dir())?;
    fs::write(builder.storage_dir().join("keys_seed"), seed)?;
    let mut daemon = builder.start()?;
    let id = info(&daemon.ready().await?).await?.node_id;
    let mnemonic = daemon.config().storage_dir.join("keys_mnemonic");
    assert!(!mnemonic.exists(), "there are two to choose from at the next start");
    daemon.stop().await?;
    Ok(id)
}

fn everything_is_private(storage_dir: &Path) -> Result<()> {
    for (path, expected) in [
        ("", 0o700),
        ("keys_mnemonic", 0o600),
        ("tls.key", 0o400),
        ("regtest", 0o700),
        ("regtest/api_key", 0o400),
    ] {
        let found = mode(&storage_dir.join(path))?;
        assert_eq!(found, expected, "{path:?} has the mode {found:o}");
    }
    for entry in fs::read_dir(storage_dir.join("regtest"))? {
        let path = entry?.path();
        assert_eq!(mode(&path)? & 0o077, 0, "others may do something with {}", path.display());
    }
    Ok(())
}

fn mode(path: &Path) -> Result<u32> {
    let metadata = fs::metadata(path).with_context(|| path.display().to_string())?;
    Ok(metadata.permissions().mode() & 0o777)
}

async fn info(client: &Client) -> Result<GetNodeInfoResponse> {
    Ok(client.get_node_info(GetNodeInfoRequest {}).await?)
}
