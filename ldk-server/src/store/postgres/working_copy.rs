//! A file that is a working copy, while it is brought to what PostgreSQL has.
//!
//! The rows that were changed since its commit are read in one transaction of PostgreSQL, and written in
//! one transaction of the file, which moves its mark as well.

use std::collections::BTreeSet;

use rusqlite::{Connection, params_from_iter};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::changes;
use super::error::PostgresError;
use super::lease::{self, Lease};
use super::rows::{self, values};
use super::session::Session;
use super::settings::PostgresSettings;
use super::tables::{self, Table, quoted};
use crate::store::sqlite::primary::Mark;
use crate::store::sqlite::schema::STATEMENT_CACHE_CAPACITY;

/// How many rows are asked for at once.
const ROWS_AT_ONCE: usize = 128;

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

/// The mark of a file that has the state of this moment of the lease.
pub(super) fn mark_of(lease: &Lease) -> Mark {
    let Lease { store_id, token, position } = lease.clone();
    Mark { store_id, token, position }
}

/// How a copy has come to the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// It has it now: it was so many commits behind, which have changed so many rows.
    Level { commits: i64, rows: usize },
    /// It is not known what has changed. The copy is as it was, and has to be made anew.
    Lost,
}

/// A working copy that is open for writing.
pub(super) struct WorkingCopy {
    database: Connection,
    mark: Mark,
    /// The last one is that whose rows are changed by inserts into the others.
    tables: Vec<Table>,
    /// The lease when this was brought to the last commit.
    followed: Option<Lease>,
    /// Whether it was found to have the tables that PostgreSQL has. They change with a commit that is not
    /// noted.
    has_same_tables: bool,
}

impl WorkingCopy {
    /// The one in this file, which has this mark.
    pub(super) fn of(database: Connection, mark: Mark) -> Result<Self, PostgresError> {
        // What refers to other rows is written before or after them.
        database.execute_batch("PRAGMA foreign_keys = OFF")?;
        database.set_prepared_statement_cache_capacity(STATEMENT_CACHE_CAPACITY);
        let mut tables = tables::tables(&database)?;
        tables.sort_by_key(Table::is_sequence);
        Ok(Self { database, mark, tables, followed: None, has_same_tables: false })
    }

    /// The commit that it has.
    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }

    pub(super) fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Closes the file, which is complete without its log then.
    pub(super) fn close(self) -> Result<(), PostgresError> {
        self.database.close().map_err(|(_, error)| error.into())
    }

    /// Brings it to the last commit. Fails if PostgreSQL has another database, or an older state.
    pub(super) async fn follow(
        &mut self,
        session: &Session,
        settings: &PostgresSettings,
    ) -> Result<Followed, PostgresError> {
        let now = lease::current(session, settings).await?;
        if self.followed.as_ref() == Some(&now) {
            return Ok(Followed::Level { commits: 0, rows: 0 });
        }
        // One that is stopped amid this must not keep PostgreSQL from cleaning up.
        let limit = settings.statement_timeout.as_millis();
        session
            .run(&format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
                 SET LOCAL idle_in_transaction_session_timeout = {limit}"
            ))
            .await?;
        let followed = self.follow_within(session, settings).await;
        let ended = session.run("ROLLBACK").await;
        let followed = followed?;
        ended.map(|()| followed)
    }

    /// The same, within a transaction of PostgreSQL.
    async fn follow_within(
        &mut self,
        session: &Session,
        settings: &PostgresSettings,
    ) -> Result<Followed, PostgresError> {
        let now = lease::current(session, settings).await?;
        check(session, settings, &self.mark, &now).await?;
        let commits = now.position - self.mark.position;
        let rows = match commits {
            0 => Some(0),
            _ => self.read_changes(session, settings, &now).await?,
        };
        let Some(rows) = rows else { return Ok(Followed::Lost) };
        self.followed = Some(now);
        Ok(Followed::Level { commits, rows })
    }

    /// Reads the rows that were changed up to the last commit, and returns how many there are; `None` if
    /// that is not known.
    async fn read_changes(
        &mut self,
        session: &Session,
        settings: &PostgresSettings,
        now: &Lease,
    ) -> Result<Option<usize>, PostgresError> {
        let changed = changes::between(session, settings, self.mark.position, now.position);
        let Some(changed) = changed.await? else { return Ok(None) };
        if !self.has_same_tables {
            let there = definitions(session, settings).await?;
            self.has_same_tables = tables::definitions(&self.database)? == there;
        }
        let is_known = |name: &String| self.tables.iter().any(|table| table.name == *name);
        if !self.has_same_tables || !changed.keys().all(is_known) {
            return Ok(None);
        }
        let transaction = self.database.transaction()?;
        for table in &self.tables {
            if let Some(ids) = changed.get(&table.name) {
                read_rows(session, settings, &transaction, table, ids).await?;
            }
        }
        Mark::advance(&transaction, now.token, now.position)?;
        transaction.commit()?;
        self.mark = mark_of(now);
        Ok(Some(changed.values().map(BTreeSet::len).sum()))
    }

    /// Removes all rows of this table.
    pub(super) fn clear(&self, table: &Table) -> Result<(), PostgresError> {
        clear(&self.database, table)
    }

    /// Writes these rows, and returns how many bytes they have, about.
    pub(super) fn write(&mut self, table: &Table, rows: &[Row]) -> Result<usize, PostgresError> {
        let transaction = self.database.transaction()?;
        let bytes = write(&transaction, table, rows)?;
        transaction.commit()?;
        Ok(bytes)
    }
}

/// Refuses a database that is another one than that of the file, or has an older state.
pub(super) async fn check(
    session: &Session,
    settings: &PostgresSettings,
    mark: &Mark,
    lease: &Lease,
) -> Result<(), PostgresError> {
    if mark.store_id != lease.store_id {
        return Err(PostgresError::Unusable(
            "the working copy is that of another database: check the url and the schema of \
             [storage.postgres]; if this is the right one, move the file away"
                .to_owned(),
        ));
    }
    let last = match mark.token == lease.token {
        true => Some(lease.position),
        false => lease::last_commit_under(session, settings, mark.token).await?,
    };
    if last.is_none_or(|last| mark.position > last) {
        let last = last.map_or_else(|| "none".to_owned(), |last| last.to_string());
        return Err(PostgresError::Unusable(format!(
            "PostgreSQL has an older state than this node has seen: its last commit under token {} is \
             {last}, and the working copy has commit {}. A replica that was behind, or an old dump, has \
             taken the place of the database; a node that goes on from it may publish channel states \
             that were revoked, and then loses the channels to the peers. Bring the newest database \
             back",
            mark.token, mark.position
        )));
    }
    Ok(())
}

/// Brings these rows of a table to what PostgreSQL has.
async fn read_rows(
    session: &Session,
    settings: &PostgresSettings,
    file: &Connection,
    table: &Table,
    ids: &BTreeSet<i64>,
) -> Result<(), PostgresError> {
    // All before any is written, so that none is in the way of another in an index that is unique.
    if table.is_sequence() {
        // The file may have added to it by itself; all of its rows are noted whenever one is changed.
        clear(file, table)?;
    } else {
        let sql = format!("DELETE FROM main.{} WHERE rowid = ?1", quoted(&table.name));
        let mut remove = file.prepare_cached(&sql)?;
        for id in ids {
            remove.execute([id])?;
        }
    }
    let (columns, name) = (table.column_list(), table.within(&settings.schema));
    let sql = format!("SELECT row_id, {columns} FROM {name} WHERE row_id = ANY ($1)");
    let ids: Vec<i64> = ids.iter().copied().collect();
    for ids in ids.chunks(ROWS_AT_ONCE) {
        let rows = session.query(&sql, &[(&ids, Type::INT8_ARRAY)]).await?;
        write(file, table, &rows)?;
    }
    Ok(())
}

fn clear(file: &Connection, table: &Table) -> Result<(), PostgresError> {
    file.execute(&format!("DELETE FROM main.{}", quoted(&table.name)), [])?;
    Ok(())
}

/// A row takes the place of one that was read before it and is in its way: that one has changed
/// meanwhile, and is read again.
fn write(file: &Connection, table: &Table, rows: &[Row]) -> Result<usize, PostgresError> {
    let marks = vec!["?"; table.columns.len() + 1].join(", ");
    let mut insert = file.prepare_cached(&format!(
        "INSERT OR REPLACE INTO main.{} (rowid, {}) VALUES ({marks})",
        quoted(&table.name),
        table.column_list()
    ))?;
    let mut bytes = 0;
    for row in rows {
        let row = values(table, row)
            .map_err(|error| PostgresError::Unusable(format!("{}: {error}", table.name)))?;
        bytes += rows::bytes(&row);
        insert.execute(params_from_iter(row))?;
    }
    Ok(bytes)
}
