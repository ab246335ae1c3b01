//! What waiting costs: 10,000 callers of WaitInvoice and WaitAnyInvoice over 50 connections; the memory,
//! the threads and the processor time of the daemon meanwhile, and how long it takes until the last
//! of them is told of a payment. Needs Linux.
//!
//! `cargo bench --workspace --bench waits`

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use e2e_tests::{Network, Node, until};
use ldk_server_client::{Client, Error};
use ldk_server_grpc::api::{Bolt11ReceiveRequest, WaitAnyInvoiceRequest, WaitInvoiceRequest};
use tokio::task::JoinSet;

const CONNECTIONS: usize = 50;
const ON_A_CONNECTION: usize = 200;
const WAITERS: usize = CONNECTIONS * ON_A_CONNECTION;
const CHANNEL_SATS: u64 = 1_000_000;
const ROUNDS: usize = 3;
/// Less than the callers wait.
const PATIENCE: Duration = Duration::from_secs(60);
/// For how long nothing happens while all wait.
const WATCHED: Duration = Duration::from_secs(5);
/// More than what the daemon does by itself.
const REST_MS_PER_SEC: f64 = 20.0;
/// The unit of `/proc/PID/stat`, which is the same on every architecture of Linux.
const TICK_MS: f64 = 10.0;

/// What the callers wait for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Invoice,
    Any,
}

#[tokio::main]
async fn main() -> Result<()> {
    let network = Network::start().await?;
    let limits = format!("[limits]\nmax_waiting_calls = {WAITERS}\n[metrics]\nenabled = true\n");
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node_with("bob", limits))?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    println!(
        "{:>8} {:>8} {:>10} {:>8} {:>8} {:>8} {:>10} {:>8} {:>8} {:>10}",
        "kind",
        "waiters",
        "all wait s",
        "CPU ms/s",
        "threads",
        "RSS MiB",
        "ms first",
        "p50",
        "p99",
        "max"
    );
    for _ in 0..ROUNDS {
        for kind in [Kind::Any, Kind::Invoice] {
            measure(&alice, &bob, kind).await?;
        }
    }
    network.stop().await
}

async fn measure(payer: &Node, payee: &Node, kind: Kind) -> Result<()> {
    let last = wait_any(payee.client(), u64::MAX, 0).await?.last_pay_index;
    let request = Bolt11ReceiveRequest {
        amount_msat: Some(1_000_000),
        expiry_secs: 3_600,
        label: format!("awaited {last}"),
        ..Default::default()
    };
    let made = payee.client().bolt11_receive(request.clone()).await?;
    let began = Instant::now();
    let mut waiting = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = Client::from_config_file(payee.config_file())?;
        // The connection is a stranger's before: of their calls, the server resets those beyond 512.
        wait_any(&client, last, 0).await?;
        for _ in 0..ON_A_CONNECTION {
            waiting.spawn(waiter(client.clone(), kind, request.label.clone(), last));
        }
    }
    all_wait(payee, &mut waiting).await?;
    let all_wait_secs = began.elapsed().as_secs_f64();
    let process = Process(payee.pid().await?);
    process.at_rest().await?;
    let idle_ms_per_sec = process.cpu_ms_per_sec(WATCHED).await?;
    let (resident_kib, threads) = (process.status("VmRSS")?, process.status("Threads")?);
    let paid = Instant::now();
    let payment_id = payer.send(&made.invoice).await?;
    payer.settled(&payment_id).await?;
    let mut told = Vec::new();
    while let Some(at) = waiting.join_next().await {
        told.push(at??);
    }
    told.sort_unstable();
    let first = *told.first().context("nobody was told")?;
    let ms = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64() * 1_000.0;
    let after = |share: usize| ms(first, told[(told.len() - 1) * share / 100]);
    println!(
        "{:>8} {:>8} {all_wait_secs:>10.1} {idle_ms_per_sec:>8.0} {threads:>8} {:>8} {:>10.0} {:>8.0} \
         {:>8.0} {:>10.0}",
        format!("{kind:?}"),
        told.len(),
        resident_kib / 1024,
        ms(paid, first),
        after(50),
        after(99),
        after(100),
    );
    Ok(())
}

/// Until the payee says that all wait. Fails when one of them is answered before.
async fn all_wait(payee: &Node, waiting: &mut JoinSet<Result<Instant>>) -> Result<()> {
    let counted = until("all wait", PATIENCE, async || {
        let wait = payee.waiting_calls().await?;
        ensure!(wait == WAITERS, "{wait} of {WAITERS} wait");
        Ok(())
    });
    tokio::select! {
        counted = counted => counted,
        Some(answered) = waiting.join_next() => {
            let waited = answered?.context("the first waiter that failed");
            waited.and_then(|_| bail!("a waiter was told before the payment"))
        },
    }
}

/// Waits, and returns when it was told.
async fn waiter(client: Client, kind: Kind, label: String, last: u64) -> Result<Instant> {
    let timeout_secs = Some(110);
    let invoice = match kind {
        Kind::Any => wait_any(&client, last, 110).await?.invoice,
        Kind::Invoice => {
            let request = WaitInvoiceRequest { label, timeout_secs, ..Default::default() };
            client.wait_invoice(request).await?.invoice
        },
    };
    let told = Instant::now();
    let pay_index = invoice.and_then(|invoice| invoice.pay_index);
    ensure!(pay_index == Some(last + 1), "told of {pay_index:?}");
    Ok(told)
}

async fn wait_any(
    client: &Client,
    last_pay_index: u64,
    timeout_secs: u32,
) -> Result<ldk_server_grpc::api::WaitAnyInvoiceResponse, Error> {
    let request = WaitAnyInvoiceRequest { last_pay_index, timeout_secs: Some(timeout_secs) };
    client.wait_any_invoice(request).await
}

/// The daemon, as the system sees it.
struct Process(u32);

impl Process {
    /// A number of `/proc/PID/status`.
    fn status(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.with_context(|| format!("no {name}"))?.parse()?)
    }

    /// Who waits for an invoice has a place before its row has been looked up.
    async fn at_rest(&self) -> Result<()> {
        until("the daemon is at rest", PATIENCE, async || {
            let busy_ms_per_sec = self.cpu_ms_per_sec(Duration::from_secs(1)).await?;
            ensure!(busy_ms_per_sec <= REST_MS_PER_SEC, "{busy_ms_per_sec} ms/s");
            Ok(())
        })
        .await
    }

    /// The processor time that it takes while nothing happens.
    async fn cpu_ms_per_sec(&self, watched: Duration) -> Result<f64> {
        let before = self.cpu_ticks()?;
        tokio::time::sleep(watched).await;
        let ticks = self.cpu_ticks()?.saturating_sub(before);
        Ok(f64::from(u32::try_from(ticks)?) * TICK_MS / watched.as_secs_f64())
    }

    /// User and system time (proc_pid_stat(5)).
    fn cpu_ticks(&self) -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        let after_name = stat.rsplit_once(") ").context("no name")?.1;
        let times = after_name.split(' ').skip(11).take(2).map(str::parse::<u64>);
        Ok(times.sum::<Result<u64, _>>()?)
    }
}
