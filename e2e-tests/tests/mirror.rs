//! The mirror of the database: a node whose disk is lost goes on from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Draft, Network, Node, until};
use ldk_server_client::api::ConnectPeerRequest;
use ldk_server_client::types::PaymentStatus;
use ldk_server_grpc::places;

const CHANNEL_SATS: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(60);
const DATABASE: &str = "ldk_node_data.sqlite";
const LOG: &str = "ldk_node_data.sqlite-wal";
/// Where in the header of a log its salts are, and in that of the frame that follows.
const SALTS: std::ops::Range<usize> = 16..24;
const SALTS_OF_FRAME: std::ops::Range<usize> = 8..16;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_from_its_mirror() -> Result<()> {
    let network = Network::start().await?;
    let backup = network.dir().join("backup");
    fs::create_dir(&backup)?;
    let sections = format!("[backup]\ndirectory = \"{}\"\n", backup.display());
    let [alice, bob] = [network.node_with("alice", sections).await?, network.node("bob").await?];
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    let mut paid = Vec::new();
    for _ in 0..3 {
        paid.push(alice.pays(&bob, 10_000_000).await?);
    }
    let spendable = Network::at_rest(&alice, &bob).await?;

    let [state, mirror] =
        [&alice.config().storage_dir, &backup].map(|dir| places::network_dir(dir, "regtest"));
    until("the mirror has everything", PATIENCE, async || is_level(&state, &mirror)).await?;
    alice.kill().await?;
    lose_disk(&state)?;
    for file in [DATABASE, LOG].map(PathBuf::from) {
        fs::copy(mirror.join(&file), state.join(&file))?;
    }
    alice.start_again().await?;
    reconnect(&alice, &bob).await?;
    assert_eq!(Network::at_rest(&alice, &bob).await?, spendable);
    for payment_id in &paid {
        assert_eq!(alice.payment(payment_id).await?.status(), PaymentStatus::Succeeded);
    }
    alice.pays(&bob, 1_000_000).await?;
    bob.pays(&alice, 1_000_000).await?;

    alice.stop().await?;
    assert!(!mirror.join(LOG).exists(), "the mirror is one file after a stop in good order");
    let backup = backup.display().to_string();
    let refused = Draft::new(&network, "carol")?.set("backup.directory", backup)?.refused().await?;
    assert!(refused.stderr.contains("the mirror of another node"), "{refused:?}");
    network.stop().await
}

/// Whether the log of the mirror has all commits that are in that of the database.
fn is_level(state: &Path, mirror: &Path) -> Result<()> {
    let [ours, theirs] = [state, mirror].map(|dir| fs::read(dir.join(LOG)));
    let (ours, theirs) = (ours?, theirs.context("there is no mirror yet")?);
    let more = ours.strip_prefix(theirs.as_slice()).context("it is another log")?;
    let is_same = |frame: &[u8]| frame.get(SALTS_OF_FRAME) == ours.get(SALTS);
    ensure!(!theirs.is_empty() && !is_same(more), "{} bytes are missing", more.len());
    Ok(())
}

fn lose_disk(state: &Path) -> Result<()> {
    for file in fs::read_dir(state)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(DATABASE) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

async fn reconnect(one: &Node, other: &Node) -> Result<()> {
    let request = ConnectPeerRequest {
        node_pubkey: other.id().to_owned(),
        address: other.address(),
        persist: false,
    };
    one.client().connect_peer(request).await?;
    Ok(())
}
