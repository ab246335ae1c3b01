//! Starts, runs and stops the daemon.

mod app;
mod background;
mod error;
mod exposure;
mod lifetime;
mod listeners;
mod phoenixd;
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

use tokio::sync::oneshot;
use tokio::time::timeout;

pub use error::StartError;
pub use run::{Exit, run};
pub use running::StopError;

use crate::config::Config;
use crate::executor::Executor;
use crate::store::Store;
use lifetime::Lifetime;
use prepared::Prepared;
use running::RunningNode;
use service::Services;
use stop::Stop;
use tasks::{ShutdownPhase, Tasks};

/// How long connections may take to close after their last call.
const LINGER: Duration = Duration::from_secs(2);

/// How long calls under way, and the ends of their answers, may hold up a handover.
const HANDOVER_GRACE: Duration = Duration::from_millis(500);

/// How long the last commit before a handover may take.
const HANDOVER_PATIENCE: Duration = Duration::from_secs(10);

/// A running daemon. Dropping it stops the daemon in the background.
pub struct Server {
    lifetime: Lifetime,
    running: RunningNode,
    calls: Executor,
    address: SocketAddr,
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
    /// The standby is to take the place of this node.
    SteppingDown,
}

impl Server {
    /// Starts a daemon that serves calls when this returns. Fails with [`StartError::Interrupted`] if
    /// `interrupt` completes first. A start that fails leaves nothing running.
    pub async fn start(
        config: Config,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Self, StartError> {
        let mut lifetime = Lifetime::new(config);
        let Prepared { lock, entropy, permissions, certificate, sockets, listeners } =
            Prepared::new(&lifetime.config).await?;
        let (address, secrets) = (listeners.address, entropy.derived_secrets());
        let (services, answers) = Services::new(&mut lifetime, permissions).await?;
        lifetime.spawn_listeners(listeners, answers);
        let progress = &services.progress;
        let started = lifetime.start_node(entropy, sockets, progress, interrupt).await?;
        let running = RunningNode::new(started, lock);
        let app = match app::assemble(&lifetime, &services, &running, secrets).await {
            Ok(app) => app,
            Err(error) => return Err(running.give_up(error).await),
        };
        lifetime.spawn_with_node(&services, &running, &app, certificate);
        services.ready(app);
        Ok(Self { lifetime, running, calls: services.calls, address })
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
        let stepping_down = self.lifetime.stop.stepping_down().clone();
        tokio::select! {
            ended = self.lifetime.failed() => ShutdownReason::Failed(ended.to_string()),
            () = self.running.cookie.replaced() => ShutdownReason::NewCookie,
            () = self.running.recovery.progress() => ShutdownReason::ChannelClosed,
            () = stepping_down.cancelled() => ShutdownReason::SteppingDown,
        }
    }

    /// Lets the standby have the node, as soon as it can: from the moment that calls are refused, nobody
    /// serves them. What was committed is complete, as it is at any moment, so the node need not be stopped
    /// in good order. Nothing may be done with it afterwards, and the process has to end.
    pub async fn hand_over(mut self) {
        let Self { lifetime, running, calls, .. } = &mut self;
        let Lifetime { tasks, stop, readiness, .. } = lifetime;
        readiness.stopping();
        stop.serving().cancel();
        if timeout(HANDOVER_GRACE, calls.drained()).await.is_err() {
            tracing::warn!("handing over while calls are under way");
        }
        running.gate.stop_accepting();
        stop.events().cancel();
        let (tell, told) = oneshot::channel();
        running.store.hand_over(move || {
            let _ = tell.send(());
        });
        match timeout(HANDOVER_PATIENCE, told).await {
            Ok(Ok(())) => tracing::info!("the standby may take over"),
            _ => {
                tracing::warn!("PostgreSQL does not answer; the standby has to wait for the lease");
            },
        }
        // The remaining connections carry the ends of answers, or are idle.
        let _ = timeout(HANDOVER_GRACE, tasks.ended(ShutdownPhase::Connections)).await;
        // So that no plugin outlives this process. Others may wait for commits that never come.
        let _ = timeout(LINGER, tasks.ended(ShutdownPhase::Serving)).await;
        *tasks = Tasks::default();
        // Stopping the node would wait for commits that never come.
        std::mem::forget(self);
    }

    /// Stops the daemon: refuses new calls, ends streams, waits up to `grace` for the calls under
    /// way, and then saves and closes the node.
    pub async fn shutdown(self, grace: Duration) -> Result<(), StopError> {
        let Self { lifetime: Lifetime { mut tasks, stop, readiness, .. }, running, calls, .. } =
            self;
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

#[cfg(test)]
mod tests;
