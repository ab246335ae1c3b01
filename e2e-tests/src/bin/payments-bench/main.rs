//! What payments cost: two daemons on regtest pay each other through one channel, with the daemon's
//! own store, with the library's, and past the gate for peers, and what each payment takes is told
//! side by side.
//!
//! `cargo run --release -p e2e-tests --bin payments-bench`; docs/performance.md says what the figures
//! mean.

mod case;
mod databases;
mod facts;
mod figures;
mod pair;
mod payments;
mod report;
mod settlements;
mod slots;
mod store;
mod syncs;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;
use e2e_tests::{Group, Network, Strace};

use crate::case::{Case, Kind};
use crate::databases::Databases;
use crate::pair::{Pair, Tracing};
use crate::report::Row;
use crate::store::Store;

/// No larger channel is opened by nodes that have not agreed on it.
const MAX_CHANNEL_SATS: u64 = 16_777_215;
const MIN_CHANNEL_SATS: u64 = 1_000_000;
/// Payments before those that are measured, in each direction.
const WARM_UP_PAYMENTS: usize = 20;

/// Measures payments between two daemons on regtest.
#[derive(Parser)]
#[command(name = "payments-bench")]
struct Cli {
    /// The stores to compare, of `ours`, `keyed`, which is ours with an idempotency key for each
    /// payment, `uncut`, which is ours without consistent cuts, `ungated`, which has no gate for peers
    /// either, `library`, `postgres`, and `distant`, which is a PostgreSQL with 5 ms more for each round
    /// trip.
    #[arg(long, value_delimiter = ',', default_value = "ours,uncut,ungated,library")]
    stores: Vec<Store>,
    /// Keep the daemons' data below this directory, on the file system to be measured [default: that
    /// of temporary files].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Payments of each case.
    #[arg(long, default_value = "2000")]
    payments: NonZeroUsize,
    /// How many payments are under way at once, a case each.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    in_flight: Vec<NonZeroUsize>,
    /// What each payment pays, in millisatoshis. Less than 354,000 is below the dust limit, so that
    /// the commitment transactions have no outputs for it, and costs less.
    #[arg(long, default_value = "1000000")]
    amount_msat: NonZeroU64,
    /// Count fsync and fdatasync too, with so many payments of each case and with strace, on daemons
    /// of their own after the others.
    #[arg(long, value_name = "PAYMENTS", num_args = 0..=1, default_missing_value = "200")]
    count_fsyncs: Option<NonZeroUsize>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Cli::parse();
    channel_sats(&args, args.payments)?;
    let dir = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::Builder::new().prefix("payments-bench.").tempdir_in(dir)?;
    println!("{}", facts::machine(dir.path())?);
    let network = Network::start_in(dir.path(), Group::Shared).await?;
    let databases = Databases::for_stores(&args.stores, dir.path()).await?;
    measure(&network, &databases, &args).await?;
    network.stop().await
}

async fn measure(network: &Network, databases: &Databases, args: &Cli) -> Result<()> {
    let Cli { stores, payments, amount_msat, count_fsyncs, .. } = args;
    let rows = rounds((network, databases), args, *payments, Tracing::Off).await?;
    println!("\n{payments} payments of {amount_msat} msat a case, over one channel\n");
    println!("{}", report::payments(&rows));
    if stores.len() > 1 {
        println!("\nours in proportion to the others\n\n{}", report::ratios(&rows));
    }
    let Some(payments) = count_fsyncs else { return Ok(()) };
    if let Err(error) = Strace::get().await {
        println!("\nfsyncs: not counted ({error:#})");
        return Ok(());
    }
    let rows = rounds((network, databases), args, *payments, Tracing::Syncs).await?;
    println!("\nfsync and fdatasync, counted with {payments} payments a case\n");
    println!("{}", report::syncs(&rows));
    Ok(())
}

/// Runs every case with every store, the stores taking turns in beginning.
async fn rounds(
    (network, databases): (&Network, &Databases),
    args: &Cli,
    payments: NonZeroUsize,
    tracing: Tracing,
) -> Result<Vec<Row>> {
    let channel_sats = channel_sats(args, payments)?;
    let (payments, amount_msat) = (payments.get(), args.amount_msat.get());
    let mut pairs = Vec::new();
    for store in &args.stores {
        pairs.push(Pair::start(network, databases, *store, tracing, channel_sats).await?);
    }
    for pair in &pairs {
        for turned in [false, true] {
            let case = Case { kind: Kind::Keysend, in_flight: 1, turned };
            payments::measure(pair, case, WARM_UP_PAYMENTS, amount_msat).await?;
        }
    }
    let mut rows = Vec::new();
    for case in Case::all(&args.in_flight) {
        let mut taken = Vec::new();
        for pair in &pairs {
            let measured = payments::measure(pair, case, payments, amount_msat).await?;
            eprintln!("{case}, {}: {:.1} payments/s", pair.store, measured.per_second);
            taken.push(Row { case, store: pair.store, measured });
        }
        taken.sort_by_key(|row| row.store);
        rows.append(&mut taken);
        pairs.reverse();
    }
    for pair in &pairs {
        pair.stop().await?;
    }
    Ok(rows)
}

/// A channel of which half is twice what goes through it in one direction.
fn channel_sats(args: &Cli, payments: NonZeroUsize) -> Result<u64> {
    let (payments, amount_msat) = (payments.get().max(WARM_UP_PAYMENTS), args.amount_msat.get());
    let volume_sats = (payments as u64).saturating_mul(amount_msat).div_ceil(1_000);
    let channel_sats = volume_sats.saturating_mul(4).max(MIN_CHANNEL_SATS);
    ensure!(
        channel_sats <= MAX_CHANNEL_SATS,
        "{payments} payments of {amount_msat} msat need a channel of {channel_sats} sat, more than \
         {MAX_CHANNEL_SATS}: pay less, or fewer"
    );
    Ok(channel_sats)
}
