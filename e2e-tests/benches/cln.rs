//! What Core Lightning's interface costs at the Unix socket: `getinfo`, and `listfunds` with some coins, over
//! one connection; `getinfo` with a connection for each call, as pyln-client has it; and 64 who wait for any
//! invoice. Needs Linux.
//!
//! `cargo bench --workspace --bench cln`

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const WARM_UP_CALLS: usize = 200;
const CALLS: usize = 5_000;
const COINS: [usize; 2] = [1, 200];
const COIN_SATS: u64 = 20_000;
const WAITERS: usize = 64;
/// For how long nothing happens while all wait.
const WATCHED: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(60);
/// What the median of `getinfo` may be, in a release build.
const BAR_MICROS: u128 = 300;
/// The unit of `/proc/PID/stat`, which is the same on every architecture of Linux.
const TICK_MS: f64 = 10.0;

/// A connection to the socket.
struct Connection {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Connection {
    async fn open(socket: &Path) -> Result<Self> {
        Ok(Self { stream: UnixStream::connect(socket).await?, read: Vec::new() })
    }

    async fn send(&mut self, id: usize, method: &str, params: &Value) -> Result<()> {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Ok(self.stream.write_all(request.to_string().as_bytes()).await?)
    }

    /// The next reply, which ends with two newlines.
    async fn reply(&mut self) -> Result<&[u8]> {
        self.read.clear();
        while !self.read.ends_with(b"\n\n") {
            ensure!(self.stream.read_buf(&mut self.read).await? > 0, "the connection has ended");
        }
        Ok(&self.read)
    }

    async fn call(&mut self, method: &str) -> Result<Duration> {
        let begun = Instant::now();
        self.send(1, method, &json!({})).await?;
        self.reply().await?;
        let took = begun.elapsed();
        let answer: Value = serde_json::from_slice(&self.read)?;
        ensure!(answer["result"].is_object(), "{answer}");
        Ok(took)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", "[cln]\nrpc_file = \"lightning-rpc\"\n").await?;
    let socket = alice.config().storage_dir.join("regtest/lightning-rpc");
    println!("{CALLS} calls one after the other, latencies in microseconds\n");
    println!("{:<40} {:>8} {:>8} {:>8}", "call", "p50", "p99", "max");
    let median = report("getinfo", &mut kept(&socket, "getinfo").await?);
    report("getinfo, a connection for each", &mut each(&socket).await?);
    for coins in COINS {
        fund(&network, &alice, coins).await?;
        report(&format!("listfunds, {coins} coins more"), &mut kept(&socket, "listfunds").await?);
    }
    println!();
    waiters(&alice, &socket).await?;
    network.stop().await?;
    println!("\ngetinfo: {median} of {BAR_MICROS} microseconds");
    ensure!(cfg!(debug_assertions) || median <= BAR_MICROS, "getinfo is too slow");
    Ok(())
}

async fn kept(socket: &Path, method: &str) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(socket).await?;
    for _ in 0..WARM_UP_CALLS {
        connection.call(method).await?;
    }
    let mut latencies = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        latencies.push(connection.call(method).await?);
    }
    Ok(latencies)
}

async fn each(socket: &Path) -> Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begun = Instant::now();
        Connection::open(socket).await?.call("getinfo").await?;
        latencies.push(begun.elapsed());
    }
    Ok(latencies)
}

/// Prints the latencies, and returns their median in microseconds.
fn report(name: &str, latencies: &mut [Duration]) -> u128 {
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_micros();
    println!("{name:<40} {:>8} {:>8} {:>8}", at(50), at(99), at(100));
    at(50)
}

/// Pays so many coins to as many addresses.
async fn fund(network: &Network, node: &Node, coins: usize) -> Result<()> {
    let before = node.balances().await?.spendable_onchain_balance_sats;
    let mut addresses = Vec::with_capacity(coins);
    for _ in 0..coins {
        addresses.push(node.new_address().await?);
    }
    network.bitcoind().send(&addresses, COIN_SATS).await?;
    network.mine(1).await?;
    let wanted_sats = before + COIN_SATS * u64::try_from(coins)?;
    until("the coins are there", PATIENCE, async || {
        let spendable_sats = node.balances().await?.spendable_onchain_balance_sats;
        ensure!(spendable_sats >= wanted_sats, "{spendable_sats}");
        Ok(())
    })
    .await
}

/// What the daemon takes of the processor for nothing, and for those who wait.
async fn waiters(node: &Node, socket: &Path) -> Result<()> {
    let process = Process(PathBuf::from(format!("/proc/{}/stat", node.pid().await?)));
    let alone = process.cpu_ms_per_sec().await?;
    let mut waiting = Vec::with_capacity(WAITERS);
    for id in 0..WAITERS {
        let mut connection = Connection::open(socket).await?;
        connection.send(id, "waitanyinvoice", &json!([99_999_999_999_u64])).await?;
        waiting.push(connection);
    }
    until("all wait", PATIENCE, async || {
        // Those that are answered do not.
        Connection::open(socket).await?.call("getinfo").await
    })
    .await?;
    let waited = process.cpu_ms_per_sec().await?;
    println!("processor time: {alone:.1} ms/s, with {WAITERS} waiters {waited:.1} ms/s");
    Ok(())
}

/// The daemon, as the system sees it (proc_pid_stat(5)).
struct Process(PathBuf);

impl Process {
    async fn cpu_ms_per_sec(&self) -> Result<f64> {
        let before = self.cpu_ticks()?;
        tokio::time::sleep(WATCHED).await;
        let ticks = self.cpu_ticks()?.saturating_sub(before);
        Ok(f64::from(u32::try_from(ticks)?) * TICK_MS / WATCHED.as_secs_f64())
    }

    /// User and system time.
    fn cpu_ticks(&self) -> Result<u64> {
        let stat = fs::read_to_string(&self.0)?;
        let after_name = stat.rsplit_once(") ").context("no name")?.1;
        let times = after_name.split(' ').skip(11).take(2).map(str::parse::<u64>);
        Ok(times.sum::<Result<u64, _>>()?)
    }
}
