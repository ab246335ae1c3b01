//! How events get from the disk to their subscribers, and what that costs.
//!
//! The server runs in this process, so that events can be recorded without the payments that they
//! come from, and the processor time is that of the events. The subscribers are another process,
//! which is this program again, and share a few connections. Both read the same clock.
//!
//! `cargo bench -p e2e-tests --bench events -- [--events N]`

use std::fs;
use std::future;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::Network;
use futures_util::StreamExt as _;
use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_server::config::{Args, Config};
use ldk_server::store::{NewEvent, Store};
use ldk_server::{Server, storage};
use ldk_server_client::{Client, EventStream};
use ldk_server_grpc::api::SubscribeEventsRequest;
use ldk_server_grpc::events::PaymentReceived;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::types::payment_kind::Kind;
use ldk_server_grpc::types::{Bolt11, Payment, PaymentDirection, PaymentKind, PaymentStatus};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

const EVENTS: usize = 1_000;
const WARM_UP_EVENTS: usize = 50;
const SUBSCRIBERS: [usize; 4] = [0, 1, 100, 1_000];
const CONNECTIONS: usize = 8;
const GRACE: Duration = Duration::from_secs(20);
/// The first argument of the process with the subscribers.
const SUBSCRIBE: &str = "subscribe";

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [SUBSCRIBE, config_file, subscribers] => {
            subscribe(Path::new(config_file), subscribers.parse()?).await
        },
        [] => measure(EVENTS).await,
        ["--events", events] => measure(events.parse()?).await,
        _ => bail!("accepted is --events with a number"),
    }
}

async fn measure(events: usize) -> Result<()> {
    ensure!(events > 0, "at least one event");
    let network = Network::start().await?;
    let config_file = write_config(&network)?;
    let server = start(&config_file).await?;
    println!("{events} events each, over {CONNECTIONS} connections; times in microseconds\n");
    println!(
        "{:>11} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}",
        "subscribers", "commit", "p99", "to each", "p99", "to last", "p99", "CPU/event"
    );
    for subscribers in SUBSCRIBERS {
        let mut audience = Audience::start(&config_file, subscribers).await?;
        deliver(server.store(), &mut audience, WARM_UP_EVENTS).await?;
        let began = cpu_time();
        let deliveries = deliver(server.store(), &mut audience, events).await?;
        report(subscribers, &deliveries, cpu_time() - began)?;
    }
    server.shutdown(GRACE).await.map_err(anyhow::Error::msg)?;
    network.stop().await
}

fn write_config(network: &Network) -> Result<PathBuf> {
    let config = network.config("alice")?;
    fs::create_dir_all(&config.storage_dir)?;
    let config_file = config.storage_dir.join("config.toml");
    fs::write(&config_file, config.to_toml())?;
    Ok(config_file)
}

async fn start(config_file: &Path) -> Result<Server> {
    let args = Args::try_parse_from([Path::new("ldk-server"), config_file])?;
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

/// The process with the subscribers; none if there are none.
struct Audience(Option<(Child, Lines<BufReader<ChildStdout>>)>);

impl Audience {
    async fn start(config_file: &Path, subscribers: usize) -> Result<Self> {
        if subscribers == 0 {
            return Ok(Self(None));
        }
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SUBSCRIBE)
            .arg(config_file)
            .arg(subscribers.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("the output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        lines.next_line().await?.context("the subscribers have ended")?;
        Ok(Self(Some((child, lines))))
    }

    /// When each of the subscribers had the next event, once all have it.
    async fn received(&mut self) -> Result<Vec<i64>> {
        let Some((_, lines)) = &mut self.0 else { return Ok(Vec::new()) };
        let line = lines.next_line().await?.context("the subscribers have ended")?;
        line.split(' ').map(|time| Ok(time.parse()?)).collect()
    }
}

/// Follows the events, and prints a line when all subscribe and one for each event that all have:
/// when each received it.
async fn subscribe(config_file: &Path, subscribers: usize) -> Result<()> {
    let clients: Vec<Client> = (0..CONNECTIONS)
        .map(|_| Client::from_config_file(config_file))
        .collect::<Result<_, _>>()?;
    let (sender, mut receipts) = mpsc::channel(subscribers);
    let mut tasks = JoinSet::new();
    for client in clients.iter().cycle().take(subscribers) {
        let events = client.subscribe_events(SubscribeEventsRequest::default()).await?;
        tasks.spawn(tell(events, sender.clone()));
    }
    println!("{subscribers}");
    loop {
        let mut times = Vec::with_capacity(subscribers);
        let mut expected = None;
        while times.len() < subscribers {
            let (event_index, at) = receipts.recv().await.context("the streams have ended")?;
            ensure!(*expected.get_or_insert(event_index) == event_index, "out of turn");
            times.push(at.to_string());
        }
        println!("{}", times.join(" "));
    }
}

/// Tells of every event, as long as somebody listens.
async fn tell(mut events: EventStream, receipts: mpsc::Sender<(u64, i64)>) -> Result<()> {
    while let Some(envelope) = events.next().await {
        let at = now();
        receipts.send((envelope?.event_index, at)).await?;
    }
    Ok(())
}

fn report(subscribers: usize, deliveries: &[Delivery], cpu: Duration) -> Result<()> {
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
    println!("{subscribers:>11}{figures} {:>10}", (cpu / events).as_micros());
    Ok(())
}

fn p50_and_p99(mut nanos: Vec<i64>) -> [Option<i64>; 2] {
    nanos.sort_unstable();
    let last = nanos.len().saturating_sub(1);
    [50, 99].map(|percent| nanos.get((last * percent).div_ceil(100)).copied())
}

/// The time on the clock that all processes share, in nanoseconds.
fn now() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// How long the threads of this process have run.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
