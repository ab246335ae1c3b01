//! Who waits to take the place of the node that runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::lightning::io;
use tokio::runtime;
use tokio_postgres::types::Type;

use super::error::PostgresError;
use super::session::Session;
use super::settings::PostgresSettings;
use super::tables::quoted;

/// How often a standby says that it waits.
const PERIOD: Duration = Duration::from_secs(1);
/// One that has not said so for this long has gone.
const ABSENT_SECS: f64 = 3.0;

/// Makes the table, unless it is there: a schema may be older than it.
pub(super) async fn prepare(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let name = format!("{}.ldk_server_standbys", quoted(&settings.schema));
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    let there = session.query(sql, &[(&name, Type::TEXT)]).await?;
    if there.first().is_some_and(|row| row.get(0)) {
        return Ok(());
    }
    // Two that begin at the same moment wait for each other.
    session
        .run(&format!(
            "BEGIN;
             SELECT pg_advisory_xact_lock(hashtext('ldk_server_standbys'));
             CREATE TABLE IF NOT EXISTS {name} (
                 name text PRIMARY KEY,
                 seen_at timestamptz NOT NULL
             ) WITH (fillfactor = 10);
             COMMIT;"
        ))
        .await
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
            "INSERT INTO {}.ldk_server_standbys VALUES ($1, clock_timestamp())
             ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at",
            quoted(&settings.schema)
        );
        session.execute(&sql, &[(&settings.holder, Type::TEXT)]).await?;
        self.0 = Some(Instant::now());
        Ok(())
    }
}

/// This node waits no more, and those that have gone long ago do not either.
pub(super) async fn leave(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let sql = format!(
        "DELETE FROM {}.ldk_server_standbys
         WHERE name = $1 OR seen_at < clock_timestamp() - interval '1 day'",
        quoted(&settings.schema)
    );
    session.execute(&sql, &[(&settings.holder, Type::TEXT)]).await.map(drop)
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

async fn waiting(settings: &PostgresSettings) -> Result<Option<String>, PostgresError> {
    let session = Session::connect(settings).await?;
    let sql = format!(
        "SELECT name FROM {}.ldk_server_standbys
         WHERE name <> $1 AND seen_at > clock_timestamp() - make_interval(secs => $2)
         ORDER BY seen_at DESC LIMIT 1",
        quoted(&settings.schema)
    );
    let parameters = [(&settings.holder as _, Type::TEXT), (&ABSENT_SECS as _, Type::FLOAT8)];
    let rows = session.query(&sql, &parameters).await?;
    Ok(rows.first().map(|row| row.get(0)))
}
