//! The gate between clients like the library's and servers that remember what they were asked.

mod authority;
mod bitcoind;
mod electrum;
mod esplora;
mod journal;
mod stub;
mod tls;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Url;
use tokio::time::{Instant, sleep};

use super::*;
use crate::config::{BitcoindAuth, BitcoindConfig, ElectrumConfig, EsploraConfig, HostPort};
use crate::store::TestDisk;

const PATIENCE: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Several times what every broadcast waits.
const WHILE: Duration = Duration::from_millis(300);

/// The first transaction of the chain.
pub(super) const TRANSACTION: &str = "01000000010000000000000000000000000000000000000000000000000000000000000000\
    ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f722\
    06f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a\
    01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef3\
    8c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000";

/// A gate, and the disk that it waits for.
struct Fixture {
    gate: ChainGate,
    disk: TestDisk,
}

impl Fixture {
    async fn new(source: &ChainSource) -> Self {
        let disk = TestDisk::new();
        let gate = ChainGate::open(source, &[], Some(disk.durability()), None).await.unwrap();
        Self { gate, disk }
    }

    async fn bitcoind(port: u16) -> Self {
        let auth = BitcoindAuth::Password { user: "u".to_owned(), password: "p".into() };
        let bitcoind = BitcoindConfig { rpc: at_port(port), auth, rest: Some(at_port(port)) };
        Self::new(&ChainSource::Bitcoind(bitcoind)).await
    }

    async fn electrum(port: u16) -> Self {
        Self::new(&ChainSource::Electrum(ElectrumConfig {
            server: at_port(port),
            uses_tls: false,
            ca_cert_path: None,
        }))
        .await
    }

    async fn esplora(server_url: String) -> Self {
        Self::new(&ChainSource::Esplora(esplora_at(server_url))).await
    }

    /// The port that the library is given.
    fn port(&self) -> u16 {
        match self.gate.source() {
            ChainSource::Bitcoind(bitcoind) => bitcoind.rpc.port,
            ChainSource::Electrum(electrum) => electrum.server.port,
            ChainSource::Esplora(esplora) => {
                Url::parse(&esplora.server_url).unwrap().port().unwrap()
            },
        }
    }

    /// The URL that the library is given.
    fn url(&self) -> String {
        match self.gate.source() {
            ChainSource::Bitcoind(bitcoind) => format!("http://{}", bitcoind.rpc),
            ChainSource::Electrum(electrum) => electrum.server_url(),
            ChainSource::Esplora(esplora) => esplora.server_url.clone(),
        }
    }

    /// Waits until so many broadcasts wait.
    async fn waiting(&self, expected: u64) {
        until("broadcasts wait", PATIENCE, async || {
            let waiting = self.sample(1).get_gauge().get_value() as u64;
            ensure!(waiting == expected, "{waiting}");
            Ok(())
        })
        .await
        .unwrap();
    }

    fn refused(&self) -> u64 {
        self.sample(2).get_counter().get_value() as u64
    }

    /// How many were held, and then sent.
    fn sent(&self) -> u64 {
        self.sample(0).get_histogram().get_sample_count()
    }

    fn sample(&self, index: usize) -> prometheus::proto::Metric {
        self.gate.broadcasts().collectors()[index].collect()[0].get_metric()[0].clone()
    }
}

fn at_port(port: u16) -> HostPort {
    HostPort { host: "127.0.0.1".to_owned(), port }
}

fn esplora_at(server_url: String) -> EsploraConfig {
    EsploraConfig { server_url, headers: Vec::new(), ca_cert_path: None }
}

/// Does something again and again, for longer than a broadcast waits in any case.
async fn for_a_while(mut again: impl AsyncFnMut()) {
    let begin = std::time::Instant::now();
    while begin.elapsed() < WHILE {
        again().await;
    }
}

#[tokio::test]
async fn a_port_that_the_node_listens_at_is_passed_over() {
    // What the system would give next cannot be told; so all that could be are taken.
    let connections = Connections::default();
    let all = (1..=u16::MAX).collect();
    let refused = connections.listen(&all, |_| async {});
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    assert!(connections.listen(&BTreeSet::new(), |_| async {}).is_ok());
}

#[tokio::test]
async fn when_the_gate_is_dropped_its_ports_are_closed() -> Result<()> {
    let fixture = Fixture::electrum(1).await;
    let port = fixture.port();
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    drop(fixture);
    until("the port is closed", PATIENCE, async || {
        let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        ensure!(connected.is_err(), "it is open");
        Ok(())
    })
    .await
}

/// Asks again until the probe succeeds. Fails, after `patience`, with what it last saw.
async fn until<T>(
    what: &str,
    patience: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match probe().await {
            Ok(value) => return Ok(value),
            Err(seen) if Instant::now() > deadline => return Err(seen.context(what.to_owned())),
            Err(_) => sleep(POLL_INTERVAL).await,
        }
    }
}
