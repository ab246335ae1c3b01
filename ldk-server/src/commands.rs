//! Commands that the program runs in place of the daemon.

use std::fmt::Display;
use std::process::ExitCode;

use crate::backup::restore;
use crate::config::{Args, Command, Config, TEMPLATE};
use crate::server::StartError;
use crate::{man, postgres, process, secrets};

/// Runs a command and prints its result.
pub fn run(command: &Command, args: &Args) -> ExitCode {
    match command {
        Command::PrintDefaultConfig => print_result(Ok::<_, StartError>(TEMPLATE.to_owned())),
        Command::PrintManPage => print_result(man::man_page()),
        Command::PrintCompletions(shell) => print_result(man::completions(*shell)),
        Command::CheckConfig => print_result(Config::explain(args)),
        Command::RenewCertificate => print_result(renew_certificate(args)),
        Command::Restore(backup) => with_config(args, |config| restore::restore(config, backup)),
        Command::Recover => with_config(args, restore::recover),
        Command::MigrateStorage(to) => {
            with_config(args, |config| postgres::migrate_storage(config, *to))
        },
    }
}

fn renew_certificate(args: &Args) -> Result<String, StartError> {
    let config = Config::load(args)?;
    Ok(secrets::renew_certificate(&config.tls)?.to_string())
}

/// Runs a command that writes the state of the node, so only this user may read its files.
fn with_config<E: Display>(
    args: &Args,
    command: impl FnOnce(&Config) -> Result<String, E>,
) -> ExitCode {
    let config = match Config::load(args) {
        Ok(config) => config,
        Err(error) => return process::fail(&error),
    };
    process::set_private_umask();
    print_result(command(&config))
}

fn print_result(text: Result<String, impl Display>) -> ExitCode {
    match text {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        },
        Err(error) => process::fail(&error),
    }
}
