//! The database of one query: in memory, with the tables that the query reads, and with bounds on what it
//! may take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Row};
use serde_json::{Number, Value};

use super::access::Access;
use super::filling;
use super::schema::{Table, tables};
use crate::memory;

/// The rows of all tables that one query reads.
const MAX_ROWS_LOADED: usize = 200_000;
/// What they take.
const MAX_DATABASE_BYTES: u64 = 128 * 1024 * 1024;
/// What all databases of the process may take in memory while a query runs. What one of them takes is not
/// known.
const MAX_MEMORY_BYTES: u64 = 256 * 1024 * 1024;
const MAX_TIME: Duration = Duration::from_secs(5);
/// The rows and the bytes of an answer.
const MAX_ROWS: usize = 100_000;
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// How many steps of the virtual machine pass between two looks at the bounds.
const STEPS: i32 = 100;

/// Bounds of the library: the longest value or row, the longest statement, and the longest pattern, since
/// comparing takes as long as the product of both.
const LIMITS: [(Limit, i32); 5] = [
    (Limit::SQLITE_LIMIT_LENGTH, 1_000_000),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 256 * 1024),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    /// In Core Lightning's words.
    #[error("{0}")]
    Refused(String),
    #[error("the database of a query: {0}")]
    Database(#[from] rusqlite::Error),
}

/// A query that is being answered, and the database that it reads.
pub(super) struct Query {
    connection: Connection,
    text: String,
    access: Arc<Mutex<Access>>,
    rows_left: usize,
    is_abandoned: Arc<AtomicBool>,
    bounds: Bounds,
}

/// What a query may take.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) time: Duration,
    pub(super) rows_loaded: usize,
    pub(super) rows: usize,
    pub(super) memory_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            time: MAX_TIME,
            rows_loaded: MAX_ROWS_LOADED,
            rows: MAX_ROWS,
            memory_bytes: MAX_MEMORY_BYTES,
        }
    }
}

/// What a query has found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) rows: Vec<Vec<Value>>,
    /// What is wrong with it, in Core Lightning's words.
    pub(super) warning: Option<String>,
}

impl Query {
    /// Reads a statement, which may only read. It stops when `is_abandoned` is set.
    pub(super) fn new(
        text: String,
        bounds: Bounds,
        is_abandoned: Arc<AtomicBool>,
    ) -> Result<Self, QueryError> {
        let connection = Connection::open_in_memory()?;
        let max_pages = MAX_DATABASE_BYTES / 4096;
        connection.execute_batch(&format!(
            "PRAGMA page_size = 4096; PRAGMA max_page_count = {max_pages}; PRAGMA temp_store = MEMORY; \
             PRAGMA trusted_schema = OFF;"
        ))?;
        for table in tables() {
            connection.execute_batch(&filling::definition(table))?;
        }
        let access = Arc::default();
        let rows_left = bounds.rows_loaded;
        let query = Self { connection, text, access, rows_left, is_abandoned, bounds };
        query.begin();
        let only_reads = query.connection.prepare(&query.text).map(|read| read.readonly());
        query.end();
        match only_reads {
            Ok(true) => Ok(query),
            Ok(false) => Err(QueryError::Refused("query failed with not authorized".to_owned())),
            Err(error) => Err(query.refusal(&error)),
        }
    }

    /// The tables that the statement reads.
    pub(super) fn tables(&self) -> Vec<&'static Table> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner).tables.clone()
    }

    /// Fills these tables, which have the same root, with what its method has answered.
    pub(super) fn fill(
        &mut self,
        tables: &[&'static Table],
        items: &[Value],
    ) -> Result<(), QueryError> {
        let transaction = self.connection.transaction()?;
        for table in tables {
            let filled = filling::fill(&transaction, table, items, self.rows_left);
            let filled = filled.map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => {
                    too_large(&format!("take more than {MAX_DATABASE_BYTES} bytes"))
                },
                _ => error.into(),
            });
            let rows = self.bounds.rows_loaded;
            let many = || too_large(&format!("have more than {rows} rows"));
            self.rows_left -= filled?.ok_or_else(many)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Carries the statement out.
    pub(super) fn run(self) -> Result<Found, QueryError> {
        let stopped = Arc::new(Mutex::new(None));
        self.begin();
        self.watch(&stopped);
        let found = self.found();
        found.map_err(|error| match error {
            QueryError::Database(error) => {
                let stopped = *stopped.lock().unwrap_or_else(PoisonError::into_inner);
                let reason = match stopped {
                    Some(bound) => format!("interrupted: {bound}"),
                    None => text_of(&error),
                };
                QueryError::Refused(format!("Executing statement: {reason}"))
            },
            refused @ QueryError::Refused(_) => refused,
        })
    }

    fn found(&self) -> Result<Found, QueryError> {
        let mut statement = self.connection.prepare(&self.text)?;
        let columns = statement.column_count();
        let mut selected = statement.query([])?;
        let (mut rows, mut bytes, mut warning) = (Vec::new(), 0, None);
        while let Some(row) = selected.next()? {
            if rows.len() == self.bounds.rows || bytes > MAX_ANSWER_BYTES {
                return Err(QueryError::Refused(format!(
                    "the answer has more than {} rows or {MAX_ANSWER_BYTES} bytes",
                    self.bounds.rows
                )));
            }
            let values = values(row, rows.len(), columns, &mut warning)?;
            bytes += values.iter().map(shown_bytes).sum::<usize>();
            rows.push(values);
        }
        Ok(Found { rows, warning })
    }

    /// Lets nothing through from now on but what reads.
    fn begin(&self) {
        for (limit, value) in LIMITS {
            self.connection.set_limit(limit, value);
        }
        let access = Arc::clone(&self.access);
        self.connection.authorizer(Some(move |context: AuthContext<'_>| {
            access.lock().unwrap_or_else(PoisonError::into_inner).judge(context.action)
        }));
    }

    /// Lets the tables be filled. What is in the answers of our own methods may be longer than what a
    /// query makes.
    fn end(&self) {
        self.connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>);
        self.connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::MAX);
    }

    /// Stops the statement when it takes too much, or nobody waits for it any more.
    fn watch(&self, stopped: &Arc<Mutex<Option<&'static str>>>) {
        let (begun, bounds) = (Instant::now(), self.bounds);
        let (stopped, is_abandoned) = (Arc::clone(stopped), Arc::clone(&self.is_abandoned));
        self.connection.progress_handler(
            STEPS,
            Some(move || {
                let reason = if is_abandoned.load(Ordering::Relaxed) {
                    "nobody waits for it"
                } else if begun.elapsed() > bounds.time {
                    "it takes too long"
                } else if memory::database_bytes() > bounds.memory_bytes {
                    "it takes too much memory"
                } else {
                    return false;
                };
                *stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                true
            }),
        );
    }

    fn refusal(&self, error: &rusqlite::Error) -> QueryError {
        let access = self.access.lock().unwrap_or_else(PoisonError::into_inner);
        let why = access.refused.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        QueryError::Refused(format!("query failed with {}{why}", text_of(error)))
    }
}

fn too_large(how: &str) -> QueryError {
    QueryError::Refused(format!("the tables of the query {how}"))
}

/// What the library says of an error, without the statement.
fn text_of(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

fn values(
    row: &Row<'_>,
    row_number: usize,
    columns: usize,
    warning: &mut Option<String>,
) -> Result<Vec<Value>, rusqlite::Error> {
    let mut values = Vec::with_capacity(columns);
    for column in 0..columns {
        values.push(match row.get_ref(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::from(number),
            ValueRef::Real(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
            ValueRef::Blob(bytes) => Value::String(hex::encode(bytes)),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Value::String(text.to_owned()),
                Err(_) => {
                    let told = format!("Invalid UTF-8 string row {row_number} column {column}");
                    *warning = Some(told);
                    Value::String(format!("INVALID UTF-8 STRING {}", hex::encode(text)))
                },
            },
        });
    }
    Ok(values)
}

/// About what a value takes in the answer.
fn shown_bytes(value: &Value) -> usize {
    const OTHERS: usize = 8;
    OTHERS + value.as_str().map_or(0, str::len)
}
