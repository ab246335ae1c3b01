//! What a call costs: GetNodeInfo over one connection to a daemon on regtest, with 1, 16 and 64
//! calls in flight, and beside it calls that end earlier on the way, so that the difference shows
//! where the time goes.
//!
//! `cargo bench --workspace --bench rpc`; with words after `--`, only the lines that contain one of them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, RawConnection, grpc_frame};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use ldk_server_client::Client;
use ldk_server_grpc::api::GetNodeInfoRequest;
use ldk_server_grpc::auth;
use ldk_server_grpc::places::Places;

const IN_FLIGHT: [usize; 3] = [1, 16, 64];
const WARM_UP_CALLS: usize = 500;
const CALLS: usize = 20_000;
const WITH_RUNE: &str = "the same with a rune of 5 restrictions";

/// Something that can be called again and again; a clone shares the connection.
#[derive(Clone)]
enum Caller {
    Client(Box<Client>),
    Raw { connection: RawConnection, node: RawNode, path: &'static str, expected: i32 },
}

#[derive(Clone)]
struct RawNode {
    address: String,
    api_key: String,
}

impl Caller {
    async fn call(&mut self) -> Result<()> {
        match self {
            Self::Client(client) => {
                client.get_node_info(GetNodeInfoRequest {}).await?;
            },
            Self::Raw { connection, node, path, expected } => {
                let answer = connection.send(node.request(path)?).await?;
                ensure!(answer.grpc_status()? == *expected, "{answer:?}");
            },
        }
        Ok(())
    }
}

impl RawNode {
    fn request(&self, path: &str) -> Result<Request<Full<Bytes>>> {
        let now_secs = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let body = grpc_frame(&[]);
        let request = Request::post(format!("https://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header(auth::HEADER, auth::sign(&self.api_key, now_secs, &body));
        Ok(request.body(Full::new(Bytes::from(body)))?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let network = Network::start().await?;
    let node = network.node("alice").await?;
    println!("{CALLS} calls over one connection, latencies in microseconds\n");
    println!(
        "{:<46} {:>9} {:>9} {:>8} {:>8} {:>8}",
        "call", "in flight", "calls/s", "p50", "p99", "max"
    );
    for (name, caller) in callers(&node).await? {
        for in_flight in IN_FLIGHT {
            run(&caller, in_flight, WARM_UP_CALLS).await?;
            let (took, latencies) = run(&caller, in_flight, CALLS).await?;
            report(name, in_flight, took, &latencies)?;
        }
    }
    network.stop().await
}

async fn callers(node: &Node) -> Result<Vec<(&'static str, Caller)>> {
    let places = Places::of_config_file(node.config_file())?;
    let raw_node = RawNode { address: places.address.clone(), api_key: places.read_api_key()? };
    let mut connection = RawConnection::open(node.config()).await?;
    // The connection of a stranger may not have so many requests at once.
    connection.send(raw_node.request("/api.LightningNode/GetNodeInfo")?).await?.grpc_status()?;
    let raw = |path, expected| Caller::Raw {
        connection: connection.clone(),
        node: raw_node.clone(),
        path,
        expected,
    };
    let mut callers = vec![
        ("health check: TLS, HTTP/2, tonic", raw("/grpc.health.v1.Health/Check", 0)),
        ("unknown method: TLS, HTTP/2, x-auth", raw("/api.LightningNode/NoSuchMethod", 12)),
        ("GetNodeInfo by hand", raw("/api.LightningNode/GetNodeInfo", 0)),
        ("GetNodeInfo by ldk-server-client", Caller::Client(Box::new(node.client().clone()))),
    ];
    if is_wanted(WITH_RUNE) {
        callers.push((WITH_RUNE, with_rune(node, &places).await?));
    }
    callers.retain(|(name, _)| is_wanted(name));
    Ok(callers)
}

/// Whether the line of this name was asked for; if none was, all are.
fn is_wanted(name: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--")).peekable();
    words.peek().is_none() || words.any(|word| name.contains(&word))
}

/// Calls with a rune as an operator would hand out.
async fn with_rune(node: &Node, places: &Places) -> Result<Caller> {
    let options = ["--preset", "pay", "--expires", "30d", "--budget", "100000sat/day"];
    let limits = ["--method-limit", "Bolt11Send=5", "id!|id/nobody"];
    let command = [&["create-rune"], &options[..], &limits[..]].concat();
    let created = node.cli(&command).await?;
    let rune = created["rune"].as_str().context("no rune")?;
    let client =
        Client::builder_without_key(&places.address, places.read_tls_cert()?).rune(rune).build()?;
    Ok(Caller::Client(Box::new(client)))
}

/// Makes `calls` calls, `in_flight` at a time.
async fn run(caller: &Caller, in_flight: usize, calls: usize) -> Result<(Duration, Vec<Duration>)> {
    let started = Instant::now();
    let workers: Vec<_> = (0..in_flight)
        .map(|_| {
            let mut caller = caller.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(calls / in_flight);
                for _ in 0..calls / in_flight {
                    let started = Instant::now();
                    caller.call().await?;
                    latencies.push(started.elapsed());
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(calls);
    for worker in workers {
        latencies.extend(worker.await??);
    }
    latencies.sort_unstable();
    Ok((started.elapsed(), latencies))
}

fn report(name: &str, in_flight: usize, took: Duration, latencies: &[Duration]) -> Result<()> {
    let at = |percent: usize| latencies.get((latencies.len() - 1) * percent / 100);
    let micros = |percent| at(percent).map(Duration::as_micros).context("no calls were made");
    let per_second = latencies.len() as f64 / took.as_secs_f64();
    println!(
        "{name:<46} {in_flight:>9} {per_second:>9.0} {:>8} {:>8} {:>8}",
        micros(50)?,
        micros(99)?,
        micros(100)?
    );
    Ok(())
}
