//! What is known of the lease and the replicas, and that the lease is given up.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::runtime;

use super::{PATIENCE, of_another, write};
use crate::store::conformance::TestDatabase as _;
use crate::store::postgres::health::{Replica, Replicas};
use crate::store::postgres::session::Session;
use crate::store::postgres::testing::{Database, Server};
use crate::store::postgres::{lease, replicas};
use crate::store::sqlite::path_in;
use crate::store::{PostgresSettings, Store, move_to_sqlite};

/// A connection of the kind that a replica makes; the server lists it as one.
fn replica(server: &Server) -> TcpStream {
    let mut connection = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let parameters = b"user\0postgres\0replication\0true\0application_name\0db2\0\0";
    let length = u32::try_from(8 + parameters.len()).unwrap();
    let start = [&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), parameters].concat();
    connection.write_all(&start).unwrap();
    // Messages have a kind and a length that counts itself; "Z" is the last one.
    let mut header = [0; 5];
    while header[0] != b'Z' {
        connection.read_exact(&mut header).unwrap();
        let [kind, length @ ..] = header;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        connection.read_exact(&mut body).unwrap();
        assert_ne!(kind, b'E', "{}", String::from_utf8_lossy(&body));
    }
    connection
}

fn look(settings: &PostgresSettings, before: &str) -> Replicas {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let session = Session::connect(settings).await.unwrap();
        for statement in before.split(';').filter(|statement| !statement.is_empty()) {
            session.run(statement).await.unwrap();
        }
        replicas::look(&session).await.unwrap()
    })
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn replicas_are_seen_and_whether_commits_wait_for_them() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let settings = server.settings("node", "me");
    assert_eq!(look(&settings, ""), Replicas::default());
    let connected = replica(&server);
    let db2 = Replica { name: "db2".to_owned(), sync_state: "async".to_owned(), lag_bytes: None };
    let found = look(&settings, "");
    assert_eq!(found, Replicas { number: 1, are_waited_for: false, visible: vec![db2] });
    assert!(found.may_be_old());
    // The node finds it as well, when it starts.
    let store = Store::open_postgres(dir.path(), settings.clone(), |_| ()).unwrap();
    let known = || store.postgres_state().unwrap();
    until("nothing is known of replicas", || known().replicas.is_some());
    assert_eq!(known().replicas, Some(found));
    assert!(known().lease_age < known().lease_lasts, "{:?}", known());
    drop(store);

    let user = "CREATE USER someone;SET ROLE someone";
    let hidden = Replicas { number: 1, are_waited_for: false, visible: Vec::new() };
    assert_eq!(look(&settings, user), hidden);

    let wait = "ALTER SYSTEM SET synchronous_standby_names = 'db2';SELECT pg_reload_conf()";
    look(&settings, wait);
    until("commits wait for nobody", || !look(&settings, "").may_be_old());
    drop(connected);
    until("the replica is gone", || look(&settings, "").number == 0);
}

/// Whether nobody has the lease.
fn is_free(database: &Database) -> bool {
    let settings = database.settings();
    database.with_session(async |session| {
        lease::holder(&session, &settings).await.unwrap().holder.is_empty()
    })
}

#[test]
fn the_lease_is_given_up_by_a_start_that_fails() {
    let database = Database::new();
    drop(database.open());
    assert!(is_free(&database));
    // After the lease was taken, while the file is prepared.
    let file = path_in(database.dir.path());
    std::fs::write(&file, "no database").unwrap();
    assert!(Store::open_postgres(database.dir.path(), database.settings(), |_| ()).is_err());
    assert!(is_free(&database));
    std::fs::remove_file(&file).unwrap();
    // When the first commit is made.
    let forbid =
        format!("ALTER TABLE {}.ldk_server_epoch ADD CHECK (false) NOT VALID", database.schema);
    database.with_session(async |session| session.run(&forbid).await.unwrap());
    let refused = Store::open_postgres(database.dir.path(), database.settings(), |_| ());
    assert!(refused.err().unwrap().to_string().contains("23514"));
    assert!(is_free(&database));
    let allow = format!(
        "ALTER TABLE {}.ldk_server_epoch DROP CONSTRAINT ldk_server_epoch_check",
        database.schema
    );
    database.with_session(async |session| session.run(&allow).await.unwrap());
    // And by one that ends, at once.
    let store = database.open();
    assert!(write(&store, "a"));
    assert!(!is_free(&database));
    store.release();
    assert!(is_free(&database));
    store.release();
}

#[test]
fn the_lease_is_given_up_by_a_move_that_fails() {
    let database = Database::new();
    drop(database.open());
    let (dir, settings) = of_another(&database);
    Connection::open(path_in(dir.path())).unwrap().execute_batch("CREATE TABLE own (a)").unwrap();
    let refused = move_to_sqlite(dir.path(), &settings).unwrap_err().to_string();
    assert!(refused.contains("has a state of its own"), "{refused}");
    assert!(is_free(&database));
}
