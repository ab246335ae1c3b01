//! `ldk-server-cli`: every call of an ldk-server as a command that prints its answer as JSON.

mod amount;
mod args;
mod commands;
mod connection;
mod date;
mod failure;
mod output;
mod pages;
mod progress;
mod qr;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;
use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::output::Format;

/// Command-line client for ldk-server
///
/// Each command makes one call and prints the answer on standard output. Amounts are written with
/// their unit, as in 2500sat or 1200msat. Exit status: 0 success, 1 the call failed, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "ldk-server-cli", version = ldk_server_version::VERSION)]
struct Cli {
    #[command(flatten)]
    connection: ConnectionArgs,

    /// Output format; JSON is the default on a terminal, too
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,

    #[command(subcommand)]
    command: Command,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", output::escape(&failure.to_string()));
            ExitCode::FAILURE
        },
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let cli = Cli { connection: cli.connection.active().await?, ..cli };
    match cli.command {
        Command::Page(command) => {
            let address = cli.connection.address()?;
            command.run(&cli.connection.client()?, &address, cli.format).await
        },
        Command::Health(command) => command.run(&cli.connection.client()?).await,
        Command::DecodeRune(command) => command.run(cli.format),
        Command::RestrictRune(command) => command.run(cli.format),
        Command::Completions(command) => command.run(),
        Command::ManPages(command) => command.run(),
        Command::Events(command) => command.run(&cli.connection.client()?).await,
        Command::Export(command) => command.run(&cli.connection.client()?).await,
        Command::ListChannelAccounts(command) => {
            command.run(&cli.connection.client()?, cli.format).await
        },
        Command::Backup(command) => command.run(&cli.connection.client()?, cli.format).await,
        Command::ListPayments(command) => command.run(&cli.connection.client()?, cli.format).await,
        Command::ListForwardedPayments(command) => {
            command.run(&cli.connection.client()?, cli.format).await
        },
        Command::ListAuditEntries(command) => {
            command.run(&cli.connection.client()?, cli.format).await
        },
        Command::ListInvoices(command) => command.run(&cli.connection.client()?, cli.format).await,
        Command::WaitInvoice(command) => command.run(&cli.connection.client()?, cli.format).await,
        Command::WaitPayment(command) => command.run(&cli.connection.client()?, cli.format).await,
        Command::WaitAnyInvoice(command) => {
            command.run(&cli.connection.client()?, cli.format).await
        },
        Command::WaitChannel(command) => command.run(&cli.connection.client()?, cli.format).await,
        Command::Unary(command) => command.run(&cli.connection.client()?, cli.format).await,
    }
}

#[cfg(test)]
mod tests;
