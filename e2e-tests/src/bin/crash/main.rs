//! `cargo run -p e2e-tests --bin crash`: kills nodes amid payments, hundreds of times.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use e2e_tests::crash::{self, Ending, Plan};

/// Kills nodes amid payments with SIGKILL, starts them again, and checks that nothing is lost.
#[derive(Parser)]
#[command(name = "crash")]
struct Args {
    /// How often to kill a node.
    #[arg(long, default_value_t = 500)]
    kills: u32,
    /// How many pairs of nodes to do it to at the same time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    pairs: u32,
    /// What to make the random choices from [default: a random one].
    #[arg(long)]
    seed: Option<u64>,
    /// Keep data and logs in this directory, which must be empty or new [default: a temporary one].
    /// Those of a pair that was right in everything are removed.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    run(&Args::parse()).await.unwrap_or_else(|error| {
        eprintln!("crash failed: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(args: &Args) -> Result<ExitCode> {
    let mut temporary = tempfile::Builder::new().prefix("ldk-server-crash.").tempdir()?;
    let dir = args.dir.as_deref().map_or_else(|| Ok(temporary.path()), empty_dir)?.to_owned();
    let seed = args.seed.unwrap_or_else(rand::random);
    let ending = Ending::Killed;
    let plan = Plan { kills: args.kills, pairs: args.pairs, seed, ending, dir };
    println!("{} kills, seed {seed}, in {}", plan.kills, plan.dir.display());
    temporary.disable_cleanup(true);
    let summary = crash::run(&plan).await?;
    println!("{summary}");
    if summary.violations.is_empty() {
        temporary.disable_cleanup(false);
        return Ok(ExitCode::SUCCESS);
    }
    println!("seed {seed}; data and logs are in {}", plan.dir.display());
    Ok(ExitCode::FAILURE)
}

fn empty_dir(dir: &Path) -> Result<&Path> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    ensure!(dir.read_dir()?.next().is_none(), "{} is not empty", dir.display());
    Ok(dir)
}
