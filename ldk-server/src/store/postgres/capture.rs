//! Which rows a batch has changed.
//!
//! Triggers of the connection that writes note the table and the number of each row that is inserted,
//! updated or deleted. At the end of the batch these rows are read: what is there is to be written, what
//! is not there is to be removed.

use ldk_node::lightning::io;
use rusqlite::{Connection, OptionalExtension as _};

use super::rows::Rows;
use super::tables::{self, Table, quoted};
use crate::store::sqlite::sql_error;

/// What a batch has changed in one table.
pub(super) struct TableChanges {
    /// Which table, by its place in the list.
    pub(super) table: usize,
    pub(super) written: Rows,
    /// The ids of those that are gone.
    pub(super) removed: Vec<i64>,
}

/// Notes what is changed over one connection.
pub(super) struct Capture {
    tables: Vec<Table>,
    /// Which table has no triggers, if there is one, and its rows as they were last.
    sequence: Option<(usize, Rows)>,
}

impl Capture {
    /// Begins to note what is changed over this connection.
    pub(super) fn begin(database: &Connection) -> io::Result<Self> {
        let tables = tables::tables(database)?;
        let mut sql = "PRAGMA temp_store = MEMORY;
             PRAGMA recursive_triggers = ON;
             CREATE TEMP TABLE changed_rows (number INTEGER NOT NULL, id INTEGER NOT NULL);"
            .to_owned();
        let with_triggers = tables.iter().enumerate().filter(|(_, table)| !table.is_sequence());
        for (number, table) in with_triggers {
            for (event, sides) in
                [("INSERT", &["new"][..]), ("UPDATE", &["old", "new"]), ("DELETE", &["old"])]
            {
                sql += &format!(
                    "CREATE TEMP TRIGGER changed_{number}_{event} AFTER {event} ON main.{} BEGIN ",
                    quoted(&table.name)
                );
                for side in sides {
                    sql += &format!("INSERT INTO changed_rows VALUES ({number}, {side}.rowid); ");
                }
                sql += "END;";
            }
        }
        database.execute_batch(&sql).map_err(sql_error)?;
        let mut numbered = tables.iter().enumerate();
        let sequence = numbered.find(|(_, table)| table.is_sequence());
        let rows_of = |(number, table)| all(database, table).map(|rows| (number, rows));
        let sequence = sequence.map(rows_of).transpose()?;
        Ok(Self { tables, sequence })
    }

    /// The tables of the file.
    pub(super) fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// What was changed since this was asked last, within the transaction under way.
    pub(super) fn take(&mut self, transaction: &Connection) -> io::Result<Vec<TableChanges>> {
        let mut changes = Vec::new();
        for (number, id) in noted(transaction).map_err(sql_error)? {
            let Some(table) = self.tables.get(number) else { continue };
            if changes.last().is_none_or(|last: &TableChanges| last.table != number) {
                let written = Rows::of(table);
                changes.push(TableChanges { table: number, written, removed: Vec::new() });
            }
            if let Some(last) = changes.last_mut() {
                read_row(transaction, table, id, last)?;
            }
        }
        changes.extend(self.sequence_changes(transaction)?);
        Ok(changes)
    }

    /// Its rows are never removed.
    fn sequence_changes(&mut self, transaction: &Connection) -> io::Result<Option<TableChanges>> {
        let Some((number, last)) = &mut self.sequence else { return Ok(None) };
        let Some(table) = self.tables.get(*number) else { return Ok(None) };
        let written = all(transaction, table)?;
        if *last == written {
            return Ok(None);
        }
        last.clone_from(&written);
        Ok(Some(TableChanges { table: *number, written, removed: Vec::new() }))
    }
}

/// The rows that were noted, by table, each once.
fn noted(transaction: &Connection) -> rusqlite::Result<Vec<(usize, i64)>> {
    let sql = "SELECT DISTINCT number, id FROM temp.changed_rows ORDER BY number, id";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows = rows.collect::<rusqlite::Result<_>>()?;
    transaction.prepare_cached("DELETE FROM temp.changed_rows")?.execute([])?;
    Ok(rows)
}

fn read_row(
    transaction: &Connection,
    table: &Table,
    id: i64,
    changes: &mut TableChanges,
) -> io::Result<()> {
    let sql = format!("{} WHERE rowid = ?1", select(table));
    let mut statement = transaction.prepare_cached(&sql).map_err(sql_error)?;
    let row = statement.query_row([id], |row| Ok(changes.written.push(table, row)));
    match row.optional().map_err(sql_error)? {
        Some(pushed) => pushed,
        None => {
            changes.removed.push(id);
            Ok(())
        },
    }
}

/// The statement that reads the rows of this table in the file.
pub(super) fn select(table: &Table) -> String {
    format!("SELECT rowid, {} FROM main.{}", table.column_list(), quoted(&table.name))
}

/// All rows of a table that has few.
fn all(database: &Connection, table: &Table) -> io::Result<Rows> {
    let mut rows = Rows::of(table);
    let sql = format!("{} ORDER BY rowid", select(table));
    let mut statement = database.prepare_cached(&sql).map_err(sql_error)?;
    let mut found = statement.query([]).map_err(sql_error)?;
    while let Some(row) = found.next().map_err(sql_error)? {
        rows.push(table, row)?;
    }
    Ok(rows)
}
