//! Who waits to take the place of the node that runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::lightning::io;
use tokio::runtime;
use tokio_postgres::types::Type;

use super::error::PostgresError;
use super::session::{Parameter, Session};
use super::settings::PostgresSettings;
use super::tables::quoted;

/// How often a standby says that it waits.
const PERIOD: Duration = Duration::from_secs(1);
/// One that has not said so for this long has gone.
const ABSENT_SECS: f64 = 3.0;

/// Its name in this schema.
fn within(schema: &str) -> String {
    format!("{}.ldk_server_standbys", quoted(schema))
}

/// The statement that makes the table, unless it is there.
pub(super) fn create(schema: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (name text PRIMARY KEY, seen_at timestamptz NOT NULL)
             WITH (fillfactor = 10);",
        within(schema)
    )
}

/// The part of the statement which takes the lease that says that the first parameter waits no more, and
/// that those that have gone long ago do not either.
pub(super) fn leave(schema: &str) -> String {
    format!(
        "DELETE FROM {} USING taken
         WHERE name = $1 OR seen_at < clock_timestamp() - interval '1 day'",
        within(schema)
    )
}

/// Says that this node waits, once a second.
#[derive(Default)]
pub(super) struct Announcement(Option<Instant>);

impl Announcement {
    pub(super) async fn repeat(
        &mut self,
        session: &Session,
        settings: &PostgresSettings,
    ) -> Result<(), PostgresError> {
        if self.0.is_some_and(|last| last.elapsed() < PERIOD) {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO {} VALUES ($1, clock_timestamp())
             ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at",
            within(&settings.schema)
        );
        session.execute(&sql, &[(&settings.holder, Type::TEXT)]).await?;
        self.0 = Some(Instant::now());
        Ok(())
    }
}

/// Looks for those who wait to take the place of this node.
pub struct Standbys(Arc<PostgresSettings>);

impl Standbys {
    pub(super) fn new(settings: Arc<PostgresSettings>) -> Self {
        Self(settings)
    }

    /// The name of the one that was heard of last, if it waits. Blocks for an answer of PostgreSQL.
    pub fn waiting(&self) -> io::Result<Option<String>> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let name = runtime.block_on(waiting(&self.0))?;
        Ok(name.map(|name| super::standby::public_name(&name).to_owned()))
    }
}

/// How many wait that could take the place of this node at once.
pub(super) async fn count(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<u64, PostgresError> {
    let sql = format!("SELECT count(*) FROM {}", present(&settings.schema));
    let rows = session.query(&sql, &parameters(settings)).await?;
    Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
}

async fn waiting(settings: &PostgresSettings) -> Result<Option<String>, PostgresError> {
    let session = Session::connect(settings).await?;
    let schema = &settings.schema;
    let sql = format!("SELECT name FROM {} ORDER BY seen_at DESC LIMIT 1", present(schema));
    let rows = session.query(&sql, &parameters(settings)).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Those that wait now, other than this node.
fn present(schema: &str) -> String {
    format!(
        "{} WHERE name <> $1 AND seen_at > clock_timestamp() - make_interval(secs => $2)",
        within(schema)
    )
}

fn parameters(settings: &PostgresSettings) -> [Parameter<'_>; 2] {
    [(&settings.holder, Type::TEXT), (&ABSENT_SECS, Type::FLOAT8)]
}
