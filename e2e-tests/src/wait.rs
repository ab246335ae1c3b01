//! Waiting for a condition.

use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Asks `probe` again and again until it succeeds, for at most `patience`.
///
/// `probe` fails with what it saw instead; the last such error is the cause of the one returned,
/// which names `what` was waited for.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    let mut last_seen: Option<Error> = None;
    while let Ok(outcome) = timeout_at(deadline, probe()).await {
        match outcome {
            Ok(value) => return Ok(value),
            Err(seen) => last_seen = Some(seen),
        }
        if Instant::now() + POLL_INTERVAL > deadline {
            break;
        }
        sleep(POLL_INTERVAL).await;
    }
    let last_seen = last_seen.unwrap_or_else(|| anyhow!("the first look did not come back"));
    Err(last_seen.context(format!("not within {patience:?}: {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_asks_until_the_condition_holds() {
        let mut asked = 0;
        let answer = until("three", Duration::from_secs(1), async || {
            asked += 1;
            anyhow::ensure!(asked == 3, "only {asked}");
            Ok("done")
        });
        assert_eq!(answer.await.unwrap(), "done");
        assert_eq!(asked, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_with_what_was_last_seen() {
        let error = until("the moon", Duration::from_secs(1), async || {
            Err::<(), _>(anyhow!("a street lamp"))
        });
        assert_eq!(
            format!("{:#}", error.await.unwrap_err()),
            "not within 1s: the moon: a street lamp"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_does_not_come_back_is_cut_short() {
        let error = until("anything", Duration::from_secs(1), async || {
            std::future::pending::<Result<()>>().await
        });
        assert!(format!("{:#}", error.await.unwrap_err()).contains("did not come back"));
    }
}
