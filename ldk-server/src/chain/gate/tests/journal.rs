//! What is written down of broadcasts until they are answered.

use std::path::Path;

use ::http::Response;
use bytes::Bytes;
use http_body_util::Full;
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::store::testing;

/// A gate with a journal.
struct Journaled {
    fixture: Fixture,
    journal: Arc<Journal>,
    dir: TempDir,
}

impl Journaled {
    async fn new(source: ChainSource) -> Self {
        let (disk, dir) = (TestDisk::new(), tempfile::tempdir().unwrap());
        let journal = open(dir.path());
        let written = Some(Arc::clone(&journal));
        let gate = ChainGate::open(&source, &[], Some(disk.durability()), written).await.unwrap();
        Self { fixture: Fixture { gate, disk }, journal, dir }
    }

    async fn holds(&self, expected: usize) {
        until("broadcasts are in the journal", PATIENCE, async || {
            let number = self.journal.unanswered().len();
            ensure!(number == expected, "{number}");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// How many broadcasts a process would find that starts after this one was killed.
    fn left(self) -> usize {
        let Self { fixture, journal, dir } = self;
        drop(fixture);
        assert_eq!(Arc::strong_count(&journal), 1, "the gate uses it");
        drop(journal);
        open(dir.path()).unanswered().len()
    }
}

fn open(dir: &Path) -> Arc<Journal> {
    Arc::new(Journal::open(Arc::new(testing::open(dir))).unwrap())
}

fn bitcoind(port: u16) -> ChainSource {
    let auth = BitcoindAuth::Password { user: "u".to_owned(), password: "p".into() };
    ChainSource::Bitcoind(BitcoindConfig { rpc: at_port(port), auth, rest: None })
}

fn electrum(port: u16) -> ChainSource {
    let server = at_port(port);
    ChainSource::Electrum(ElectrumConfig { server, uses_tls: false, ca_cert_path: None })
}

/// Broadcasts by HTTP; whether there is an answer.
async fn post(url: String, body: String) -> bool {
    let client = Client::builder().no_proxy().build().unwrap();
    client.post(url).body(body).send().await.is_ok()
}

fn sendrawtransaction() -> String {
    json!({ "method": "sendrawtransaction", "params": [TRANSACTION] }).to_string()
}

/// A server that answers everything with this.
async fn server(
    status: u16,
    answer: &'static str,
) -> stub::Stub<(::http::request::Parts, Vec<u8>)> {
    stub::http(None, move |_, _| {
        Response::builder().status(status).body(Full::new(Bytes::from(answer))).unwrap()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bitcoin_core_has_answered_is_not_in_the_journal() {
    let core = server(200, r#"{"result":"ab","error":null}"#).await;
    let gate = Journaled::new(bitcoind(core.port)).await;
    gate.fixture.disk.accept();
    let sending = tokio::spawn(post(gate.fixture.url(), sendrawtransaction()));
    gate.holds(1).await;
    assert!(!sending.is_finished());
    gate.fixture.disk.sync();
    assert!(sending.await.unwrap());
    gate.holds(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_answered_is_there_after_a_restart() {
    let gate = Journaled::new(bitcoind(1)).await;
    for _ in 0..2 {
        assert!(!post(gate.fixture.url(), sendrawtransaction()).await);
    }
    gate.fixture.gate.close().await;
    assert_eq!(gate.left(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_still_held_at_a_kill_is_not_sent_by_the_next_process() {
    let core = server(200, "").await;
    let gate = Journaled::new(bitcoind(core.port)).await;
    gate.fixture.disk.accept();
    let sending = tokio::spawn(post(gate.fixture.url(), sendrawtransaction()));
    gate.holds(1).await;
    for_a_while(async || tokio::task::yield_now().await).await;
    gate.fixture.disk.fail();
    assert!(!sending.await.unwrap());
    gate.fixture.gate.close().await;
    assert_eq!((gate.left(), core.asked.take().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_of_a_transaction_has_not_answered() {
    let core = server(503, "Work queue depth exceeded").await;
    let gate = Journaled::new(bitcoind(core.port)).await;
    assert!(post(gate.fixture.url(), sendrawtransaction()).await);
    gate.fixture.gate.close().await;
    assert_eq!(gate.left(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn esplora_answers_too() {
    let esplora = server(200, "ab").await;
    let url = format!("http://127.0.0.1:{}", esplora.port);
    let gate = Journaled::new(ChainSource::Esplora(esplora_at(url))).await;
    gate.fixture.disk.accept();
    let url = format!("{}/tx", gate.fixture.url());
    let sending = tokio::spawn(post(url, TRANSACTION.to_owned()));
    gate.holds(1).await;
    gate.fixture.disk.sync();
    assert!(sending.await.unwrap());
    gate.holds(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_electrum_server_answers_by_the_id() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gate = Journaled::new(electrum(listener.local_addr().unwrap().port())).await;
    let mut library = TcpStream::connect(("127.0.0.1", gate.fixture.port())).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let mut server = BufReader::new(server);
    let method = "blockchain.transaction.broadcast";
    let request = json!({ "id": 7, "method": method, "params": [TRANSACTION] });
    library.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    let mut line = String::new();
    server.read_line(&mut line).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), request);
    let header = format!("{}\n", json!({ "id": 6, "result": "x".repeat(100_000) }));
    let mut library = BufReader::new(library);
    server.write_all(header.as_bytes()).await.unwrap();
    line.clear();
    library.read_line(&mut line).await.unwrap();
    assert_eq!((line.as_str(), gate.journal.unanswered().len()), (header.as_str(), 1));
    for part in [r#"{"id":7,"#, "\"result\":\"ab\"}\n"] {
        server.write_all(part.as_bytes()).await.unwrap();
        server.flush().await.unwrap();
    }
    gate.holds(0).await;
}
