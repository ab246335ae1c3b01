//! How a daemon is stopped, and told of a new log file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{ConfigBuilder, Network, until};
use futures_util::StreamExt as _;
use ldk_server_client::Error;
use ldk_server_client::api::{ConnectPeerRequest, GetNodeInfoRequest, SubscribeEventsRequest};
use ldk_server_grpc::places;
use rustix::process::Signal;
use tokio::net::TcpListener;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);
/// Well below the time that calls under way are given.
const AT_ONCE: Duration = Duration::from_secs(5);
const PEER: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

#[tokio::test(flavor = "multi_thread")]
async fn one_signal_stops_it_in_order() -> Result<()> {
    let network = Network::start().await?;
    for (name, signal) in [("terminated", Signal::TERM), ("interrupted", Signal::INT)] {
        let builder = ConfigBuilder::new(&network, name)?;
        // As one that was copied there.
        let api_key = places::api_key_file(builder.storage_dir(), "regtest");
        fs::create_dir_all(api_key.parent().context("it is in a directory")?)?;
        fs::write(&api_key, [7; 32])?;
        fs::set_permissions(&api_key, Permissions::from_mode(0o644))?;
        let mut daemon = builder.start()?;
        let client = daemon.ready().await?;
        daemon.says("other users can read this path").await?;
        daemon.says(&format!("path={}", api_key.display())).await?;
        let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid()?))?;
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        let limits = core.context("no limit")?.split_whitespace().skip(4).take(2);
        assert_eq!(limits.collect::<Vec<_>>(), ["0", "0"], "a core dump has keys in it");
        let mut events = client.subscribe_events(SubscribeEventsRequest::default()).await?;
        daemon.signal(signal)?;
        let end = timeout(PATIENCE, events.next()).await.context("the stream does not end")?;
        assert!(matches!(end, Some(Err(Error::Unavailable(_)))), "{end:?}");
        assert_eq!(daemon.ended().await?.code(), Some(0));
    }
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() -> Result<()> {
    let network = Network::start().await?;
    let mut daemon = ConfigBuilder::new(&network, "busy")?.start()?;
    let client = daemon.ready().await?;
    // A call that takes long: it waits for a peer that is there and says nothing.
    let peer = TcpListener::bind("127.0.0.1:0").await?;
    let request = ConnectPeerRequest {
        node_pubkey: PEER.to_owned(),
        address: peer.local_addr()?.to_string(),
        persist: false,
    };
    let call = tokio::spawn(async move { client.connect_peer(request).await });
    let _connection = timeout(PATIENCE, peer.accept()).await.context("it does not connect")??;

    daemon.signal(Signal::TERM)?;
    daemon.says("a second signal ends").await?;
    daemon.ensure_running()?;
    daemon.signal(Signal::TERM)?;
    let status = timeout(AT_ONCE, daemon.ended()).await.context("it does not end at once")??;
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    assert!(call.await?.is_err());
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_that_was_moved_away_is_opened_anew() -> Result<()> {
    let network = Network::start().await?;
    let mut daemon = ConfigBuilder::new(&network, "rotated")?.start()?;
    let client = daemon.ready().await?;
    let dir = places::network_dir(&daemon.config().storage_dir, "regtest");
    let (log, moved) = (dir.join("ldk-server.log"), dir.join("ldk-server.log.1"));
    fs::rename(&log, &moved)?;
    daemon.signal(Signal::HUP)?;
    until("the new file has lines", PATIENCE, async || {
        client.get_node_info(GetNodeInfoRequest {}).await?;
        let text = fs::read_to_string(&log).context("there is no new file")?;
        ensure!(text.contains("GetNodeInfo OK"), "it has {text:?}");
        Ok(())
    })
    .await?;
    assert!(fs::read_to_string(&moved)?.contains("] ready"), "the old file is not as it was");
    daemon.stop().await?;
    network.stop().await
}
