//! `ldk-server [CONFIG.toml] [--flags]`

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use ldk_server::config::{Args, Config};
use ldk_server::{Server, StartError, logging, process, storage};

/// How long calls under way may take once the daemon was told to stop.
const GRACE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    process::die_of_panics();
    let config = match Config::load(Args::parse()) {
        Ok(config) => config,
        Err(error) => return process::refuse(&error),
    };
    process::keep_files_private();
    if let Err(error) = storage::make_dirs(&config.network_dir()) {
        return process::refuse(&error);
    }
    let log_file = match logging::start(&config.log) {
        Ok(log_file) => log_file,
        Err(error) => return process::refuse(&error),
    };
    let runtime = match process::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return process::refuse(&error),
    };
    let code = runtime.block_on(async {
        match process::Signals::install(log_file) {
            Ok(signals) => run(config, signals).await,
            Err(error) => process::refuse(&error),
        }
    });
    // What still runs was given its time.
    runtime.shutdown_background();
    code
}

async fn run(config: Config, signals: process::Signals) -> ExitCode {
    let mut server = match Server::start(config, signals.stop()).await {
        Ok(server) => server,
        Err(StartError::Interrupted) => return ExitCode::SUCCESS,
        Err(error) => return process::refuse(&error),
    };
    let failure = tokio::select! {
        () = signals.stop() => None,
        failure = server.failed() => Some(failure),
    };
    if let Some(failure) = failure {
        return process::refuse(&failure);
    }
    match server.shutdown(GRACE).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => process::refuse(&error),
    }
}
