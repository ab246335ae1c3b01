//! What there is from the beginning of a start to the end of the shutdown.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use super::tasks::TaskEnded;
use super::{StartError, Stop, Tasks};
use crate::api;
use crate::clock::unix_secs;
use crate::config::Config;
use crate::gate::ListeningSockets;
use crate::node::startup::{self, StartPhase, Started};
use crate::process;
use crate::readiness::Readiness;
use crate::secrets::Entropy;

/// What there is from the beginning of a start to the end of the shutdown. Dropping this ends the
/// tasks.
pub(super) struct Lifetime {
    pub(super) config: Arc<Config>,
    pub(super) started_at_secs: u64,
    pub(super) readiness: Readiness,
    pub(super) tasks: Tasks,
    pub(super) stop: Stop,
}

impl Lifetime {
    /// The beginning of a start.
    pub(super) fn new(config: Config) -> Self {
        Self {
            config: Arc::new(config),
            started_at_secs: unix_secs(),
            readiness: Readiness::starting(),
            tasks: Tasks::default(),
            stop: Stop::default(),
        }
    }

    /// Starts the node, and tells callers and health checks the phase of the start. Fails with
    /// [`StartError::Interrupted`] if `interrupt` completes first.
    pub(super) async fn start_node(
        &self,
        entropy: Entropy,
        sockets: ListeningSockets,
        progress: &watch::Sender<api::Phase>,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Started, StartError> {
        let report = |phase: StartPhase| {
            self.readiness.starting_with(&phase);
            progress.send_replace(api::Phase::Starting(phase.to_string()));
        };
        let config = Arc::clone(&self.config);
        let starting = startup::start(config, entropy, sockets, &report, self.on_store_failure());
        tokio::select! {
            started = starting => Ok(started?),
            () = interrupt => Err(StartError::Interrupted),
        }
    }

    /// Waits until a vital task has ended or any task has panicked.
    pub(super) async fn failed(&mut self) -> TaskEnded {
        let ended = self.tasks.failed().await;
        if self.readiness.has_database_failed() {
            // That is why it has ended, and the process ends in a moment, with the exit code of that.
            return pending().await;
        }
        ended
    }

    /// Ends the process when the database cannot be written any more.
    fn on_store_failure(&self) -> impl FnOnce(&str) + Send + use<> {
        let exit_on_database_failure =
            process::exit_on_database_failure(self.stop.serving().clone());
        let readiness = self.readiness.clone();
        move |reason| {
            readiness.database_failed();
            exit_on_database_failure(reason);
        }
    }
}
