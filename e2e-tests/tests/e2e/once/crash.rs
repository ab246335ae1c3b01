//! A node that ends at every point between the intent and the answer, and is asked again.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, Spent, until};

use super::spends::{Spends, is_lightning};

const CHANNEL_SATS: u64 = 2_000_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// The names of the points in `ldk-server/src/crash_points.rs`.
const POINTS: [&str; 4] = ["Intent", "Dispatched", "Written", "Answer"];

/// A pair of which the first ends where it is told to.
struct Story {
    network: Network,
    alice: Arc<Node>,
    bob: Arc<Node>,
    armed: PathBuf,
}

impl Story {
    async fn begin() -> Result<Self> {
        let network = Network::start().await?;
        let armed = network.dir().join("crash_point");
        let mut config = network.config("alice")?;
        let variable = format!("LDK_CRASH_POINT_FILE={}", armed.display());
        config.run_by = vec!["/usr/bin/env".to_owned(), variable];
        let (alice, bob) = tokio::try_join!(network.node_of(config), network.node("bob"))?;
        network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
        network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
        Ok(Self { network, alice, bob, armed })
    }

    /// The call ends the node at this point. Made again, it is done once.
    async fn crash_at(&self, point: &str, name: &str) -> Result<()> {
        let Self { network, alice, bob, .. } = self;
        let spends = Spends { network, alice, bob };
        let before = spends.seen(name).await?;
        let (key, spend) = (format!("{point}-{name}"), spends.make(name).await?);
        fs::write(&self.armed, point)?;
        let answer = spend.make(alice.client(), &key).await;
        ensure!(answer.is_err(), "answered {answer:?}");
        self.comes_back().await?;

        let (first, before) = spends.told(name, (&spend, &key), before).await?;
        let again = spend.make(alice.client(), &key).await?;
        ensure!(again == Spent { repeated: true, ..first.clone() }, "{first:?}, then {again:?}");
        if point == "Intent" {
            return spends.once_since(name, before).await;
        }
        if is_lightning(name) {
            return spends.as_told(name, before, &first.outcome).await;
        }
        // The node has forgotten a channel that had no transaction yet, and a transaction that had not
        // come to the chain gate. The key is that of the call all the same.
        let happened = spends.happened(name, before).await?;
        ensure!(happened <= 1, "it has happened {happened} times");
        Ok(())
    }

    async fn comes_back(&self) -> Result<()> {
        let status = self.alice.ended().await?;
        ensure!(!status.success() && !self.armed.exists(), "ended with {status}");
        self.alice.start_again().await?;
        until("the two are connected", PATIENCE, async || {
            self.alice.connect_to(&self.bob).await?;
            self.alice.usable_channel(&self.bob).await.map(drop)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_again_after_a_crash_pays_once() -> Result<()> {
    crash_everywhere(&["Bolt11Send", "Bolt12Send", "SpontaneousSend", "UnifiedSend"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_again_after_a_crash_spends_once() -> Result<()> {
    crash_everywhere(&["OnchainSend", "SpliceOut", "SpliceIn", "OpenChannel"]).await
}

async fn crash_everywhere(names: &[&str]) -> Result<()> {
    let story = Story::begin().await?;
    for name in names {
        for point in POINTS {
            let crashed = story.crash_at(point, name).await;
            crashed.with_context(|| format!("{name} at {point}"))?;
        }
    }
    story.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_event_changes_nothing_for_who_asks_again() -> Result<()> {
    let story = Story::begin().await?;
    let Story { network, alice, bob, armed } = &story;
    let spends = Spends { network, alice, bob };
    let before = spends.seen("Bolt11Send").await?;
    let spend = spends.make("Bolt11Send").await?;
    fs::write(armed, "Event")?;
    let first = spend.make(alice.client(), "k").await?;
    story.comes_back().await?;
    let again = spend.make(alice.client(), "k").await?;
    assert_eq!(again, Spent { repeated: true, ..first });
    spends.once_since("Bolt11Send", before).await?;
    story.network.stop().await
}
