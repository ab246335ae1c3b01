//! A daemon from its start to the end of the process, or to the next start.

use std::process::ExitCode;
use std::time::Duration;

use super::{Server, ShutdownReason, StartError};
use crate::config::Config;
use crate::process::{self, Signals};
use crate::systemd::{Notice, notify};

/// How long calls under way may take once the daemon was told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// How a run ends.
pub enum Exit {
    /// The process ends.
    Code(ExitCode),
    /// Another one is to take its place.
    Restart,
}

/// Runs a daemon until a signal, or until it cannot go on.
pub async fn run(config: Config, signals: Signals) -> Exit {
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
            // Nothing of it can be relied on any more, so nothing is waited for.
            ShutdownReason::Failed(reason) => return Exit::Code(process::fail(&reason)),
            ShutdownReason::ChannelClosed => {
                tracing::warn!("starting again, to claim what is ours of a closed channel");
                Exit::Restart
            },
            ShutdownReason::NewCookie => {
                tracing::warn!("bitcoind has a new cookie; starting again with it");
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
