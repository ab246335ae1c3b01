//! A working copy that follows what another node commits.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_server_grpc::types::InvoiceKind;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::super::capture::Capture;
use super::super::changes::{self, MAX_NOTED_ROWS};
use super::super::error::PostgresError;
use super::super::follow::Follower;
use super::super::standby::Standby;
use super::super::{lease, verify};
use super::{PATIENCE, of_another, write, written};
use crate::store::conformance::TestDatabase as _;
use crate::store::postgres::settings::PostgresSettings;
use crate::store::postgres::testing::Database;
use crate::store::sqlite::path_in;
use crate::store::sqlite::primary::Mark;
use crate::store::{InvoiceNotes, NewInvoice, Store, testing};

/// A standby that waits.
struct Waiting {
    dir: tempfile::TempDir,
    settings: PostgresSettings,
    follower: Follower,
}

impl Waiting {
    fn beside(database: &Database) -> Self {
        let (dir, settings) = of_another(database);
        let follower = Follower::new(dir.path()).unwrap();
        Self { dir, settings, follower }
    }

    fn try_to_follow(&mut self, database: &Database) -> Result<bool, PostgresError> {
        database.with_session(async |session| self.follower.follow(&session, &self.settings).await)
    }

    /// Follows, and compares all rows.
    fn follow(&mut self, database: &Database) {
        assert!(self.try_to_follow(database).unwrap());
        assert!(self.is_level(database));
        let path = path_in(self.dir.path());
        database.with_session(async |session| {
            verify::compare(&session, &self.settings, &path).await.unwrap();
        });
    }

    fn is_level(&self, database: &Database) -> bool {
        let mark = mark_of_file(&path_in(self.dir.path()));
        let (_, position) = database
            .with_session(async |session| lease::state(&session, &self.settings).await.unwrap());
        mark.is_some_and(|mark| mark.position == position)
    }

    /// The file, which is another one whenever it is made anew.
    fn file(&self) -> u64 {
        fs::metadata(path_in(self.dir.path())).unwrap().ino()
    }

    /// Takes the place of the node that has gone.
    fn take_over(self) -> (tempfile::TempDir, Store) {
        let Self { dir, settings, follower } = self;
        drop(follower);
        let store = Store::open_postgres(dir.path(), settings, |_| ()).unwrap();
        (dir, store)
    }
}

/// Without making a file where there is none.
fn mark_of_file(path: &Path) -> Option<Mark> {
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    Mark::read(&file).ok().flatten()
}

fn forget_changes(database: &Database, which: &str) {
    let sql = format!("DELETE FROM {}.ldk_server_changes WHERE {which}", database.schema);
    database.with_session(async |session| session.run(&sql).await.unwrap());
}

fn invoice(label: Option<String>) -> NewInvoice {
    NewInvoice {
        created_at: 1_000,
        expires_at: Some(2_000),
        kind: InvoiceKind::Bolt11,
        payment_hash: None,
        offer_id: None,
        notes: InvoiceNotes { label, ..InvoiceNotes::default() },
        request_digest: [1; 32],
        text: "lnbcrt".to_owned(),
        description: String::new(),
        amount_msat: Some(1),
        preimage: None,
    }
}

/// What happens to the node that runs, and to the one that follows it.
#[derive(Clone, Debug)]
enum Step {
    Write(u8, Vec<u8>),
    Remove(u8),
    Manager(usize, u8),
    Event,
    RemoveEvents,
    Invoice,
    Restart,
    TakeOver,
    ForgetAllButLast,
    Follow,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6_u8, prop::collection::vec(any::<u8>(), 0..600))
            .prop_map(|(key, value)| Step::Write(key, value)),
        4 => (0..6_u8).prop_map(Step::Remove),
        2 => (100..40_000_usize, any::<u8>()).prop_map(|(length, byte)| Step::Manager(length, byte)),
        2 => Just(Step::Event),
        1 => Just(Step::RemoveEvents),
        2 => Just(Step::Invoice),
        1 => Just(Step::Restart),
        1 => Just(Step::TakeOver),
        1 => Just(Step::ForgetAllButLast),
        8 => Just(Step::Follow),
    ];
    prop::collection::vec(step, 1..40)
}

fn make(store: &Store, step: Step) {
    match step {
        Step::Write(key, value) => {
            KVStoreSync::write(store, "test", "", &key.to_string(), value).unwrap();
        },
        Step::Remove(key) => {
            KVStoreSync::remove(store, "test", "", &key.to_string(), false).unwrap();
        },
        Step::Manager(length, byte) => {
            KVStoreSync::write(store, "", "", "manager", vec![byte; length]).unwrap();
        },
        Step::Event => testing::record(store, 1),
        Step::RemoveEvents => {
            store.remove_old_events(0, 1).unwrap();
        },
        Step::Invoice => {
            store.add_invoice(invoice(None)).unwrap().unwrap();
        },
        Step::Restart | Step::TakeOver | Step::ForgetAllButLast | Step::Follow => unreachable!(),
    }
}

#[test]
fn a_copy_that_follows_has_the_same_rows_whatever_is_done() {
    let run = |steps: Vec<Step>| {
        let database = Database::new();
        let mut dir = tempfile::tempdir().unwrap();
        let open = |dir: &tempfile::TempDir, settings| {
            Store::open_postgres(dir.path(), settings, |reason| panic!("{reason}")).ok()
        };
        let mut store = open(&dir, database.settings());
        let mut waiting = Waiting::beside(&database);
        for step in steps {
            match step {
                Step::Follow => waiting.follow(&database),
                Step::ForgetAllButLast => {
                    let last = format!(
                        "(SELECT max(position) FROM {}.ldk_server_changes)",
                        database.schema
                    );
                    forget_changes(&database, &format!("position < {last}"));
                },
                Step::Restart => {
                    drop(store.take());
                    store = open(&dir, database.settings());
                },
                Step::TakeOver => {
                    drop(store.take());
                    let (new_dir, new_store) = waiting.take_over();
                    (dir, store) = (new_dir, Some(new_store));
                    waiting = Waiting::beside(&database);
                },
                step => make(store.as_ref().unwrap(), step),
            }
        }
        waiting.follow(&database);
    };
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        run(steps);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn only_what_was_changed_is_read_while_that_is_known() {
    let database = Database::new();
    let store = database.open();
    let mut waiting = Waiting::beside(&database);
    waiting.follow(&database);
    let file = waiting.file();
    for key in ["a", "b", "c"] {
        assert!(write(&store, key));
        waiting.follow(&database);
    }
    let label = || Some("label".to_owned());
    assert!(store.add_invoice(invoice(label())).unwrap().is_some());
    testing::record(&store, 3);
    KVStoreSync::remove(&store, "test", "", "a", false).unwrap();
    waiting.follow(&database);
    assert_eq!(waiting.file(), file);
    // A program that notes nothing is not followed.
    assert!(write(&store, "d"));
    forget_changes(&database, "true");
    assert!(!waiting.try_to_follow(&database).unwrap());
    assert!(!waiting.is_level(&database));
    assert_eq!(waiting.file(), file);
    // One that does is, after a copy of everything.
    assert!(write(&store, "e"));
    waiting.follow(&database);
    assert_ne!(waiting.file(), file);
    let file = waiting.file();
    // Another one that takes over, and changes nothing.
    drop(store);
    let store = database.open();
    waiting.follow(&database);
    assert!(write(&store, "f"));
    drop(store);
    assert_eq!(waiting.file(), file);
    // Without the last changes; and with a file that has the tables already.
    let (dir, store) = waiting.take_over();
    assert_eq!(written(&store), ["b", "c", "d", "e", "f"]);
    assert_eq!(fs::metadata(path_in(dir.path())).unwrap().ino(), file);
    drop(store);
    assert_eq!(written(&database.open()), ["b", "c", "d", "e", "f"]);
}

#[test]
fn a_standby_follows_while_it_waits_and_then_takes_over() {
    let database = Database::new();
    let store = database.open();
    assert!(write(&store, "a"));
    let (dir, settings) = of_another(&database);
    let (holder, _told) = watch::channel(String::new());
    let settings = settings.waiting(Standby::new(holder, CancellationToken::new()));
    let path = path_in(dir.path());
    let second = thread::scope(|scope| {
        let taking_over =
            scope.spawn(|| Store::open_postgres(dir.path(), settings, |_| ()).unwrap());
        let position = || mark_of_file(&path).map(|mark| mark.position);
        let begun = Instant::now();
        let follows = |position_before: Option<i64>| {
            while position() <= position_before {
                assert!(begun.elapsed() < PATIENCE, "it does not follow");
                thread::yield_now();
            }
        };
        follows(None);
        let (file, before) = (fs::metadata(&path).unwrap().ino(), position());
        assert!(write(&store, "b"));
        follows(before);
        assert!(write(&store, "c"));
        drop(store);
        let second = taking_over.join().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), file);
        second
    });
    assert_eq!(written(&second), ["a", "b", "c"]);
    assert!(write(&second, "d"));
    drop(second);
    assert_eq!(written(&database.open()), ["a", "b", "c", "d"]);
}

#[test]
fn other_tables_are_read_anew() {
    let database = Database::new();
    let store = database.open();
    let mut waiting = Waiting::beside(&database);
    waiting.follow(&database);
    let file = waiting.file();
    drop(store);
    let of_later = "CREATE TABLE later (a INTEGER) STRICT; INSERT INTO later VALUES (1);";
    Connection::open(path_in(database.dir.path())).unwrap().execute_batch(of_later).unwrap();
    let store = database.open();
    waiting.follow(&database);
    assert_ne!(waiting.file(), file);
    // Here the file is ahead of PostgreSQL, as after a start of a later version that was interrupted.
    let file = waiting.file();
    let Waiting { dir, settings, follower } = waiting;
    drop(follower);
    let more = "CREATE TABLE more (a INTEGER)";
    Connection::open(path_in(dir.path())).unwrap().execute_batch(more).unwrap();
    let follower = Follower::new(dir.path()).unwrap();
    let mut waiting = Waiting { dir, settings, follower };
    assert!(write(&store, "a"));
    waiting.follow(&database);
    assert_ne!(waiting.file(), file);
    drop(store);
}

#[test]
fn tables_of_a_later_version_are_refused_when_the_lease_is_taken() {
    let database = Database::new();
    drop(database.open());
    fs::remove_file(path_in(database.dir.path())).unwrap();
    let sql = format!("UPDATE {}.ldk_server_schema SET version = 99", database.schema);
    database.with_session(async |session| session.run(&sql).await.unwrap());
    let mut waiting = Waiting::beside(&database);
    waiting.follow(&database);
    let Waiting { dir, settings, follower } = waiting;
    drop(follower);
    let refused = Store::open_postgres(dir.path(), settings, |_| ()).err().unwrap().to_string();
    assert!(refused.contains("start it with the server that wrote it"), "{refused}");
}

#[test]
fn a_standby_refuses_an_older_state_and_another_database() {
    let database = Database::new();
    let store = database.open();
    let old = database.killed();
    let mut waiting = Waiting::beside(&database);
    waiting.follow(&database);
    assert!(write(&store, "a"));
    waiting.follow(&database);
    let older = "older state than this node has seen";
    waiting.settings = of_another(&old).1;
    let refused = waiting.try_to_follow(&old).unwrap_err().to_string();
    assert!(refused.contains(older), "{refused}");
    // Neither does it follow it further.
    let (dir, settings) = of_another(&old);
    let of_old = Store::open_postgres(dir.path(), settings, |_| ()).unwrap();
    for key in ["b", "c", "d"] {
        assert!(write(&of_old, key));
        let refused = waiting.try_to_follow(&old).unwrap_err().to_string();
        assert!(refused.contains(older), "{refused}");
    }
    let another = Database::new();
    drop(another.open());
    waiting.settings = of_another(&another).1;
    let refused = waiting.try_to_follow(&another).unwrap_err().to_string();
    assert!(refused.contains("that of another database"), "{refused}");
    waiting.settings = of_another(&database).1;
    waiting.follow(&database);
}

#[test]
fn a_database_of_its_own_is_not_overwritten() {
    let database = Database::new();
    let store = database.open();
    let (dir, settings) = of_another(&database);
    drop(testing::open(dir.path()));
    let follower = Follower::new(dir.path()).unwrap();
    let mut waiting = Waiting { dir, settings, follower };
    let refused = waiting.try_to_follow(&database).unwrap_err().to_string();
    assert!(refused.contains("has a state of its own"), "{refused}");
    drop(store);
}

#[test]
fn a_file_that_cannot_be_written_to_is_made_anew() {
    let database = Database::new();
    let store = database.open();
    let mut waiting = Waiting::beside(&database);
    waiting.follow(&database);
    let file = waiting.file();
    let damage = "CREATE TRIGGER damage BEFORE INSERT ON ldk_server_epoch
                  BEGIN SELECT raise(ABORT, 'damaged'); END;";
    Connection::open(path_in(waiting.dir.path())).unwrap().execute_batch(damage).unwrap();
    assert!(write(&store, "a"));
    waiting.follow(&database);
    assert_ne!(waiting.file(), file);
    drop(store);
}

#[test]
fn a_commit_of_very_many_rows_notes_nothing() {
    let database = Connection::open_in_memory().unwrap();
    database.execute_batch("CREATE TABLE a (id INTEGER PRIMARY KEY)").unwrap();
    let mut capture = Capture::begin(&database).unwrap();
    let mut note = |rows: usize| {
        let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT ?1)
                   INSERT OR REPLACE INTO a SELECT n FROM n";
        database.execute(sql, [rows]).unwrap();
        let changed = capture.take(&database).unwrap();
        changes::note(capture.tables(), &changed)
    };
    assert_eq!(note(3).as_deref(), Some(r#"{"a":[1,2,3]}"#));
    assert!(note(MAX_NOTED_ROWS).is_some());
    assert_eq!(note(MAX_NOTED_ROWS + 1), None);
}
