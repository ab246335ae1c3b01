//! A node that is killed at random moments while it is asked to spend, and is then asked again. With
//! `ONCE_ROUNDS` set, so many times for each call.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, Spent, until};
use tokio::time::sleep;

use super::CHANNEL_SATS;
use super::spends::{Spends, is_lightning};

const PATIENCE: Duration = Duration::from_secs(60);
/// More than a round takes from the wallet.
const ROUND_SATS: u64 = 400_000;
/// What Bob keeps of each channel.
const KEPT_MSAT: u64 = 10_000_000;
/// What a kill has not undone has happened after that.
const AFTERWARDS: Duration = Duration::from_secs(10);
/// A call is over after that.
const LONGEST_MILLIS: u64 = 250;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_again_after_a_kill_at_any_moment_spends_once() -> Result<()> {
    let rounds = std::env::var("ONCE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds: u64 = rounds.unwrap_or(1);
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let mut repeated = 0;
    for round in 0..rounds {
        network.fund(&[&alice], ROUND_SATS).await?;
        give_back(&alice, &bob).await?;
        for name in Spends::NAMES {
            let killed = kill_during(&network, &alice, &bob, (name, round)).await;
            repeated += u64::from(killed.with_context(|| format!("{name} in round {round}"))?);
        }
    }
    e2e_tests::print_uncaptured(&format!(
        "{rounds} kills during each of {} calls: {repeated} were found done",
        Spends::NAMES.len()
    ));
    network.stop().await
}

/// Bob pays Alice what the last round has taken, so that every round has one channel with enough.
async fn give_back(alice: &Node, bob: &Node) -> Result<()> {
    until("Bob pays back", PATIENCE, async || {
        let channels = bob.channels().await?;
        ensure!(channels.iter().all(|channel| channel.is_usable), "{channels:?}");
        for channel in channels {
            let limit_msat = channel.next_outbound_htlc_limit_msat.saturating_sub(KEPT_MSAT);
            if limit_msat > KEPT_MSAT {
                bob.pays(alice, limit_msat).await?;
            }
        }
        Ok(())
    })
    .await
}

/// Returns whether the call that was made again was a repetition.
async fn kill_during(
    network: &Network,
    alice: &Arc<Node>,
    bob: &Node,
    (name, round): (&str, u64),
) -> Result<bool> {
    let spends = Spends { network, alice, bob };
    let before = spends.seen(name).await?;
    let (key, spend) = (format!("{name}-{round}"), spends.make(name).await?);
    let (asked, of_call, of_key) = (Arc::clone(alice), spend.clone(), key.clone());
    let call = tokio::spawn(async move { of_call.make(asked.client(), &of_key).await });
    sleep(Duration::from_millis(rand::random_range(0..LONGEST_MILLIS))).await;
    alice.kill().await?;
    let answer = call.await?.ok();
    alice.start_again().await?;
    until("the two are connected", PATIENCE, async || {
        alice.connect_to(bob).await?;
        alice.usable_channel(bob).await.map(drop)
    })
    .await?;
    let (told, before) = spends.told(name, (&spend, &key), before).await?;
    if let Some(answer) = answer {
        ensure!(told == Spent { repeated: true, ..answer.clone() }, "{answer:?}, then {told:?}");
    }
    if is_lightning(name) {
        spends.as_told(name, before, &told.outcome).await?;
    } else if told.repeated {
        // Before there is a transaction, a kill may undo it. If it does not, the next call must not meet it.
        let happened = until("it has happened", AFTERWARDS, async || {
            let happened = spends.happened(name, before).await?;
            ensure!(happened > 0, "nothing has happened");
            Ok(happened)
        });
        let happened = happened.await.unwrap_or(0);
        ensure!(happened <= 1, "it has happened {happened} times");
    } else {
        spends.once_since(name, before).await?;
    }
    Ok(told.repeated)
}
