//! Runs a daemon from its start to the end of the process or to a restart.

use std::process::ExitCode;
use std::time::Duration;

use super::{Server, ShutdownReason, StartError};
use crate::config::Config;
use crate::process::{self, Signals};
use crate::systemd::{Notice, notify};

/// How long calls under way may take during a shutdown.
const GRACE: Duration = Duration::from_secs(20);

/// How a run ends.
pub enum Exit {
    /// The process ends with this code.
    Code(ExitCode),
    /// The process is replaced by a new one.
    Restart,
}

/// Runs a daemon until a signal, or until it has to stop.
pub async fn run(config: Config, signals: Signals) -> Exit {
    let is_standby = config.postgres.as_ref().is_some_and(|postgres| postgres.is_standby);
    let mut server = match Server::start(config, signals.stop()).await {
        Ok(server) => server,
        Err(StartError::Interrupted) => {
            notify(Notice::Stopping).await;
            return Exit::Code(ExitCode::SUCCESS);
        },
        Err(error) => return Exit::Code(process::fail(&error)),
    };
    notify(Notice::Ready).await;
    let exit = tokio::select! {
        () = signals.stop() => Exit::Code(ExitCode::SUCCESS),
        reason = server.ended() => match reason {
            // Its state is unknown, so there is no shutdown in good order.
            ShutdownReason::Failed(reason) => return Exit::Code(process::fail(&reason)),
            ShutdownReason::SteppingDown => return step_down(server, is_standby).await,
            ShutdownReason::ChannelClosed => {
                tracing::warn!("restarting to claim our balance of a closed channel");
                Exit::Restart
            },
            ShutdownReason::NewCookie => {
                tracing::warn!("bitcoind has a new cookie; restarting");
                Exit::Restart
            },
        },
    };
    notify(match exit {
        Exit::Code(_) => Notice::Stopping,
        Exit::Restart => Notice::Reloading,
    })
    .await;
    match server.shutdown(GRACE).await {
        Ok(()) => exit,
        Err(error) => Exit::Code(process::fail(&error)),
    }
}

/// Lets the standby have the node, and waits in its place if the configuration says so.
async fn step_down(server: Server, is_standby: bool) -> Exit {
    tracing::info!("stepping down for the standby");
    server.hand_over().await;
    match is_standby {
        true => {
            notify(Notice::Reloading).await;
            Exit::Restart
        },
        false => {
            tracing::info!(
                "ending: storage.postgres.standby is not on, so this node does not wait"
            );
            notify(Notice::Stopping).await;
            Exit::Code(ExitCode::SUCCESS)
        },
    }
}
