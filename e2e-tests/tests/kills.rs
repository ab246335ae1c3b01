//! The short form of the crash harness: as many kills as there is time for in every run of the tests.

use anyhow::Result;
use e2e_tests::crash::{self, Plan};
use e2e_tests::say;

const KILLS: u32 = 50;
const PAIRS: u32 = 4;

#[tokio::test]
async fn nothing_is_lost_whenever_a_node_is_killed() -> Result<()> {
    let mut temporary = tempfile::Builder::new().prefix("ldk-server-kills.").tempdir()?;
    // What is found depends on the moment more than on the seed, so each run tries another.
    let seed = rand::random();
    temporary.disable_cleanup(true);
    let dir = temporary.path().to_owned();
    let summary = crash::run(&Plan { kills: KILLS, pairs: PAIRS, seed, dir }).await?;
    say(&summary.to_string());
    let left = temporary.path().display();
    assert!(summary.violations.is_empty(), "seed {seed}, logs in {left}: {summary}");
    temporary.disable_cleanup(false);
    Ok(())
}
