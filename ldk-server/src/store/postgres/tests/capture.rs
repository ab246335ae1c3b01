//! Which rows are noted as changed.

use rusqlite::Connection;

use super::super::capture::Capture;

/// What a statement has changed: the table, the ids that were written and those that are gone.
fn changed(
    capture: &mut Capture,
    database: &Connection,
    sql: &str,
) -> Vec<(String, Vec<i64>, Vec<i64>)> {
    database.execute_batch(sql).unwrap();
    let changes = capture.take(database).unwrap();
    let names = capture.tables();
    let change = |change: &super::super::capture::TableChanges| {
        let name = names[change.table].name.clone();
        (name, change.written.ids.clone(), change.removed.clone())
    };
    changes.iter().map(change).collect()
}

#[test]
fn every_way_to_change_a_row_is_noted() {
    let database = Connection::open_in_memory().unwrap();
    database
        .execute_batch(
            "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT UNIQUE, twice INTEGER
                 GENERATED ALWAYS AS (2 * id) VIRTUAL);
             CREATE TABLE b (number INTEGER PRIMARY KEY AUTOINCREMENT, value BLOB);",
        )
        .unwrap();
    let mut capture = Capture::begin(&database).unwrap();
    let a = |written: &[i64], removed: &[i64]| {
        vec![("a".to_owned(), written.to_vec(), removed.to_vec())]
    };
    for (sql, written, removed) in [
        ("INSERT INTO a VALUES (1, 'one'), (2, 'two')", &[1, 2][..], &[][..]),
        ("UPDATE a SET name = 'zwei' WHERE id = 2", &[2], &[]),
        ("UPDATE a SET id = 3 WHERE id = 2", &[3], &[2]),
        ("INSERT OR REPLACE INTO a VALUES (4, 'one')", &[4], &[1]),
        ("INSERT INTO a VALUES (4, 'x') ON CONFLICT DO UPDATE SET name = 'four'", &[4], &[]),
        ("INSERT OR IGNORE INTO a VALUES (4, 'ignored')", &[], &[]),
        ("INSERT INTO a VALUES (5, 'five'); DELETE FROM a WHERE id = 5", &[], &[5]),
        ("DELETE FROM a", &[], &[3, 4]),
    ] {
        let expected =
            if written.is_empty() && removed.is_empty() { vec![] } else { a(written, removed) };
        assert_eq!(changed(&mut capture, &database, sql), expected, "{sql}");
    }
    let b = "INSERT INTO b (value) VALUES (x'00')";
    let of_b = |id| {
        vec![("b".to_owned(), vec![id], vec![]), ("sqlite_sequence".to_owned(), vec![1], vec![])]
    };
    assert_eq!(changed(&mut capture, &database, b), of_b(1));
    assert_eq!(changed(&mut capture, &database, b), of_b(2));
}
