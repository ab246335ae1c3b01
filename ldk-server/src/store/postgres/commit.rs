//! The commit of a batch: one statement, so one round trip, and all of it or nothing. Its parts are the
//! check that this node may write, and for each table that was changed the rows to be removed and those
//! to be written.
//!
//! If the answer is lost, the number of the last commit tells whether it was made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use rusqlite::Connection;
use tokio::runtime::Runtime;
use tokio_postgres::types::Type;

use super::capture::{Capture, TableChanges};
use super::changes;
use super::error::PostgresError;
use super::health::PostgresHealth;
use super::keeper::LeaseKeeper;
use super::lease::{self, Lease};
use super::session::{Parameter, Session};
use super::settings::PostgresSettings;
use super::tables::Table;
use crate::store::backend::BackendError;
use crate::store::sqlite::primary::{Mark, Primary};

/// The pause before a commit is tried again, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// The database that has the state.
pub(super) struct Postgres {
    settings: Arc<PostgresSettings>,
    runtime: Runtime,
    session: Option<Session>,
    lease: Lease,
    capture: Capture,
    keeper: Arc<LeaseKeeper>,
}

impl Postgres {
    pub(super) fn new(
        settings: Arc<PostgresSettings>,
        (runtime, session): (Runtime, Session),
        lease: Lease,
        capture: Capture,
        keeper: Arc<LeaseKeeper>,
    ) -> Self {
        Self { settings, runtime, session: Some(session), lease, capture, keeper }
    }
}

impl Primary for Postgres {
    fn commit(&mut self, transaction: &Connection) -> Result<(), BackendError> {
        let changes = self.capture.take(transaction)?;
        let Self { settings, runtime, session, lease, keeper, .. } = self;
        let tables = self.capture.tables();
        Mark::advance(transaction, lease.token, lease.position + 1)?;
        let begun = Instant::now();
        let mut commit = Commit { settings, session, lease, tables, changes: &changes };
        runtime.block_on(async {
            tokio::select! {
                biased;
                made = commit.make() => made,
                () = keeper.lost() => Err(PostgresError::NotHolder("it has ended".to_owned())),
            }
        })?;
        settings.tell(|health| health.committed(begun.elapsed()));
        lease.position += 1;
        Ok(())
    }

    fn close(self: Box<Self>) {
        self.keeper.give_up();
    }
}

/// A commit under way.
struct Commit<'a> {
    settings: &'a PostgresSettings,
    session: &'a mut Option<Session>,
    lease: &'a Lease,
    tables: &'a [Table],
    changes: &'a [TableChanges],
}

impl Commit<'_> {
    /// Makes it, again and again until it is known that it was made, or that it cannot be. A database
    /// that lets the node renew its lease and make no commit is given as long as the lease lasts.
    async fn make(&mut self) -> Result<(), PostgresError> {
        let [shortest, longest] = PAUSES;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(shortest)
            .with_max_delay(longest)
            .with_jitter()
            .without_max_times();
        let begun = Instant::now();
        for pause in pauses.build() {
            match self.attempt().await {
                Ok(()) => return Ok(()),
                Err(error) if error.may_pass() && begun.elapsed() < self.settings.lease => {
                    tracing::warn!(%error, "a commit is tried again");
                    self.settings.tell(PostgresHealth::tried_again);
                    *self.session = None;
                },
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
        }
        Err(PostgresError::Timeout)
    }

    async fn attempt(&mut self) -> Result<(), PostgresError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                let session = Session::connect(self.settings).await?;
                if self.was_made(&session).await? {
                    *self.session = Some(session);
                    return Ok(());
                }
                session
            },
        };
        let made = write(&session, &self.settings.schema, self.lease, self.tables, self.changes);
        let made = match made.await {
            // An earlier attempt may have come through after all.
            Err(PostgresError::NotHolder(_)) => match self.was_made(&session).await? {
                true => Ok(()),
                false => Err(PostgresError::NotReady("an earlier attempt goes on".to_owned())),
            },
            made => made,
        };
        *self.session = Some(session);
        made
    }

    /// Whether it was made already. Fails if nothing can be committed any more.
    async fn was_made(&self, session: &Session) -> Result<bool, PostgresError> {
        let (token, position) = lease::state(session, self.settings).await?;
        let ours = self.lease;
        match (token == ours.token, position - ours.position) {
            (true, 0) => Ok(false),
            (true, 1) => Ok(true),
            _ => Err(PostgresError::NotHolder(format!(
                "it has token {token} and commit {position}, and this node token {} and commit {}",
                ours.token, ours.position
            ))),
        }
    }
}

/// Commits these changes, in one round trip.
pub(super) async fn write(
    session: &Session,
    schema: &str,
    lease: &Lease,
    tables: &[Table],
    changes: &[TableChanges],
) -> Result<(), PostgresError> {
    let mut sql = format!("WITH fence AS ({})", lease::fence(schema));
    let mut parameters: Vec<Parameter<'_>> =
        vec![(&lease.token, Type::INT8), (&lease.position, Type::INT8)];
    for TableChanges { table: number, written, removed } in changes {
        let Some(table) = tables.get(*number) else { continue };
        if !removed.is_empty() {
            parameters.push((removed, Type::INT8_ARRAY));
            let remove = table.remove(schema, parameters.len());
            sql += &format!(", removed_{number} AS ({remove})");
        }
        if !written.ids.is_empty() {
            let upsert = table.upsert(schema, parameters.len() + 1);
            sql += &format!(", written_{number} AS ({upsert})");
            parameters.push((&written.ids, Type::INT8_ARRAY));
            let kinds = table.columns.iter().map(|column| column.kind.list_type());
            let values = written.columns.iter().zip(kinds);
            parameters.extend(values.map(|(values, kind)| -> Parameter<'_> { (values, kind) }));
        }
    }
    let note = changes::note(tables, changes);
    if let Some(note) = &note {
        parameters.push((note, Type::TEXT));
        sql += &format!(", noted AS ({})", changes::add(schema, parameters.len()));
    }
    sql += &format!(", trimmed AS ({})", changes::remove_oldest(schema));
    // Fails, and the statement with it, if the fence has let nothing through.
    sql += " SELECT 1 / count(*) FROM fence";
    session.execute_often(sql, &parameters).await
}
