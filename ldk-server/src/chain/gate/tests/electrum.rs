//! Lines to an Electrum server.

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::stub;
use super::*;
use crate::chain::gate::electrum::MAX_LINE_BYTES;

const BROADCAST: &str = r#"{"method":"blockchain.transaction.broadcast","params":["00"],"id":7}"#;
const READ: &str = r#"{"method":"server.ping","id":1}"#;

/// A connection through the gate.
struct Connection(BufReader<TcpStream>);

impl Connection {
    async fn open(fixture: &Fixture) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", fixture.port())).await.unwrap();
        Self(BufReader::new(stream))
    }

    async fn say(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The length of the line that is answered; `None` when the connection is closed.
    async fn answer(&mut self) -> Option<usize> {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_line(&mut line)).await;
        match read.expect("no answer") {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end_matches("}\n").rsplit(':').next()?.parse().unwrap()),
        }
    }
}

fn broadcasts(server: &stub::Stub<String>) -> usize {
    server.asked.count(|line| line != READ)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_waits_for_the_disk_and_what_follows_overtakes_it() {
    let server = stub::lines(None).await;
    let fixture = Fixture::electrum(server.port).await;
    fixture.disk.accept();
    let mut connection = Connection::open(&fixture).await;
    connection.say(BROADCAST).await;
    fixture.waiting(1).await;
    for_a_while(async || {
        connection.say(READ).await;
        assert_eq!(connection.answer().await, Some(READ.len()));
    })
    .await;
    assert_eq!(broadcasts(&server), 0);
    fixture.disk.sync();
    assert_eq!(connection.answer().await, Some(BROADCAST.len()));
    assert_eq!((broadcasts(&server), fixture.sent()), (1, 1));
    connection.say(READ).await;
    assert_eq!(connection.answer().await, Some(READ.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcasts_keep_their_order_and_are_known_in_whatever_form_they_come() {
    let server = stub::lines(None).await;
    let fixture = Fixture::electrum(server.port).await;
    fixture.disk.accept();
    let batch = format!("[{READ},{BROADCAST}]");
    let package = r#"{"id":1,"method":"blockchain.transaction.broadcast_package"}"#;
    let mut connection = Connection::open(&fixture).await;
    connection.say(BROADCAST).await;
    for part in batch.as_bytes().chunks(5) {
        connection.0.write_all(part).await.unwrap();
        tokio::task::yield_now().await;
    }
    connection.say("").await;
    connection.say(package).await;
    connection.say("garbage").await;
    fixture.waiting(4).await;
    connection.say(READ).await;
    assert_eq!(connection.answer().await, Some(READ.len()));
    assert_eq!(server.asked.take(), [READ]);
    fixture.disk.sync();
    for line in [BROADCAST, &batch, package, "garbage"] {
        assert_eq!(connection.answer().await, Some(line.len()));
    }
    assert_eq!(server.asked.take(), [BROADCAST, &batch, package, "garbage"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_whose_caller_has_gone_is_sent_all_the_same() {
    let server = stub::lines(None).await;
    let fixture = Fixture::electrum(server.port).await;
    fixture.disk.accept();
    let mut connection = Connection::open(&fixture).await;
    connection.say(BROADCAST).await;
    // Its answer finds nobody.
    connection.say(READ).await;
    fixture.waiting(1).await;
    drop(connection);
    assert_eq!(broadcasts(&server), 0);
    fixture.disk.sync();
    until("it is sent", PATIENCE, async || {
        ensure!(broadcasts(&server) == 1);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_that_is_held_gets_out_before_the_gate_is_closed() {
    let server = stub::lines(None).await;
    let fixture = Fixture::electrum(server.port).await;
    fixture.disk.accept();
    let mut connection = Connection::open(&fixture).await;
    connection.say(BROADCAST).await;
    fixture.waiting(1).await;
    tokio::join!(fixture.gate.close(), async { fixture.disk.sync() });
    assert_eq!(broadcasts(&server), 1);
    assert_eq!(connection.answer().await, Some(BROADCAST.len()));
    assert_eq!(connection.answer().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_on_disk_is_never_broadcast() {
    let server = stub::lines(None).await;
    let fixture = Fixture::electrum(server.port).await;
    fixture.disk.accept();
    fixture.disk.fail();
    let mut connection = Connection::open(&fixture).await;
    connection.say(BROADCAST).await;
    assert_eq!(connection.answer().await, None);
    assert_eq!((broadcasts(&server), fixture.refused()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_a_connection_that_closes() {
    let server = stub::lines(None).await;
    let fixture = Fixture::electrum(server.port).await;
    let mut connection = Connection::open(&fixture).await;
    connection.say(READ).await;
    assert_eq!(connection.answer().await, Some(READ.len()));
    let port = server.port;
    drop(server);
    assert_eq!(connection.answer().await, None);
    assert_eq!(Connection::open(&fixture).await.answer().await, None);
    let back = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let mut connection = Connection::open(&fixture).await;
    let (mut server, _) = back.accept().await.unwrap();
    connection.say(READ).await;
    let mut line = vec![0; READ.len() + 1];
    server.read_exact(&mut line).await.unwrap();
    assert_eq!(line, format!("{READ}\n").as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lines_pass_and_endless_ones_do_not() {
    let server = stub::lines(None).await;
    let fixture = Fixture::electrum(server.port).await;
    let long = format!(r#"{{"method":"x","params":["{}"]}}"#, "0".repeat(MAX_LINE_BYTES / 2));
    let mut connection = Connection::open(&fixture).await;
    connection.say(&long).await;
    assert_eq!(connection.answer().await, Some(long.len()));
    let endless = "0".repeat(MAX_LINE_BYTES + 1);
    // It may be closed before all is written.
    let _ = connection.0.write_all(endless.as_bytes()).await;
    assert_eq!(connection.answer().await, None);
    assert_eq!(server.asked.take(), [long]);
}
