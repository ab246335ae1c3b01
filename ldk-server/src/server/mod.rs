//! Starts, runs and stops the daemon.

mod app;
mod background;
mod error;
mod exposure;
mod prepared;
mod run;
mod running;
mod service;
mod stop;
mod tasks;
mod upstream;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

pub use error::StartError;
pub use run::{Exit, run};
pub use running::StopError;

use crate::api;
use crate::chain::cookie::CookieWatch;
use crate::clock::unix_secs;
use crate::config::Config;
use crate::executor::Executor;
use crate::node::startup::{self, StartPhase};
use crate::process;
use crate::readiness::Readiness;
use crate::recovery::Recovery;
use crate::store::Store;
use prepared::Prepared;
use running::RunningNode;
use service::Services;
use stop::Stop;
use tasks::{ShutdownPhase, Tasks};

/// How long connections may take to close after their last call.
const LINGER: Duration = Duration::from_secs(2);

/// A running daemon. Dropping it stops the daemon in the background.
pub struct Server {
    tasks: Tasks,
    stop: Stop,
    running: RunningNode,
    calls: Executor,
    readiness: Readiness,
    address: SocketAddr,
    cookie: CookieWatch,
    recovery: Recovery,
}

/// Why a running server has to stop.
#[derive(Debug)]
pub enum ShutdownReason {
    /// A task has failed; the text names it.
    Failed(String),
    /// Bitcoin Core has a new cookie: the server has to be started again.
    NewCookie,
    /// A peer has closed a channel in recovery: a new start claims our balance.
    ChannelClosed,
}

impl Server {
    /// Starts a daemon that serves calls when this returns. Fails with [`StartError::Interrupted`] if
    /// `interrupt` completes first. A start that fails leaves nothing running.
    pub async fn start(
        config: Config,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Self, StartError> {
        let started_at_secs = unix_secs();
        let (readiness, stop, mut tasks) =
            (Readiness::starting(), Stop::default(), Tasks::default());
        let prepared = Prepared::new(&config).await?;
        let Prepared {
            lock,
            entropy,
            permissions,
            certificate,
            sockets,
            listener,
            address,
            cln_rest,
            cln_grpc,
            cln_socket,
            ..
        } = prepared;
        let config = Arc::new(config);
        let signed_since = (permissions.clone(), started_at_secs);
        let services = Services::new(&config, signed_since, &readiness, &stop, &mut tasks).await?;
        let Services {
            router,
            calls,
            cln,
            cln_rest: of_cln_rest,
            cln_grpc: of_cln_grpc,
            events,
            progress,
            latest_metrics,
        } = services;
        let reloader = prepared.certificate_reloader;
        tasks.spawn_listener((listener, router), reloader, &readiness, &stop);
        tasks.spawn_cln_rest(cln_rest, of_cln_rest, &stop);
        tasks.spawn_cln_socket(cln_socket, cln, &stop);
        tasks.spawn_cln_grpc(cln_grpc, of_cln_grpc, &stop);
        tracing::info!("gRPC service listening on {address}");

        let report = |phase| report_phase(phase, &readiness, &progress);
        let on_store_failure = on_store_failure(&readiness, &stop);
        let secrets = entropy.derived_secrets();
        let starting =
            startup::start(Arc::clone(&config), entropy, sockets, &report, on_store_failure);
        let started = tokio::select! {
            started = starting => started?,
            () = interrupt => return Err(StartError::Interrupted),
        };
        let running = RunningNode::of(&started, lock);
        let assembling = app::assemble(
            &config,
            &started,
            secrets,
            &permissions,
            &calls,
            &events,
            stop.serving(),
        );
        let app = match assembling.await {
            Ok(app) => app,
            Err(error) => return Err(running.give_up(error).await),
        };
        tasks.spawn_with_node(&app, &started, &config, &stop);
        tasks.spawn_metrics(&started, &app, &config, latest_metrics, &certificate, &stop);
        tasks.spawn_probe(&started, &config, certificate, started_at_secs, &readiness, &stop);
        log_node_uris(&running);
        progress.send_replace(api::Phase::Ready(app));
        tracing::info!("ready");
        let (cookie, recovery) = (started.cookie, started.recovery);
        Ok(Self { tasks, stop, running, calls, readiness, address, cookie, recovery })
    }

    /// The address of the gRPC service.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The store of the server.
    pub fn store(&self) -> &Arc<Store> {
        &self.running.store
    }

    /// Waits until the server has to stop.
    pub async fn ended(&mut self) -> ShutdownReason {
        tokio::select! {
            ended = self.tasks.failed() => ShutdownReason::Failed(ended.to_string()),
            () = self.cookie.replaced() => ShutdownReason::NewCookie,
            () = self.recovery.progress() => ShutdownReason::ChannelClosed,
        }
    }

    /// Stops the daemon: refuses new calls, ends streams, waits up to `grace` for the calls under
    /// way, and then saves and closes the node.
    pub async fn shutdown(self, grace: Duration) -> Result<(), StopError> {
        let Self { mut tasks, stop, running, calls, readiness, .. } = self;
        readiness.stopping();
        tasks.ended(ShutdownPhase::Health).await?;
        stop.serving().cancel();
        if timeout(grace, calls.drained()).await.is_err() {
            tracing::warn!(grace_secs = grace.as_secs(), "stopping while calls are under way");
        }
        // The remaining connections carry the ends of answers, or are idle.
        let _ = timeout(LINGER, tasks.ended(ShutdownPhase::Connections)).await;
        running.gate.stop_accepting();
        tasks.ended(ShutdownPhase::Serving).await?;
        stop.events().cancel();
        let ended = tasks.ended(ShutdownPhase::Events).await;
        running.stop().await?;
        Ok(ended?)
    }
}

/// Tells callers and health checks the phase of the start.
fn report_phase(phase: StartPhase, readiness: &Readiness, progress: &watch::Sender<api::Phase>) {
    readiness.starting_with(&phase);
    progress.send_replace(api::Phase::Starting(phase.to_string()));
}

/// Ends the process when the database cannot be written any more.
fn on_store_failure(readiness: &Readiness, stop: &Stop) -> impl FnOnce(&str) + Send + 'static {
    let exit_on_database_failure = process::exit_on_database_failure(stop.serving().clone());
    let readiness = readiness.clone();
    move |reason| {
        readiness.database_failed();
        exit_on_database_failure(reason);
    }
}

fn log_node_uris(RunningNode { node, gate, .. }: &RunningNode) {
    gate.warn_of_unreachable_addresses();
    for address in gate.announcement_addresses() {
        tracing::info!("NODE_URI: {}@{address}", node.node_id());
    }
}

#[cfg(test)]
mod tests;
