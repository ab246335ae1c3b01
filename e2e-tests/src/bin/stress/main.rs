//! `cargo run -p e2e-tests --bin stress`: kills nodes amid what they do, hundreds of times.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use e2e_tests::stress::{self, Ending, Plan};

/// Kills nodes with SIGKILL amid what they do, starts them again, and checks that no channel is
/// closed by it and that nothing is lost.
#[derive(Parser)]
#[command(name = "stress")]
struct Args {
    /// What to kill the nodes amid.
    #[arg(value_enum, default_value_t = Scenario::Pairs)]
    scenario: Scenario,
    /// How often to kill nodes.
    #[arg(long, default_value_t = 500)]
    kills: u32,
    /// Kill nodes for so long, in place of a number of kills.
    #[arg(long, value_name = "MINUTES", conflicts_with = "kills")]
    minutes: Option<u64>,
    /// How many groups of nodes to do it to at the same time.
    #[arg(long, visible_alias = "pairs", default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..=16))]
    groups: u32,
    /// What to make the random choices from [default: a random one].
    #[arg(long)]
    seed: Option<u64>,
    /// Make each fsync and fdatasync of the nodes take so much longer, as on a slow disk. Needs
    /// strace.
    #[arg(long, value_name = "MILLISECONDS")]
    fsync_delay_ms: Option<u64>,
    /// Have each node keep a mirror of its database, and let it go on from that at the end.
    #[arg(long)]
    mirror: bool,
    /// Stop the nodes with SIGTERM in place of SIGKILL.
    #[arg(long)]
    stop: bool,
    /// Do all kinds of things to the nodes, their database and their network, in place of SIGKILL only.
    /// For the scenario `standby`.
    #[arg(long, conflicts_with = "stop")]
    faults: bool,
    /// Keep data and logs in this directory, which must be empty or new [default: a temporary one].
    /// Those of groups that were right in everything are removed.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// Payments between two nodes.
    Pairs,
    /// Payments between two nodes through a third, which is mostly the one that is killed.
    Forwards,
    /// Opening, closing by agreement and by force, splicing in and out.
    Channels,
    /// Payments between two nodes, of which one has its state in PostgreSQL and a standby, and is the one
    /// that is killed.
    Standby,
}

#[tokio::main]
async fn main() -> ExitCode {
    run(&Args::parse()).await.unwrap_or_else(|error| {
        eprintln!("stress failed: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(args: &Args) -> Result<ExitCode> {
    let is_standby = matches!(args.scenario, Scenario::Standby);
    ensure!(is_standby || !args.faults, "--faults is for the scenario standby");
    ensure!(!is_standby || !args.mirror, "PostgreSQL has no --mirror");
    let mut temporary = tempfile::Builder::new().prefix("ldk-server-stress.").tempdir()?;
    let dir = args.dir.as_deref().map_or_else(|| Ok(temporary.path()), empty_dir)?.to_owned();
    let plan = plan(args, dir);
    let seed = plan.seed;
    let amount = args
        .minutes
        .map_or_else(|| format!("{} kills", plan.kills), |minutes| format!("{minutes} minutes"));
    println!("{amount}, seed {seed}, in {}", plan.dir.display());
    temporary.disable_cleanup(true);
    let summary = stress::run(&plan).await?;
    println!("{summary}");
    if summary.is_right() {
        temporary.disable_cleanup(false);
        return Ok(ExitCode::SUCCESS);
    }
    println!("seed {seed}; data and logs are in {}", plan.dir.display());
    Ok(ExitCode::FAILURE)
}

fn plan(args: &Args, dir: PathBuf) -> Plan {
    Plan {
        scenario: match args.scenario {
            Scenario::Pairs => stress::Scenario::Pairs,
            Scenario::Forwards => stress::Scenario::Forwards,
            Scenario::Channels => stress::Scenario::Channels,
            Scenario::Standby => stress::Scenario::Standby,
        },
        ending: match (args.stop, args.faults) {
            (true, _) => Ending::Stopped,
            (false, true) => Ending::Disturbed,
            (false, false) => Ending::Killed,
        },
        kills: args.kills,
        time: args.minutes.map(|minutes| Duration::from_secs(60 * minutes)),
        groups: args.groups,
        seed: args.seed.unwrap_or_else(rand::random),
        sync_delay: args.fsync_delay_ms.map(Duration::from_millis),
        has_mirrors: args.mirror,
        dir,
    }
}

fn empty_dir(dir: &Path) -> Result<&Path> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    ensure!(dir.read_dir()?.next().is_none(), "{} is not empty", dir.display());
    Ok(dir)
}
