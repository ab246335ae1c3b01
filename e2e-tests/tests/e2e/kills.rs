//! The short form of `stress`: as many kills as there is time for in every run of the tests.

use std::time::Duration;

use anyhow::Result;
use e2e_tests::stress::{self, Ending, Plan, Scenario, Summary};
use e2e_tests::{Reservation, print_uncaptured};

/// So often one pair of nodes has to come back with its first channel.
const SURVIVED: u32 = 25;

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_keeps_its_channel_and_its_payments_whenever_it_is_killed() -> Result<()> {
    let summary = nothing_is_lost(Scenario::Pairs, 60, 2).await?;
    assert!(summary.of_several > 0 && summary.most_survived >= SURVIVED, "{summary}");
    assert!(summary.succeeded > summary.kills, "hardly anything was paid: {summary}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn forwards_survive_that_any_of_three_nodes_is_killed() -> Result<()> {
    let summary = nothing_is_lost(Scenario::Forwards, 20, 2).await?;
    assert!(summary.succeeded > 0, "nothing was forwarded: {summary}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_nodes_know_of_a_channel_or_neither_whenever_one_is_killed() -> Result<()> {
    let summary = nothing_is_lost(Scenario::Channels, 12, 3).await?;
    assert!(summary.operations.values().any(|operations| operations.done > 0), "{summary}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_stopped_amid_payments_goes_on_with_its_channel() -> Result<()> {
    let summary = right(plan(Scenario::Pairs, Ending::Stopped, 3, 1)).await?;
    assert!(summary.succeeded > 0, "nothing was paid: {summary}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_whenever_the_node_is_killed() -> Result<()> {
    let summary = nothing_is_lost(Scenario::Standby, 6, 1).await?;
    assert!(summary.outages.len() == 6 && summary.takings >= 6, "{summary}");
    assert!(summary.succeeded > summary.kills, "hardly anything was paid: {summary}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_a_node_that_is_stopped() -> Result<()> {
    let summary = right(plan(Scenario::Standby, Ending::Stopped, 2, 1)).await?;
    assert_eq!(summary.outages.len(), 2, "{summary}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_standby_bears_whatever_is_done_to_it() -> Result<()> {
    let summary = right(plan(Scenario::Standby, Ending::Disturbed, 6, 1)).await?;
    assert!(summary.succeeded > summary.kills, "hardly anything was paid: {summary}");
    Ok(())
}

async fn nothing_is_lost(scenario: Scenario, kills: u32, groups: u32) -> Result<Summary> {
    right(plan(scenario, Ending::Killed, kills, groups)).await
}

fn plan(scenario: Scenario, ending: Ending, kills: u32, groups: u32) -> Plan {
    // What is found depends on the moment more than on the seed, so each run tries another.
    let seed = rand::random();
    let (sync_delay, has_mirrors, time) = (None::<Duration>, false, None);
    let dir = Default::default();
    Plan { scenario, ending, kills, time, groups, seed, sync_delay, has_mirrors, dir }
}

/// No channel is closed, no payment pending for ever, nothing lost.
async fn right(plan: Plan) -> Result<Summary> {
    let mut temporary = tempfile::Builder::new().prefix("ldk-server-kills.").tempdir()?;
    temporary.disable_cleanup(true);
    let _reservation = Reservation::of(plan.groups * plan.scenario.nodes()).await?;
    let (dir, seed) = (temporary.path().to_owned(), plan.seed);
    let summary = stress::run(&Plan { dir, ..plan }).await?;
    print_uncaptured(&summary.to_string());
    let left = temporary.path().display();
    assert!(summary.is_right(), "seed {seed}, logs in {left}: {summary}");
    temporary.disable_cleanup(false);
    Ok(summary)
}
