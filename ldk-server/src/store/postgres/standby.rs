//! Waiting until the node that runs has gone.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::error::PostgresError;

/// How often a standby looks whether it may take the lease.
const PERIOD: Duration = Duration::from_millis(100);

/// A start that waits while another node holds the lease.
#[derive(Clone)]
pub struct Standby {
    holder: watch::Sender<String>,
    stop: CancellationToken,
}

impl Standby {
    /// Tells `holder` who holds the lease, and waits until `stop` is cancelled.
    pub fn new(holder: watch::Sender<String>, stop: CancellationToken) -> Self {
        Self { holder, stop }
    }

    /// Waits a moment, for this holder to go. Fails if nobody waits any more.
    pub(super) async fn wait_for(&self, holder: &str) -> Result<(), PostgresError> {
        let holder = public_name(holder);
        self.holder.send_if_modified(|told| {
            let is_new = told != holder;
            if is_new {
                holder.clone_into(told);
            }
            is_new
        });
        self.pause().await
    }

    /// Waits a moment. Fails if nobody waits any more.
    pub(super) async fn pause(&self) -> Result<(), PostgresError> {
        self.unless_stopped(async {
            sleep(PERIOD).await;
            Ok(())
        })
        .await
    }

    /// Does this, and gives it up if nobody waits any more.
    pub(super) async fn unless_stopped<T>(
        &self,
        task: impl Future<Output = Result<T, PostgresError>>,
    ) -> Result<T, PostgresError> {
        match self.stop.run_until_cancelled(task).await {
            Some(outcome) => outcome,
            None => Err(PostgresError::Unusable("the start was interrupted".to_owned())),
        }
    }
}

/// The name of a node without the part that tells one start of the machine from another.
pub(super) fn public_name(name: &str) -> &str {
    name.rsplit_once(" (").map_or(name, |(name, _)| name)
}
