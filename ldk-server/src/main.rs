//! `ldk-server [CONFIG.toml] [--flags]`

use std::process::ExitCode;
use std::time::Duration;

use ldk_server::backup::restore;
use ldk_server::config::{Args, Config, Only, Rescue, TEMPLATE};
use ldk_server::supervisor::{Notice, tell};
use ldk_server::{End, Server, StartError, logging, manual, memory, process, secrets, storage};

/// How long calls under way may take once the daemon was told to stop.
const GRACE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    memory::keep_together();
    process::die_of_panics();
    process::leave_no_core_dump();
    let code = obey();
    logging::flush();
    code
}

/// Does what the arguments say.
fn obey() -> ExitCode {
    let args = Args::parse();
    if let Some(only) = args.only() {
        return show(only, &args);
    }
    let config = match Config::load(&args) {
        Ok(config) => config,
        Err(error) => return process::refuse(&error),
    };
    process::keep_files_private();
    if let Some(rescue) = args.rescue() {
        return run_rescue(rescue, &config);
    }
    if let Err(error) = storage::make_dirs(&config.network_dir()) {
        return process::refuse(&error);
    }
    let log_file = match logging::start(&config.log) {
        Ok(log_file) => log_file,
        Err(error) => return process::refuse(&error),
    };
    tracing::info!("ldk-server {}", ldk_server_version::VERSION);
    process::allow_many_open_files();
    let runtime = match process::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return process::refuse(&error),
    };
    let then = runtime.block_on(async {
        match process::Signals::install(log_file) {
            Ok(signals) => run(config, signals).await,
            Err(error) => Then::Exit(process::refuse(&error)),
        }
    });
    // What still runs was given its time.
    runtime.shutdown_background();
    match then {
        Then::Exit(code) => code,
        Then::StartAgain => process::refuse(&process::start_again()),
    }
}

/// Does what was asked for and prints it, without starting anything.
fn show(only: Only, args: &Args) -> ExitCode {
    let text = match only {
        Only::PrintDefaultConfig => Ok(TEMPLATE.to_owned()),
        Only::PrintManPage => manual::man_page().map_err(|error| error.to_string()),
        Only::PrintCompletions(shell) => {
            manual::completions(shell).map_err(|error| error.to_string())
        },
        Only::CheckConfig => Config::explain(args).map_err(|error| error.to_string()),
        Only::RenewCertificate => renew_certificate(args).map_err(|error| error.to_string()),
    };
    match text {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        },
        Err(error) => process::refuse(&error),
    }
}

/// Does what is done while the daemon does not run, and tells what came of it.
fn run_rescue(rescue: &Rescue, config: &Config) -> ExitCode {
    let done = match rescue {
        Rescue::Restore(order) => restore::restore(config, order),
        Rescue::Recover => restore::recover(config),
    };
    match done {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        },
        Err(error) => process::refuse(&error),
    }
}

fn renew_certificate(args: &Args) -> Result<String, StartError> {
    let config = Config::load(args)?;
    Ok(secrets::renew_certificate(&config.tls)?.to_string())
}

enum Then {
    Exit(ExitCode),
    StartAgain,
}

async fn run(config: Config, signals: process::Signals) -> Then {
    let mut server = match Server::start(config, signals.stop()).await {
        Ok(server) => server,
        Err(StartError::Interrupted) => {
            tell(Notice::Stopping).await;
            return Then::Exit(ExitCode::SUCCESS);
        },
        Err(error) => return Then::Exit(process::refuse(&error)),
    };
    tell(Notice::Ready).await;
    let then = tokio::select! {
        () = signals.stop() => Then::Exit(ExitCode::SUCCESS),
        end = server.ended() => match end {
            End::Failed(error) => return Then::Exit(process::refuse(&error)),
            End::ChannelClosed => {
                tracing::warn!("starting again, to claim what is ours of a closed channel");
                Then::StartAgain
            },
            End::NewCookie => {
                tracing::warn!("bitcoind has a new cookie; starting again with it");
                Then::StartAgain
            },
        },
    };
    tell(match then {
        Then::Exit(_) => Notice::Stopping,
        Then::StartAgain => Notice::StartingAgain,
    })
    .await;
    match server.shutdown(GRACE).await {
        Ok(()) => then,
        Err(error) => Then::Exit(process::refuse(&error)),
    }
}
