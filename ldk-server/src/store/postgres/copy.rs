//! The whole state, from PostgreSQL to a file and back.

use std::fs::{self, File};
use std::path::Path;

use futures_util::{StreamExt as _, pin_mut};
use rusqlite::{Connection, params_from_iter};
use tokio_postgres::types::Type;

use super::capture::select;
use super::error::PostgresError;
use super::lease::{self, Lease};
use super::rows::{Rows, values};
use super::session::{Parameter, Session};
use super::settings::PostgresSettings;
use super::tables::{self, Table, quoted};
use crate::store::sqlite::log::log_of;
use crate::store::sqlite::path_in;
use crate::store::sqlite::primary::Mark;

/// How much is sent at once, about.
const PIECE_BYTES: usize = 1 << 20;

/// What the file is called while it is made.
const PARTIAL: &str = "ldk_node_data.partial";

/// What makes an empty file with the tables that PostgreSQL has; nothing if it has none yet.
pub(super) async fn definitions(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<Vec<String>, PostgresError> {
    let sql = format!(
        "SELECT definition FROM {}.ldk_server_definitions ORDER BY number",
        quoted(&settings.schema)
    );
    let rows = session.query(&sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Makes the file in this directory anew, as a working copy of the state in PostgreSQL. A crash meanwhile
/// leaves the old one, or none.
pub(super) async fn load(
    session: &Session,
    settings: &PostgresSettings,
    dir: &Path,
    lease: &Lease,
) -> Result<(), PostgresError> {
    let partial = dir.join(PARTIAL);
    remove(&partial)?;
    {
        let mut database = Connection::open(&partial)?;
        database.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
        read_into(session, settings, &mut database).await?;
        mark_of(lease).write(&database)?;
        database.close().map_err(|(_, error)| error)?;
    }
    File::open(&partial).and_then(|file| file.sync_all()).map_err(file_error)?;
    let path = path_in(dir);
    // A log must not outlive its file.
    for old in [path.clone(), log_of(&path), shared_memory_of(&path)] {
        remove(&old)?;
    }
    fs::rename(&partial, &path).map_err(file_error)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(file_error)
}

/// Makes a file without tables, of a state that begins.
pub(super) fn begin(dir: &Path, lease: &Lease) -> Result<(), PostgresError> {
    let partial = dir.join(PARTIAL);
    remove(&partial)?;
    mark_of(lease).write(&Connection::open(&partial)?)?;
    fs::rename(&partial, path_in(dir)).map_err(file_error)
}

/// The mark of a file that has the state of this moment of the lease.
pub(super) fn mark_of(lease: &Lease) -> Mark {
    let Lease { store_id, token, position } = lease.clone();
    Mark { store_id, token, position }
}

fn shared_memory_of(path: &Path) -> std::path::PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push("-shm");
    path.into()
}

fn remove(path: &Path) -> Result<(), PostgresError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error(error)),
        _ => Ok(()),
    }
}

fn file_error(error: std::io::Error) -> PostgresError {
    PostgresError::File(error.into())
}

/// Fills this empty file with the tables of one moment.
async fn read_into(
    session: &Session,
    settings: &PostgresSettings,
    database: &mut Connection,
) -> Result<(), PostgresError> {
    session
        .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0")
        .await?;
    for definition in definitions(session, settings).await? {
        database.execute_batch(&definition)?;
    }
    let transaction = database.transaction()?;
    let mut all = tables::tables(&transaction)?;
    // Its rows are changed by inserts into the others.
    all.sort_by_key(Table::is_sequence);
    for table in &all {
        transaction.execute(&format!("DELETE FROM {}", quoted(&table.name)), [])?;
        read_table(session, settings, &transaction, table).await?;
    }
    transaction.commit()?;
    session.run("COMMIT").await
}

async fn read_table(
    session: &Session,
    settings: &PostgresSettings,
    database: &Connection,
    table: &Table,
) -> Result<(), PostgresError> {
    let marks = vec!["?"; table.columns.len() + 1].join(", ");
    let insert = format!(
        "INSERT INTO {} (rowid, {}) VALUES ({marks})",
        quoted(&table.name),
        table.column_list()
    );
    let mut insert = database.prepare(&insert)?;
    let sql =
        format!("SELECT row_id, {} FROM {}", table.column_list(), table.within(&settings.schema));
    let no_parameters: [(i64, Type); 0] = [];
    let rows = session.client.query_typed_raw(&sql, no_parameters).await?;
    pin_mut!(rows);
    while let Some(row) = rows.next().await {
        let row = values(table, &row?)
            .map_err(|error| PostgresError::Unusable(format!("{}: {error}", table.name)))?;
        insert.execute(params_from_iter(row))?;
    }
    Ok(())
}

/// Writes all tables of the file to PostgreSQL, in place of what is there, as one commit.
pub(super) async fn write_all(
    session: &Session,
    settings: &PostgresSettings,
    lease: &Lease,
    database: &Connection,
) -> Result<(), PostgresError> {
    let schema = &settings.schema;
    session.run("BEGIN; SET LOCAL statement_timeout = 0").await?;
    let fence = format!("WITH fence AS ({}) SELECT 1 / count(*) FROM fence", lease::fence(schema));
    let (token, position) = (lease.token, lease.position);
    session.execute(&fence, &[(&token, Type::INT8), (&position, Type::INT8)]).await?;
    for table in &tables::tables(database)? {
        let drop = format!("DROP TABLE IF EXISTS {};", table.within(schema));
        session.run(&(drop + &table.create(schema))).await?;
        write_table(session, schema, database, table).await?;
    }
    let definitions = tables::definitions(database)?;
    let numbers: Vec<i64> = (0..).take(definitions.len()).collect();
    session.run(&format!("DELETE FROM {}.ldk_server_definitions", quoted(schema))).await?;
    let sql = format!(
        "INSERT INTO {}.ldk_server_definitions SELECT * FROM unnest($1::bigint[], $2::text[])",
        quoted(schema)
    );
    let parameters: [Parameter<'_>; 2] =
        [(&numbers, Type::INT8_ARRAY), (&definitions, Type::TEXT_ARRAY)];
    session.execute(&sql, &parameters).await?;
    session.run("COMMIT").await
}

async fn write_table(
    session: &Session,
    schema: &str,
    database: &Connection,
    table: &Table,
) -> Result<(), PostgresError> {
    let mut statement = database.prepare(&select(table))?;
    let mut found = statement.query([])?;
    let mut rows = Rows::of(table);
    while let Some(row) = found.next()? {
        rows.push(table, row)?;
        if rows.bytes() > PIECE_BYTES {
            write_rows(session, schema, table, &rows).await?;
            rows = Rows::of(table);
        }
    }
    write_rows(session, schema, table, &rows).await
}

async fn write_rows(
    session: &Session,
    schema: &str,
    table: &Table,
    rows: &Rows,
) -> Result<(), PostgresError> {
    let kinds = table.columns.iter().map(|column| column.kind.list_type());
    let columns = rows.columns.iter().zip(kinds);
    let mut parameters: Vec<Parameter<'_>> = vec![(&rows.ids, Type::INT8_ARRAY)];
    parameters.extend(columns.map(|(values, kind)| -> Parameter<'_> { (values, kind) }));
    session.execute(&table.upsert(schema, 1), &parameters).await.map(drop)
}
