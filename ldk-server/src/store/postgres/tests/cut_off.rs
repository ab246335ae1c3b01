//! Answers that are lost, connections that are killed, and servers that are restarted, amid commits.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use super::{write, written};
use crate::store::Store;
use crate::store::conformance::TestDatabase as _;
use crate::store::postgres::testing::{Database, Server};

/// A proxy before the server, which can swallow an answer and then break the connection off.
struct Proxy {
    port: u16,
    swallows: Arc<AtomicBool>,
    swallowed: Arc<AtomicU32>,
}

impl Proxy {
    fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (swallows, swallowed) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let (swallow, count) = (Arc::clone(&swallows), Arc::clone(&swallowed));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", target)));
                let Ok(server) = server else { continue };
                let (to_server, to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || pass(&client, &to_server, || false));
                let (swallow, count) = (Arc::clone(&swallow), Arc::clone(&count));
                thread::spawn(move || {
                    pass(&server, &to_client, || {
                        let is_swallowed = swallow.swap(false, Ordering::SeqCst);
                        count.fetch_add(u32::from(is_swallowed), Ordering::SeqCst);
                        is_swallowed
                    });
                });
            }
        });
        Self { port, swallows, swallowed }
    }
}

/// Copies what is read, until something is to be swallowed; then both sides are closed.
fn pass(mut from: &TcpStream, mut to: &TcpStream, swallows: impl Fn() -> bool) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if swallows() || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    for side in [from, to] {
        let _ = side.shutdown(Shutdown::Both);
    }
}

#[test]
fn a_commit_whose_answer_was_lost_is_made_once() {
    let (server, database) = (Server::start(), Database::new());
    let proxy = Proxy::before(server.port());
    let settings = server.settings_through(proxy.port, &database.schema, "me");
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_postgres(dir.path(), settings.clone(), |_| ()).unwrap();
    let keys: Vec<_> = (10..30).map(|key| key.to_string()).collect();
    for key in &keys {
        proxy.swallows.store(true, Ordering::SeqCst);
        assert!(write(&store, key));
        assert!(!proxy.swallows.load(Ordering::SeqCst));
    }
    assert_eq!(proxy.swallowed.load(Ordering::SeqCst), 20);
    assert_eq!(written(&store), keys);
    let commits = store.epoch().unwrap().1.commits;
    drop(store);
    let store =
        Store::open_postgres(tempfile::tempdir().unwrap().path(), settings, |_| ()).unwrap();
    assert_eq!(written(&store), keys);
    assert_eq!(store.epoch().unwrap().1.commits, commits + 1);
}

/// Writes while something is done to the server.
fn writes_amid(store: &Store, disturb: impl FnOnce() + Send) -> Vec<String> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut keys = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                let key = format!("{:06}", keys.len());
                assert!(write(store, &key));
                keys.push(key);
            }
            assert!(write(store, "last"));
            keys.push("last".to_owned());
            keys
        });
        disturb();
        is_over.store(true, Ordering::SeqCst);
        writer.join().unwrap()
    })
}

#[test]
fn connections_are_killed_amid_commits() {
    let database = Database::new();
    let store = database.open();
    let keys = writes_amid(&store, || {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name = 'ldk-server' AND pid <> pg_backend_pid()
                   AND position($1 IN query) > 0";
        let mut killed = 0;
        while killed < 20 {
            let schema = format!("\"{}\".", database.schema);
            killed += database.with_session(async |session| {
                let parameter = (&schema as &(dyn tokio_postgres::types::ToSql + Sync), TEXT);
                session.query(sql, &[parameter]).await.unwrap().len()
            });
        }
    });
    assert_eq!(written(&store), keys);
    drop(store);
    assert!(database.is_level());
    assert_eq!(written(&database.open()), keys);
}

const TEXT: tokio_postgres::types::Type = tokio_postgres::types::Type::TEXT;

#[test]
fn the_server_is_restarted_amid_commits() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let settings = server.settings("node", "me");
    let store = Store::open_postgres(dir.path(), settings.clone(), |_| ()).unwrap();
    let keys = writes_amid(&store, || {
        for _ in 0..3 {
            server.does("restart", "ready");
        }
    });
    assert_eq!(written(&store), keys);
    drop(store);
    let other = tempfile::tempdir().unwrap();
    let store = Store::open_postgres(other.path(), settings, |_| ()).unwrap();
    assert_eq!(written(&store), keys);
}

#[test]
fn one_whose_server_stays_away_gives_up_and_goes_on_later() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let settings = server.settings("node", "me");
    let (send, told) = std::sync::mpsc::channel();
    let on_failure = move |reason: &str| send.send(reason.to_owned()).unwrap();
    let store = Store::open_postgres(dir.path(), settings.clone(), on_failure).unwrap();
    assert!(write(&store, "a"));
    server.does("stop", "stopped");
    assert!(!write(&store, "b"));
    let reason = told.recv_timeout(super::PATIENCE).unwrap();
    assert!(reason.contains("lease"), "{reason}");
    drop(store);
    server.does("start", "ready");
    let store = Store::open_postgres(dir.path(), settings, |_| ()).unwrap();
    assert_eq!(written(&store), ["a"]);
}
