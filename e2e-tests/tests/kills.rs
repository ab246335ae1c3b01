//! The short form of the crash harness: as many kills as there is time for in every run of the tests.

use anyhow::Result;
use e2e_tests::crash::{self, Ending, Plan, Summary};
use e2e_tests::say;

const KILLS: u32 = 50;
const PAIRS: u32 = 4;
const STOPS: u32 = 3;

#[tokio::test]
async fn nothing_is_lost_whenever_a_node_is_killed() -> Result<()> {
    nothing_is_lost(Ending::Killed, KILLS, PAIRS).await.map(drop)
}

#[tokio::test]
async fn a_node_that_is_stopped_amid_payments_goes_on_with_its_channel() -> Result<()> {
    let summary = nothing_is_lost(Ending::Stopped, STOPS, 1).await?;
    assert!(summary.succeeded > 0, "nothing was paid: {summary}");
    assert_eq!((summary.closures(), summary.stalled), (0, 0), "{summary}");
    assert_eq!((summary.pending, summary.arrived_and_pending), (0, 0), "{summary}");
    Ok(())
}

async fn nothing_is_lost(ending: Ending, kills: u32, pairs: u32) -> Result<Summary> {
    let mut temporary = tempfile::Builder::new().prefix("ldk-server-kills.").tempdir()?;
    // What is found depends on the moment more than on the seed, so each run tries another.
    let seed = rand::random();
    temporary.disable_cleanup(true);
    let dir = temporary.path().to_owned();
    let summary = crash::run(&Plan { kills, pairs, seed, ending, dir }).await?;
    say(&summary.to_string());
    let left = temporary.path().display();
    assert!(summary.violations.is_empty(), "seed {seed}, logs in {left}: {summary}");
    temporary.disable_cleanup(false);
    Ok(summary)
}
