//! A schema in PostgreSQL of another version of the server.

use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::lightning::util::persist::KVStoreSync as _;
use rusqlite::Connection;

use super::{of_another, write, written};
use crate::store::Store;
use crate::store::conformance::TestDatabase as _;
use crate::store::postgres::testing::Database;
use crate::store::postgres::{copy, lease};
use crate::store::sqlite::path_in;

/// The version of the tables in PostgreSQL.
fn version(database: &Database) -> i64 {
    let sql = format!("SELECT version FROM {}.ldk_server_schema", database.schema);
    database.with_session(async |session| session.query(&sql, &[]).await.unwrap()[0].get(0))
}

#[test]
fn an_older_schema_is_brought_up_to_date() {
    let [old, new] = [Database::new(), Database::new()];
    drop(new.open());
    // As the library alone leaves it, without any table of the server.
    let dir = tempfile::tempdir().unwrap();
    let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
    let library = SqliteStore::new(dir.path().to_owned(), Some(file), Some(table)).unwrap();
    library.write("test", "", "a", b"a".to_vec()).unwrap();
    drop(library);
    let settings = old.settings();
    old.with_session(async |session| {
        lease::prepare(&session, &settings).await.unwrap();
        let lease = lease::take(&session, &settings).await.unwrap().unwrap();
        let file = Connection::open(path_in(dir.path())).unwrap();
        copy::write_all(&session, &settings, &lease, &file).await.unwrap();
        lease::release(&session, &settings, lease.token).await.unwrap();
    });
    let store = old.open();
    assert_eq!(written(&store), ["a"]);
    assert!(write(&store, "b"));
    drop(store);
    assert_eq!(version(&old), version(&new));
    assert!(old.is_level());
    let (dir, settings) = of_another(&old);
    let store = Store::open_postgres(dir.path(), settings, |_| ()).unwrap();
    assert_eq!(written(&store), ["a", "b"]);
}

#[test]
fn a_newer_schema_is_refused_and_stays_as_it_is() {
    let database = Database::new();
    assert!(write(&database.open(), "a"));
    let ours = version(&database);
    let becomes = |version: i64| {
        let sql = format!("UPDATE {}.ldk_server_schema SET version = {version}", database.schema);
        database.with_session(async |session| session.run(&sql).await.unwrap());
    };
    becomes(ours + 1);
    let (dir, settings) = of_another(&database);
    let refused = Store::open_postgres(dir.path(), settings.clone(), |_| ()).err().unwrap();
    assert!(refused.to_string().contains("start it with the server that wrote it"), "{refused}");
    assert_eq!(version(&database), ours + 1);
    becomes(ours);
    // Nobody has to wait for the lease of the one that was refused.
    assert_eq!(written(&database.open()), ["a"]);
}
