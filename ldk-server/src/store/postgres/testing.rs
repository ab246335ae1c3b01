//! A PostgreSQL for tests: one server for all tests of a process, and a schema for each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ldk_node::lightning::io;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::runtime;

use super::session::Session;
use super::settings::PostgresSettings;
use super::{lease, verify};
use crate::compat::channel_state::UNREADABLE_VERSION;
use crate::store::Store;
use crate::store::backend::OpenDatabase;
use crate::store::conformance::database::{Contents, Failure, TestDatabase};
use crate::store::model::Name;
use crate::store::sqlite::primary::Mark;
use crate::store::sqlite::{path_in, testing as sqlite};

/// A server, which ends when its standard input does.
pub(super) struct Server {
    child: Mutex<Child>,
    port: u16,
}

impl Server {
    pub(super) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/run-postgres.sh");
        let child = Command::new(script)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let server = Self { child: Mutex::new(child), port };
        server.answers("ready");
        server
    }

    /// The one of this process.
    fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// Has it do this, such as restart.
    pub(super) fn does(&self, command: &str, answer: &str) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(child.stdin.as_mut().unwrap(), "{command}").unwrap();
        drop(child);
        self.answers(answer);
    }

    fn answers(&self, expected: &str) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = String::new();
        BufReader::with_capacity(1, child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), expected);
    }

    pub(super) fn settings(&self, schema: &str, holder: &str) -> PostgresSettings {
        self.settings_through(self.port, schema, holder)
    }

    /// The same, for a proxy at this port.
    pub(super) fn settings_through(
        &self,
        port: u16,
        schema: &str,
        holder: &str,
    ) -> PostgresSettings {
        let mut server = tokio_postgres::Config::new();
        server.host("127.0.0.1").port(port).user("postgres").dbname("postgres");
        let times = [Duration::from_secs(10), Duration::from_secs(10)];
        PostgresSettings::new(server, None, schema.to_owned(), times, holder.to_owned())
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.stdin = None;
        let _ = child.wait();
    }
}

/// A schema, and the directory of its working copy.
pub(in crate::store) struct Database {
    pub(super) dir: TempDir,
    pub(super) schema: String,
}

impl TestDatabase for Database {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let schema = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Self { dir: tempfile::tempdir().unwrap(), schema }
    }

    fn backend(&self) -> io::Result<OpenDatabase> {
        let opened = super::open(self.dir.path(), self.settings(), |reason| panic!("{reason}"));
        opened.map(|(database, _)| database)
    }

    fn contents(&self) -> Contents {
        let sql = |rows: &str| format!("SELECT {rows} FROM {}.", self.schema);
        let records = sql("primary_namespace, secondary_namespace, key, value") + "ldk_node_data";
        let name_of_manager = Name::of_manager().parts().map(str::to_owned);
        let chunks = sql("bytes") + "ldk_server_manager_chunks ORDER BY place";
        let history = sql("payment") + "ldk_server_payments";
        self.with_session(async |session| {
            session.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
            let records = session.query(&records, &[]).await.unwrap();
            let chunks = session.query(&chunks, &[]).await.unwrap();
            let chunks = chunks.iter().map(|row| row.get::<_, Vec<u8>>(0));
            let manager: Vec<u8> = chunks.flatten().collect();
            let history = session.query(&history, &[]).await.unwrap();
            let text = |row: &tokio_postgres::Row, column: usize| {
                String::from_utf8(row.get(column)).unwrap()
            };
            let record = |row: &tokio_postgres::Row| {
                let name = [0, 1, 2].map(|column| text(row, column));
                let value: Vec<u8> = row.get(3);
                let is_elsewhere =
                    name == name_of_manager && value.starts_with(&UNREADABLE_VERSION);
                (name, if is_elsewhere { manager.clone() } else { value })
            };
            Contents {
                records: records.iter().map(record).collect(),
                history: history.iter().map(|row| row.get(0)).collect(),
            }
        })
    }

    /// On another machine, which has no working copy.
    fn killed(&self) -> Self {
        let left = Self::new();
        let (from, to) = (&self.schema, &left.schema);
        let sql = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ;
             CREATE SCHEMA {to};
             DO $$ DECLARE name text; BEGIN
                 FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = '{from}' LOOP
                     EXECUTE format('CREATE TABLE {to}.%I (LIKE {from}.%I INCLUDING ALL)', name, name);
                     EXECUTE format('INSERT INTO {to}.%I SELECT * FROM {from}.%I', name, name);
                 END LOOP;
             END $$;
             UPDATE {to}.ldk_server_lease SET holder = '';
             COMMIT;"
        );
        self.with_session(async |session| session.run(&sql).await.unwrap());
        left
    }

    fn fail(&self, store: &Store, failure: Failure) {
        let (turn, table) = match failure {
            Failure::Record(_) => return sqlite::fail(store, failure),
            Failure::BatchOfRecord(turn) => (turn, "ldk_node_data"),
            Failure::Batch(turn) => (turn, "ldk_server_epoch"),
        };
        let schema = &self.schema;
        let sql = format!(
            "CREATE SEQUENCE {schema}.turns;
             CREATE FUNCTION {schema}.turn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('{schema}.turns') = {turn} THEN RAISE EXCEPTION 'injected'; END IF;
                 RETURN NULL;
             END $$;
             CREATE CONSTRAINT TRIGGER turn AFTER INSERT OR UPDATE ON {schema}.{table}
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.turn();"
        );
        self.with_session(async |session| session.run(&sql).await.unwrap());
    }
}

impl Database {
    pub(super) fn settings(&self) -> PostgresSettings {
        Server::shared().settings(&self.schema, &self.schema)
    }

    /// Opens it, with somebody who is told if the lease is lost.
    pub(super) fn open_with_lost(&self, on_lost: impl FnOnce(&str) + Send + 'static) -> Store {
        Store::open_postgres(self.dir.path(), self.settings(), on_lost).unwrap()
    }

    /// Does this with a connection of its own.
    pub(super) fn with_session<T>(&self, task: impl AsyncFnOnce(Session) -> T) -> T {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let settings = self.settings();
        runtime.block_on(async { task(Session::connect(&settings).await.unwrap()).await })
    }

    /// Whether the file is at the last commit; then all of its rows must be those of PostgreSQL.
    pub(super) fn is_level(&self) -> bool {
        let path = path_in(self.dir.path());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let mark = Mark::read(&Connection::open_with_flags(&path, flags).unwrap()).unwrap();
        let Some(mark) = mark else { return false };
        let settings = self.settings();
        self.with_session(async |session| {
            let (_, position) = lease::state(&session, &settings).await.unwrap();
            if position == mark.position {
                let counts = verify::compare(&session, &settings, &path).await.unwrap();
                assert!(counts.len() > 10, "{counts:?}");
            }
            position == mark.position
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if path_in(self.dir.path()).exists() {
            self.is_level();
        }
        // Many a test keeps a store that is still open.
        let is_free = format!("SELECT holder = '' FROM {}.ldk_server_lease", self.schema);
        let drop = format!("DROP SCHEMA {} CASCADE", self.schema);
        self.with_session(async |session| {
            let rows = session.query(&is_free, &[]).await.unwrap_or_default();
            if rows.first().is_some_and(|row| row.get(0)) {
                session.run(&drop).await.unwrap();
            }
        });
    }
}
