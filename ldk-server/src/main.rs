//! `ldk-server [CONFIG.toml] [--flags]`

use std::process::ExitCode;

use ldk_server::config::{Args, Config};
use ldk_server::{Exit, commands, logging, memory, process, run, storage};

fn main() -> ExitCode {
    memory::keep_together();
    process::die_of_panics();
    process::leave_no_core_dump();
    let code = obey(&Args::parse());
    logging::flush();
    code
}

/// Does what the arguments say.
fn obey(args: &Args) -> ExitCode {
    if let Some(only) = args.only() {
        return commands::show(only, args);
    }
    let config = match Config::load(args) {
        Ok(config) => config,
        Err(error) => return process::refuse(&error),
    };
    process::keep_files_private();
    match args.rescue() {
        Some(rescue) => commands::rescue(rescue, &config),
        None => run_daemon(config).unwrap_or_else(|error| process::refuse(&error)),
    }
}

fn run_daemon(config: Config) -> Result<ExitCode, Box<dyn std::error::Error>> {
    storage::make_dirs(&config.network_dir())?;
    let log_file = logging::start(&config.log)?;
    tracing::info!("ldk-server {}", ldk_server_version::VERSION);
    process::allow_many_open_files();
    let runtime = process::runtime()?;
    let exit = runtime.block_on(async {
        let signals = process::Signals::install(log_file)?;
        Ok::<_, std::io::Error>(run(config, signals).await)
    })?;
    // What still runs was given its time.
    runtime.shutdown_background();
    Ok(match exit {
        Exit::Code(code) => code,
        Exit::StartAgain => process::refuse(&process::start_again()),
    })
}
