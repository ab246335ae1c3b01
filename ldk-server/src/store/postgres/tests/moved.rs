//! Moving the state from a file to PostgreSQL and back.

use super::super::lease;
use super::{write, written};
use crate::store::conformance::TestDatabase as _;
use crate::store::postgres::testing::Database;
use crate::store::{KvOwner, Store, move_to_postgres, move_to_sqlite, testing};

fn refused_by_sqlite(database: &Database) -> String {
    let opened = Store::open(database.dir.path(), KvOwner::Server, |_| ());
    opened.err().unwrap().to_string()
}

fn refused_by_postgres(database: &Database) -> String {
    let opened = Store::open_postgres(database.dir.path(), database.settings(), |_| ());
    opened.err().unwrap().to_string()
}

#[test]
fn the_state_moves_both_ways_and_only_one_can_be_started() {
    let database = Database::new();
    let (dir, settings) = (database.dir.path(), database.settings());
    let store = testing::open(dir);
    assert!(write(&store, "a"));
    testing::record(&store, 3);
    let (lineage, _) = store.epoch().unwrap();
    drop(store);
    let own = refused_by_postgres(&database);
    assert!(own.contains("has a state of its own"), "{own}");

    let moved = move_to_postgres(dir, &settings).unwrap();
    assert!(moved.contains(&("ldk_server_events".to_owned(), 3)), "{moved:?}");
    let again = move_to_postgres(dir, &settings).unwrap_err().to_string();
    assert!(again.contains("in PostgreSQL already"), "{again}");
    assert!(refused_by_sqlite(&database).contains("only the working copy"));
    let store = database.open();
    assert!(write(&store, "b"));
    assert_eq!(store.epoch().unwrap().0, lineage);
    assert_eq!(store.event_bounds().unwrap().head_index, 3);
    drop(store);

    move_to_sqlite(dir, &settings).unwrap();
    let again = move_to_sqlite(dir, &settings).unwrap_err().to_string();
    assert!(again.contains("to SQLite already"), "{again}");
    assert!(refused_by_postgres(&database).contains("was moved from PostgreSQL to SQLite"));
    let store = testing::open(dir);
    assert!(write(&store, "c"));
    drop(store);

    move_to_postgres(dir, &settings).unwrap();
    assert_eq!(written(&database.open()), ["a", "b", "c"]);
}

#[test]
fn what_was_interrupted_is_completed() {
    let database = Database::new();
    let (dir, settings) = (database.dir.path(), database.settings());
    drop(testing::open(dir));
    // It has come to the point at which the file is marked and PostgreSQL still fenced.
    move_to_postgres(dir, &settings).unwrap();
    let fence = || {
        database.with_session(async |session| {
            let (token, _) = lease::state(&session, &settings).await.unwrap();
            assert!(lease::fence_off(&session, &settings, token).await.unwrap());
        });
    };
    fence();
    assert!(refused_by_sqlite(&database).contains("only the working copy"));
    assert!(refused_by_postgres(&database).contains("was moved"));
    move_to_postgres(dir, &settings).unwrap();
    drop(database.open());
    // The other way round.
    fence();
    move_to_sqlite(dir, &settings).unwrap();
    drop(testing::open(dir));
}

#[test]
fn the_state_of_another_node_is_not_overwritten() {
    let [one, other] = [Database::new(), Database::new()];
    drop(one.open());
    drop(testing::open(other.dir.path()));
    let refused = move_to_postgres(other.dir.path(), &one.settings()).unwrap_err().to_string();
    assert!(refused.contains("has the state of a node already"), "{refused}");
    move_to_sqlite(one.dir.path(), &one.settings()).unwrap();
    let refused = move_to_postgres(other.dir.path(), &one.settings()).unwrap_err().to_string();
    assert!(refused.contains("the state of another node"), "{refused}");
}
