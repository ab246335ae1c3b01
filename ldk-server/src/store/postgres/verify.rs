//! Whether the file and PostgreSQL have the same rows.

use std::path::Path;

use futures_util::{StreamExt as _, pin_mut};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use tokio_postgres::types::Type;

use super::capture::select;
use super::error::PostgresError;
use super::rows::values;
use super::session::Session;
use super::settings::PostgresSettings;
use super::tables::{self, Table};

/// Compares each row of each table, and returns how many there are of each. Nobody writes meanwhile.
pub(super) async fn compare(
    session: &Session,
    settings: &PostgresSettings,
    file: &Path,
) -> Result<Vec<(String, u64)>, PostgresError> {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let mut counts = Vec::new();
    for table in tables::tables(&database)? {
        let count = compare_table(session, settings, &database, &table).await?;
        counts.push((table.name, count));
    }
    session.run("COMMIT").await?;
    Ok(counts)
}

async fn compare_table(
    session: &Session,
    settings: &PostgresSettings,
    database: &Connection,
    table: &Table,
) -> Result<u64, PostgresError> {
    let differs = |id: i64| {
        PostgresError::Unusable(format!(
            "row {id} of {} is not the same in the file and in PostgreSQL",
            table.name
        ))
    };
    let mut statement = database.prepare(&format!("{} ORDER BY rowid", select(table)))?;
    let mut in_file = statement.query([])?;
    let (columns, name) = (table.column_list(), table.within(&settings.schema));
    let sql = format!("SELECT row_id, {columns} FROM {name} ORDER BY row_id");
    let no_parameters: [(i64, Type); 0] = [];
    let rows = session.client.query_typed_raw(&sql, no_parameters).await?;
    pin_mut!(rows);
    let mut count = 0;
    while let Some(there) = rows.next().await {
        let there = there?;
        let there = values(table, &there)
            .map_err(|error| PostgresError::Unusable(format!("{}: {error}", table.name)))?;
        let id = id_of(&there);
        let Some(here) = in_file.next()? else { return Err(differs(id)) };
        for (index, value) in there.iter().enumerate() {
            if here.get::<_, Value>(index)? != *value {
                return Err(differs(id));
            }
        }
        count += 1;
    }
    match in_file.next()? {
        Some(more) => Err(differs(more.get(0)?)),
        None => Ok(count),
    }
}

fn id_of(row: &[Value]) -> i64 {
    match row.first() {
        Some(Value::Integer(id)) => *id,
        _ => 0,
    }
}
