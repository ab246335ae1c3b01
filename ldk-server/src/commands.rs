//! What the program does instead of running a daemon.

use std::fmt::Display;
use std::process::ExitCode;

use crate::backup::restore;
use crate::config::{Args, Config, Only, Rescue, TEMPLATE};
use crate::server::StartError;
use crate::{manual, process, secrets};

/// Prints what was asked for, without starting anything.
pub fn show(only: Only, args: &Args) -> ExitCode {
    match only {
        Only::PrintDefaultConfig => printed(Ok::<_, StartError>(TEMPLATE.to_owned())),
        Only::PrintManPage => printed(manual::man_page()),
        Only::PrintCompletions(shell) => printed(manual::completions(shell)),
        Only::CheckConfig => printed(Config::explain(args)),
        Only::RenewCertificate => printed(renew_certificate(args)),
    }
}

/// Does what is done while the daemon does not run, and tells what came of it.
pub fn rescue(rescue: &Rescue, config: &Config) -> ExitCode {
    printed(match rescue {
        Rescue::Restore(args) => restore::restore(config, args),
        Rescue::Recover => restore::recover(config),
    })
}

fn renew_certificate(args: &Args) -> Result<String, StartError> {
    let config = Config::load(args)?;
    Ok(secrets::renew_certificate(&config.tls)?.to_string())
}

fn printed(text: Result<String, impl Display>) -> ExitCode {
    match text {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        },
        Err(error) => process::refuse(&error),
    }
}
