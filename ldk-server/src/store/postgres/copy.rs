//! The whole state, from PostgreSQL to a file and back.

use std::fs::{self, File};
use std::path::Path;

use rusqlite::Connection;
use tokio_postgres::types::Type;

use super::capture::select;
use super::error::PostgresError;
use super::lease::{self, Lease};
use super::rows::Rows;
use super::session::{Parameter, Session};
use super::settings::PostgresSettings;
use super::tables::{self, Table, quoted};
use super::working_copy::{Followed, WorkingCopy, definitions, mark_of};
use crate::store::sqlite::log::log_of;
use crate::store::sqlite::path_in;
use crate::store::sqlite::schema::make_private;

/// How much is sent at once, about.
const PIECE_BYTES: usize = 1 << 20;
/// How many rows of a table are read at first, before it is known how large they are.
const FIRST_ROWS: i64 = 64;
/// How many are read at once at most.
const MAX_ROWS: usize = 10_000;

/// What the file is called while it is made.
const PARTIAL: &str = "ldk_node_data.partial";

/// Makes the file in this directory anew, as a working copy of the state in PostgreSQL; tells whether it
/// did, which it does not if it cannot be told what was changed meanwhile. A crash meanwhile leaves the
/// old one, or none.
pub(super) async fn load(
    session: &Session,
    settings: &PostgresSettings,
    dir: &Path,
) -> Result<bool, PostgresError> {
    let partial = dir.join(PARTIAL);
    let database = open_partial(&partial)?;
    database.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let Some(copy) = read_all(session, settings, database).await? else { return Ok(false) };
    copy.close()?;
    File::open(&partial).and_then(|file| file.sync_all()).map_err(file_error)?;
    let path = path_in(dir);
    // A log must not outlive its file.
    for old in [path.clone(), log_of(&path), shared_memory_of(&path)] {
        remove(&old)?;
    }
    fs::rename(&partial, &path).map_err(file_error)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(file_error)?;
    Ok(true)
}

/// Makes a file without tables, of a state that begins.
pub(super) fn begin(dir: &Path, lease: &Lease) -> Result<(), PostgresError> {
    let partial = dir.join(PARTIAL);
    mark_of(lease).write(&open_partial(&partial)?)?;
    fs::rename(&partial, path_in(dir)).map_err(file_error)
}

fn open_partial(path: &Path) -> Result<Connection, PostgresError> {
    remove(path)?;
    make_private(path)?;
    Ok(Connection::open(path)?)
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

/// Fills this empty file with all tables, and returns it as a working copy. They are read piece by piece,
/// not in one transaction, which would keep PostgreSQL from cleaning up for as long as this takes. After
/// each piece, what was changed meanwhile is read again.
async fn read_all(
    session: &Session,
    settings: &PostgresSettings,
    database: Connection,
) -> Result<Option<WorkingCopy>, PostgresError> {
    // Before the definitions: if they are changed in between, that cannot be followed.
    let mark = mark_of(&lease::current(session, settings).await?);
    for definition in definitions(session, settings).await? {
        database.execute_batch(&definition)?;
    }
    mark.write(&database)?;
    let mut copy = WorkingCopy::of(database, mark)?;
    for table in copy.tables().to_vec() {
        let (columns, name) = (table.column_list(), table.within(&settings.schema));
        let sql = format!(
            "SELECT row_id, {columns} FROM {name} WHERE row_id > $1 ORDER BY row_id LIMIT $2"
        );
        copy.clear(&table)?;
        let (mut after, mut limit) = (i64::MIN, FIRST_ROWS);
        loop {
            let rows = session.query(&sql, &[(&after, Type::INT8), (&limit, Type::INT8)]).await?;
            let bytes = copy.write(&table, &rows)?;
            if copy.follow(session, settings).await? == Followed::Lost {
                return Ok(None);
            }
            let Some(last) = rows.last() else { break };
            after = last.get(0);
            limit = rows_of_a_piece(rows.len(), bytes);
        }
    }
    Ok(Some(copy))
}

/// How many rows are about a piece, if so many have so many bytes.
fn rows_of_a_piece(rows: usize, bytes: usize) -> i64 {
    let rows = (rows * PIECE_BYTES).checked_div(bytes).unwrap_or(MAX_ROWS);
    i64::try_from(rows.clamp(1, MAX_ROWS)).unwrap_or(FIRST_ROWS)
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
