//! A panic anywhere is the end of the process: a part that died alone would leave a node that
//! answers, but no longer watches its channels.

use std::env;
use std::future::pending;
use std::time::Duration;

use anyhow::Result;
use ldk_server::process::{abort_on_panic, runtime};
use tokio::process::Command;
use tokio::time::timeout;

/// Tells this executable, run again by one of its own tests, where to panic.
const PLACE: &str = "LDK_SERVER_TEST_PANICS_IN";
const PATIENCE: Duration = Duration::from_secs(30);
const MESSAGE: &str = "a part of the node is broken";

#[tokio::test]
async fn a_panic_anywhere_ends_the_process() -> Result<()> {
    for place in ["task", "blocking task", "thread"] {
        let mut itself = Command::new(env::current_exe()?);
        itself.args(["--exact", "the_process_that_panics", "--nocapture"]).env(PLACE, place);
        let ended = timeout(PATIENCE, itself.kill_on_drop(true).output()).await??;
        assert!(!ended.status.success(), "in a {place}: {ended:?}");
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(stderr.contains(MESSAGE), "in a {place}: {stderr}");
    }
    Ok(())
}

/// What [`a_panic_anywhere_ends_the_process`] runs; by itself it does nothing.
#[test]
fn the_process_that_panics() -> Result<()> {
    let Ok(place) = env::var(PLACE) else { return Ok(()) };
    abort_on_panic();
    runtime()?.block_on(async {
        match place.as_str() {
            "task" => drop(tokio::spawn(async { panic!("{MESSAGE}") })),
            "blocking task" => drop(tokio::task::spawn_blocking(|| panic!("{MESSAGE}"))),
            _ => drop(std::thread::spawn(|| panic!("{MESSAGE}"))),
        }
        // The main task has nothing to do with it, and would go on for ever.
        pending().await
    })
}
