//! `ldk-server [CONFIG.toml] [--flags]`

use std::process::ExitCode;

use ldk_server::config::{Args, Config};
use ldk_server::{Exit, commands, logging, memory, process, run, storage};

fn main() -> ExitCode {
    memory::configure_allocator();
    process::abort_on_panic();
    process::disable_core_dumps();
    let code = execute(&Args::parse());
    logging::flush();
    code
}

fn execute(args: &Args) -> ExitCode {
    if let Some(command) = args.command() {
        return commands::run(&command, args);
    }
    let config = match Config::load(args) {
        Ok(config) => config,
        Err(error) => return process::fail(&error),
    };
    process::set_private_umask();
    run_daemon(config).unwrap_or_else(|error| process::fail(&error))
}

fn run_daemon(config: Config) -> Result<ExitCode, Box<dyn std::error::Error>> {
    storage::create_dirs(&config.network_dir())?;
    let log_file = logging::start(&config.log)?;
    tracing::info!(version = ldk_server_version::VERSION, "starting ldk-server");
    process::raise_open_file_limit();
    let runtime = process::runtime()?;
    let exit = runtime.block_on(async {
        let signals = process::Signals::install(log_file)?;
        Ok::<_, std::io::Error>(run(config, signals).await)
    })?;
    // What still runs was given its time.
    runtime.shutdown_background();
    Ok(match exit {
        Exit::Code(code) => code,
        Exit::Restart => process::fail(&process::restart()),
    })
}
