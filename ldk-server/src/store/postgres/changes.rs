//! Which rows each commit has changed, so that a working copy that is behind reads these rows only.
//!
//! A commit notes the ids of the rows that it has written or removed; what is in them is read from their
//! tables. Only the last commits are noted. One that has changed very many rows, or whole tables, notes
//! nothing: it leaves a gap, and a copy that is behind the gap is made anew.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;

use super::capture::TableChanges;
use super::error::PostgresError;
use super::session::Session;
use super::settings::PostgresSettings;
use super::tables::{Table, quoted};

/// How many commits are noted.
pub(super) const NOTED_COMMITS: i64 = 10_000;
/// How many rows of one commit are noted. With more it notes nothing.
pub(super) const MAX_NOTED_ROWS: usize = 1_000;
/// With more rows, a copy of everything takes not much longer, and holds no snapshot meanwhile.
const MAX_FOLLOWED_ROWS: usize = 50_000;

/// The ids of rows, by table.
pub(super) type ChangedRows = BTreeMap<String, BTreeSet<i64>>;

/// Its name in this schema.
fn within(schema: &str) -> String {
    format!("{}.ldk_server_changes", quoted(schema))
}

/// The statement that makes the table, unless it is there.
pub(super) fn create(schema: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (position bigint PRIMARY KEY, row_ids text NOT NULL);",
        within(schema)
    )
}

/// What a commit of these changes notes; `None` if they are too many.
pub(super) fn note(tables: &[Table], changes: &[TableChanges]) -> Option<String> {
    let mut noted: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for TableChanges { table, written, removed } in changes {
        let ids = written.ids.iter().chain(removed).copied();
        noted.entry(&tables.get(*table)?.name).or_default().extend(ids);
    }
    let rows: usize = noted.values().map(Vec::len).sum();
    if rows > MAX_NOTED_ROWS { None } else { serde_json::to_string(&noted).ok() }
}

/// The part of the statement of a commit that adds a note, which is the parameter with this number.
pub(super) fn add(schema: &str, parameter: usize) -> String {
    format!("INSERT INTO {} SELECT position, ${parameter}::text FROM fence", within(schema))
}

/// The part of the statement of a commit that removes the oldest note. It looks for one only, because
/// what was removed stays in the index for a while.
pub(super) fn remove_oldest(schema: &str) -> String {
    format!("DELETE FROM {} WHERE position = $2 + 1 - {NOTED_COMMITS}", within(schema))
}

/// Removes what is older than the notes that are kept, if a program that notes nothing has committed
/// meanwhile.
pub(super) async fn trim(
    session: &Session,
    settings: &PostgresSettings,
    position: i64,
) -> Result<(), PostgresError> {
    let sql = format!("DELETE FROM {} WHERE position <= $1", within(&settings.schema));
    session.execute(&sql, &[(&(position - NOTED_COMMITS), Type::INT8)]).await.map(drop)
}

/// The rows that the commits after the first of these and up to the second have changed; `None` if that
/// is not known of all of them, or if there are very many.
pub(super) async fn between(
    session: &Session,
    settings: &PostgresSettings,
    after: i64,
    last: i64,
) -> Result<Option<ChangedRows>, PostgresError> {
    if last - after > NOTED_COMMITS {
        return Ok(None);
    }
    let sql = format!(
        "SELECT row_ids FROM {} WHERE position > $1 AND position <= $2",
        within(&settings.schema)
    );
    let rows = session.query(&sql, &[(&after, Type::INT8), (&last, Type::INT8)]).await?;
    if i64::try_from(rows.len()).ok() != Some(last - after) {
        return Ok(None);
    }
    let mut changed = ChangedRows::new();
    for row in rows {
        let Ok(noted) = serde_json::from_str::<BTreeMap<String, Vec<i64>>>(row.get(0)) else {
            return Ok(None);
        };
        for (table, ids) in noted {
            changed.entry(table).or_default().extend(ids);
        }
    }
    let rows: usize = changed.values().map(BTreeSet::len).sum();
    Ok((rows <= MAX_FOLLOWED_ROWS).then_some(changed))
}

/// Whether the last commit is noted, so that a copy of this moment can be followed.
pub(super) async fn has_last(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<bool, PostgresError> {
    let schema = &settings.schema;
    let sql = format!(
        "SELECT 1 FROM {} JOIN {}.ldk_server_lease USING (position)",
        within(schema),
        quoted(schema)
    );
    Ok(!session.query(&sql, &[]).await?.is_empty())
}
