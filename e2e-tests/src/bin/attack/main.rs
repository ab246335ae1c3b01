//! `cargo run --release -p e2e-tests --bin attack`: attacks a node as somebody without the key, and shows
//! what it takes from the node and from those who have the key.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use e2e_tests::{Attack, Network, Node, RawConnection, grpc_frame, resident_bytes, signed_request};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

const MIB: f64 = 1024.0 * 1024.0;
/// How often an honest caller comes, and the memory is looked at.
const EVERY: Duration = Duration::from_millis(50);
/// How long a connection is not made again after it was closed.
const PAUSE: Duration = Duration::from_millis(500);
/// When the memory is looked at once the attackers have left: when what they had is freed, and when the
/// node has returned it to the system.
const AFTERWARDS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(70)];

/// Attacks a node, with an honest caller beside, who makes a new connection for each call.
#[derive(Parser)]
#[command(name = "attack")]
struct Args {
    /// What to try.
    #[arg(value_enum)]
    attack: Attack,
    /// Connections that are held open.
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Streams that are begun on each of them.
    #[arg(long, default_value_t = 16)]
    streams: usize,
    /// How long.
    #[arg(long, default_value_t = 60)]
    secs: u64,
    /// The node's `limits.max_connections`.
    #[arg(long, default_value_t = 1024)]
    max_connections: usize,
    /// The node's limit of open files.
    #[arg(long)]
    open_files: Option<u32>,
    /// Connect to the port for peers as well, and say nothing there, with so many connections.
    #[arg(long, default_value_t = 0)]
    peer_connections: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let network = Network::start().await?;
    let sections = format!(
        "\n[limits]\nmax_connections = {}\n[metrics]\nenabled = true\n",
        args.max_connections
    );
    let mut config = network.config("alice")?;
    (config.sections, config.log_level) = (sections, "Info");
    if let Some(files) = args.open_files {
        let run = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
        config.run_by = vec!["sh".to_owned(), "-c".to_owned(), run];
    }
    let node = network.node_of(config).await?;
    let pid = node.pid().await?;

    let alone = honest(&node, pid, Duration::from_secs(5)).await?;
    println!("alone: {alone}");
    let mut attackers = JoinSet::new();
    for _ in 0..args.connections {
        attackers.spawn(again_and_again(args.attack, args.streams, Arc::clone(&node)));
    }
    for _ in 0..args.peer_connections {
        attackers.spawn(silent_peer(node.address()));
    }
    let besieged = honest(&node, pid, Duration::from_secs(args.secs)).await?;
    println!("{:?} on {} connections: {besieged}", args.attack, args.connections);
    attackers.shutdown().await;
    let left = Instant::now();
    for after in AFTERWARDS {
        sleep_until(left + after).await;
        println!("{after:?} later: {:.1} MiB", mib(resident_bytes(pid)?));
    }
    node.ensure_running().await?;
    network.stop().await
}

async fn again_and_again(attack: Attack, streams: usize, node: Arc<Node>) {
    loop {
        let _ = attack.take_part(node.config(), streams).await;
        sleep(PAUSE).await;
    }
}

async fn silent_peer(address: String) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(&address).await {
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    }
}

/// What an honest caller sees, and what the node takes meanwhile.
async fn honest(node: &Node, pid: u32, time: Duration) -> Result<String> {
    let (begun, mut ticks) = (Instant::now(), interval(EVERY));
    let (mut times, mut failed, mut most) = (Vec::new(), 0, 0);
    let mut steady = RawConnection::open(node.config()).await?;
    let mut steady_times = Vec::new();
    while begun.elapsed() < time {
        ticks.tick().await;
        most = most.max(resident_bytes(pid)?);
        let sent = Instant::now();
        match timeout(Duration::from_secs(10), call(node)).await.context("no answer").flatten() {
            Ok(()) => times.push(sent.elapsed()),
            Err(error) => {
                failed += 1;
                if failed == 1 {
                    println!("a call failed: {error:#}");
                }
            },
        }
        let sent = Instant::now();
        let request = signed_request(node.config(), "GetNodeInfo", grpc_frame(&[]))?;
        if let Ok(Ok(_)) = timeout(Duration::from_secs(10), steady.send(request)).await {
            steady_times.push(sent.elapsed());
        } else {
            failed += 1;
            steady = RawConnection::open(node.config()).await?;
        }
    }
    Ok(format!(
        "at most {:.1} MiB resident; GetNodeInfo on new connections {}, on one that stays {}; {failed} \
         failed",
        mib(most),
        figures(&mut times),
        figures(&mut steady_times)
    ))
}

async fn call(node: &Node) -> Result<()> {
    let mut connection = RawConnection::open(node.config()).await?;
    let request = signed_request(node.config(), "GetNodeInfo", grpc_frame(&[]))?;
    connection.send(request).await?.message()?;
    Ok(())
}

fn figures(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| {
        let place = times.len().saturating_sub(1) * percent / 100;
        times.get(place).copied().unwrap_or_default()
    };
    format!("p50 {:.1?}, p99 {:.1?} of {}", at(50), at(99), times.len())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}
