//! `cargo regtest`: a chain and three nodes on it, two of which open a channel and pay through it.
//!
//! Everything is left running, to be played with, until Ctrl-C.

mod interrupt;
mod story;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use e2e_tests::{Group, Network};

use crate::interrupt::Interrupt;
use crate::story::Progress;

/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Starts bitcoind on regtest and three nodes, opens a channel between two of them and pays
/// through it.
#[derive(Parser)]
#[command(name = "cargo regtest")]
struct Args {
    /// Stop after the payment instead of waiting for Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Keep all data in this directory, which must be empty or new [default: a temporary one,
    /// removed at the end].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    run(&Args::parse()).await.unwrap_or_else(|error| {
        eprintln!("regtest failed: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(args: &Args) -> Result<ExitCode> {
    let mut interrupt = Interrupt::listen()?;
    let temporary = tempfile::Builder::new().prefix("ldk-server-regtest.").tempdir()?;
    let dir = args.dir.as_deref().map_or_else(|| Ok(temporary.path()), empty_dir)?;
    let progress = Progress::begin();

    progress.say("building, and looking for a bitcoind");
    let network = tokio::select! {
        started = Network::start_in(dir, Group::Own) => started?,
        () = interrupt.received() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    let told = tokio::select! {
        told = story::tell(&network, &progress) => told.map(Some),
        () = interrupt.received() => Ok(None),
    };
    let complete = told?.is_some();
    if complete && !args.once {
        story::invite(&network, interrupt.received()).await;
    }
    progress.say("stopping the nodes, then bitcoind");
    network.stop().await?;
    progress.say("stopped");
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(INTERRUPTED) })
}

fn empty_dir(dir: &Path) -> Result<&Path> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    ensure!(dir.read_dir()?.next().is_none(), "{} is not empty", dir.display());
    Ok(dir)
}
