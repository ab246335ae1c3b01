//! How events get from the disk to their subscribers, and what that costs.
//!
//! The server runs in this process, so that events can be recorded without the payments that they
//! come from, and the processor time is that of the events. The subscribers are another process,
//! which is this program again, and share a few connections. Both read the same clock.
//!
//! Each line is also measured for server-sent events, beside gRPC.
//!
//! `cargo bench -p e2e-tests --bench events -- [--events N] [--subscribers N] [--connections N]`

mod audience;

use std::fs;
use std::future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use e2e_tests::Network;
use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_server::config::Config;
use ldk_server::store::{NewEvent, Store};
use ldk_server::{Server, storage};
use ldk_server_grpc::events::PaymentReceived;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::types::payment_kind::Kind;
use ldk_server_grpc::types::{Bolt11, Payment, PaymentDirection, PaymentKind, PaymentStatus};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::task::spawn_blocking;

use audience::{Audience, Face, Subscribers, subscribe};

const WARM_UP_EVENTS: usize = 50;
const SUBSCRIBERS: [usize; 4] = [0, 1, 100, 1_000];
const GRACE: Duration = Duration::from_secs(20);

/// Measures how events get to their subscribers.
#[derive(Parser)]
#[command(name = "events")]
struct Args {
    /// Events of each line.
    #[arg(long, default_value_t = 1_000)]
    events: usize,
    /// This number of subscribers only.
    #[arg(long)]
    subscribers: Option<usize>,
    /// Connections that subscribers share.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Is the process with the subscribers.
    #[command(hide = true)]
    Subscribe(Subscribers),
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    // Each connection is one here, too.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    match args.part {
        Some(Part::Subscribe(subscribers)) => subscribe(subscribers).await,
        None => measure(&args).await,
    }
}

async fn measure(Args { events, subscribers, connections, .. }: &Args) -> Result<()> {
    ensure!(*events > 0 && *connections > 0, "at least one event, and one connection");
    let network = Network::start().await?;
    let config_file = write_config(&network)?;
    let server = start(&config_file).await?;
    println!("{events} events each, over {connections} connections; times in microseconds\n");
    println!(
        "{:>11} {:>5} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}",
        "subscribers", "", "commit", "p99", "to each", "p99", "to last", "p99", "CPU/event"
    );
    for number in subscribers.map_or(SUBSCRIBERS.to_vec(), |number| vec![number]) {
        for face in [Face::Grpc, Face::Sse] {
            let (config_file, connections) = (config_file.clone(), *connections);
            let subscribers = Subscribers { face, config_file, number, connections };
            line(server.store(), &subscribers, *events).await?;
        }
    }
    server.shutdown(GRACE).await.map_err(anyhow::Error::msg)?;
    network.stop().await
}

/// Measures one case.
async fn line(store: &Arc<Store>, subscribers: &Subscribers, events: usize) -> Result<()> {
    let mut audience = Audience::start(subscribers).await?;
    deliver(store, &mut audience, WARM_UP_EVENTS).await?;
    let began = cpu_time();
    let deliveries = deliver(store, &mut audience, events).await?;
    report(subscribers, &deliveries, cpu_time() - began)
}

fn write_config(network: &Network) -> Result<PathBuf> {
    let config = network.config("alice")?;
    fs::create_dir_all(&config.storage_dir)?;
    let config_file = config.storage_dir.join("config.toml");
    fs::write(&config_file, config.to_toml())?;
    Ok(config_file)
}

async fn start(config_file: &Path) -> Result<Server> {
    let args = ldk_server::config::Args::try_parse_from([Path::new("ldk-server"), config_file])?;
    let config = Config::load(&args)?;
    storage::create_dirs(&config.network_dir())?;
    Ok(Server::start(config, future::pending()).await?)
}

/// An event on its way, in nanoseconds of the clock.
struct Delivery {
    called: i64,
    /// When it was known to be on disk.
    committed: i64,
    /// When each of the subscribers had it.
    received: Vec<i64>,
}

/// Records events, the next when everybody has the one before.
async fn deliver(
    store: &Arc<Store>,
    audience: &mut Audience,
    events: usize,
) -> Result<Vec<Delivery>> {
    let mut deliveries = Vec::with_capacity(events);
    for _ in 0..events {
        let store = Arc::clone(store);
        let recorded = spawn_blocking(move || {
            let called = now();
            let is_new = store.record_event(event(called))?;
            ensure!(is_new, "the event was there already");
            Ok((called, now()))
        });
        let (called, committed) = recorded.await??;
        deliveries.push(Delivery { called, committed, received: audience.received().await? });
    }
    Ok(deliveries)
}

/// A payment of its own, as the daemon records one that was received.
fn event(number: i64) -> NewEvent {
    let digest = sha256::Hash::hash(&number.to_be_bytes()).to_byte_array();
    let bolt11 = Bolt11 {
        hash: hex::encode(digest),
        preimage: Some(hex::encode(digest)),
        secret: Some(digest.to_vec()),
        ..Default::default()
    };
    let payment = Payment {
        id: bolt11.hash.clone(),
        kind: Some(PaymentKind { kind: Some(Kind::Bolt11(bolt11)) }),
        amount_msat: Some(1_000_000),
        direction: PaymentDirection::Inbound.into(),
        status: PaymentStatus::Succeeded.into(),
        latest_update_timestamp: 1_700_000_000,
        created_at: 1_700_000_000,
        ..Default::default()
    };
    let received = PaymentReceived { payment: Some(payment), ..Default::default() };
    let event = Event::PaymentReceived(received);
    NewEvent { event, dedup_key: Some(digest), source_digest: Some(digest), forward: None }
}

fn report(subscribers: &Subscribers, deliveries: &[Delivery], cpu: Duration) -> Result<()> {
    let commit = deliveries.iter().map(|one| one.committed - one.called).collect();
    let to_each = deliveries
        .iter()
        .flat_map(|one| one.received.iter().map(|received| received - one.committed))
        .collect();
    let to_last = deliveries
        .iter()
        .filter_map(|one| Some(one.received.iter().max()? - one.committed))
        .collect();
    let mut figures = String::new();
    for nanos in [commit, to_each, to_last] {
        for figure in p50_and_p99(nanos) {
            let shown = figure.map_or_else(|| "-".to_owned(), |nanos| (nanos / 1_000).to_string());
            figures.push_str(&format!(" {shown:>9}"));
        }
    }
    let events = u32::try_from(deliveries.len())?;
    let Subscribers { face, number, .. } = subscribers;
    let (face, cpu) = (format!("{face:?}"), (cpu / events).as_micros());
    println!("{number:>11} {face:>5}{figures} {cpu:>10}");
    Ok(())
}

fn p50_and_p99(mut nanos: Vec<i64>) -> [Option<i64>; 2] {
    nanos.sort_unstable();
    let last = nanos.len().saturating_sub(1);
    [50, 99].map(|percent| nanos.get((last * percent).div_ceil(100)).copied())
}

/// The time on the clock that all processes share, in nanoseconds.
pub(crate) fn now() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// How long the threads of this process have run.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
