//! The state in PostgreSQL, with an SQLite file as its working copy.
//!
//! PostgreSQL has the state. A batch is made in the file first, where the rules and the queries are, and
//! the rows that it has changed are committed by PostgreSQL in one statement; then the file commits them,
//! and callers are answered. So nothing reads over the network, and what waits for the network is a
//! batch. The file may be lost or behind at any time; what it lacks is read from PostgreSQL.
//!
//! One node at a time has the [lease], whose token each commit checks.

mod capture;
mod changes;
mod commit;
mod copy;
mod error;
mod follow;
mod health;
mod keeper;
mod lease;
mod migrate;
mod replicas;
mod rows;
mod session;
mod settings;
mod standby;
mod standbys;
mod tables;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
mod verify;
mod working_copy;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::lightning::io;
use rusqlite::Connection;
use tokio::runtime::{self, Runtime};

use super::backend::OpenDatabase;
use super::sqlite::primary::Mark;
use super::sqlite::sole_writer::SoleWriter;
use super::sqlite::{self, SyncMode, path_in, schema};
use crate::clock::LogThrottle;
use capture::Capture;
use commit::Postgres;
use error::PostgresError;
use follow::Follower;
pub(super) use health::PostgresHealth;
pub use health::{PostgresState, Replica, Replicas};
use keeper::LeaseKeeper;
use lease::Lease;
pub use migrate::{Moved, move_to_postgres, move_to_sqlite};
use session::Session;
pub use settings::PostgresSettings;
pub use standby::Standby;
use standbys::Announcement;
pub use standbys::Standbys;

/// How much longer than the lease lasts a start waits for it.
const LEASE_GRACE: Duration = Duration::from_secs(2);
/// How often it asks.
const LEASE_PERIOD: Duration = Duration::from_millis(500);

/// Opens the database, with its working copy in this directory, or makes both. If the lease is lost,
/// `on_lost` is told why, and nothing is committed any more.
pub(super) fn open(
    dir: &Path,
    settings: PostgresSettings,
    on_lost: impl FnOnce(&str) + Send + 'static,
) -> io::Result<(OpenDatabase, Standbys)> {
    let settings = Arc::new(settings);
    let standbys = Standbys::new(Arc::clone(&settings));
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (session, mut lease, taken_at) = runtime.block_on(begin(&settings, dir))?;
    let keeper = LeaseKeeper::start(Arc::clone(&settings), lease.token, taken_at, on_lost)?;
    let keeper = Arc::new(keeper);
    let prepared = prepare_file(&runtime, (&session, &settings), dir, &mut lease);
    let (database, sole_writer, capture) = prepared?;
    let (primary, release) = (Arc::clone(&keeper), move || keeper.give_up());
    let postgres = Postgres::new(settings, (runtime, session), lease, capture, primary);
    let opened = sqlite::open_working_copy(dir, database, sole_writer, Box::new(postgres))?;
    Ok((OpenDatabase { release: Box::new(release), ..opened }, standbys))
}

/// Brings the working copy to the commit of the lease, or PostgreSQL to what is in a file that was brought
/// up to date; begins to note what is changed in it.
fn prepare_file(
    runtime: &Runtime,
    (session, settings): (&Session, &PostgresSettings),
    dir: &Path,
    lease: &mut Lease,
) -> io::Result<(Connection, SoleWriter, Capture)> {
    let definitions = runtime.block_on(async {
        changes::trim(session, settings, lease.position).await?;
        bring_file(session, settings, dir, lease).await
    })?;
    let (database, sole_writer) = schema::open(dir, SyncMode::Normal)?;
    if tables::definitions(&database)? != definitions {
        runtime.block_on(copy::write_all(session, settings, lease, &database))?;
        lease.position += 1;
        Mark::advance(&database, lease.token, lease.position).map_err(PostgresError::from)?;
    }
    let capture = Capture::begin(&database)?;
    Ok((database, sole_writer, capture))
}

/// Connects, and takes the lease. A standby waits for both.
async fn begin(
    settings: &PostgresSettings,
    dir: &Path,
) -> Result<(Session, Lease, Instant), PostgresError> {
    static FAILURES: LogThrottle = LogThrottle::new();
    let mut follower = settings.standby.is_some().then(|| Follower::new(dir)).transpose()?;
    loop {
        match (attempt(settings, follower.as_mut()).await, &settings.standby) {
            (Err(error), Some(standby)) if error.may_pass() => {
                if let Some(times) = FAILURES.count() {
                    tracing::warn!(%error, times, "a standby cannot look at the lease");
                }
                standby.pause().await?;
            },
            (outcome, _) => return outcome,
        }
    }
}

async fn attempt(
    settings: &PostgresSettings,
    mut follower: Option<&mut Follower>,
) -> Result<(Session, Lease, Instant), PostgresError> {
    let session = Session::connect(settings).await?;
    lease::prepare(&session, settings).await?;
    warn_of_risks(&session).await?;
    let (begun, mut announcement) = (Instant::now(), Announcement::default());
    loop {
        let taken_at = Instant::now();
        let held = match lease::take(&session, settings).await? {
            Ok(lease) => return Ok((session, lease, taken_at)),
            Err(held) => held,
        };
        if held.is_fenced {
            return Err(PostgresError::Unusable(
                "the state of this node was moved from PostgreSQL to SQLite: remove \
                 [storage.postgres], or move it back with ldk-server migrate-storage --to postgres"
                    .to_owned(),
            ));
        }
        if let (Some(standby), Some(follower)) = (&settings.standby, &mut follower) {
            standby.wait_for(&held.holder).await?;
            let is_level = standby.unless_stopped(follower.follow(&session, settings)).await?;
            // One that has to read everything first could not take over at once.
            if is_level {
                announcement.repeat(&session, settings).await?;
            }
            continue;
        }
        if begun.elapsed() > settings.lease + LEASE_GRACE {
            return Err(PostgresError::Unusable(format!(
                "{} runs this node: it holds the lease in PostgreSQL for another {:.0} s, and renews it",
                held.holder, held.remaining_secs
            )));
        }
        tokio::time::sleep(LEASE_PERIOD).await;
    }
}

/// Says in the log what could lose commits that were answered.
async fn warn_of_risks(session: &Session) -> Result<(), PostgresError> {
    for setting in ["fsync", "full_page_writes"] {
        if session.setting(setting).await? == "off" {
            tracing::warn!(setting, "PostgreSQL loses its state with the power: this must be on");
        }
    }
    let replicas = replicas::look(session).await?;
    if replicas.may_be_old() {
        tracing::warn!(
            replicas = replicas.number,
            "the replicas of PostgreSQL are asynchronous: one that takes its place may have an old \
             state, and a node that goes on from it loses its channels; set synchronous_standby_names"
        );
    }
    Ok(())
}

/// Brings the file in this directory to the commit of the lease. Returns what makes an empty file like
/// it, as PostgreSQL has it; nothing if PostgreSQL has no state yet.
async fn bring_file(
    session: &Session,
    settings: &PostgresSettings,
    dir: &Path,
    lease: &Lease,
) -> Result<Vec<String>, PostgresError> {
    let definitions = working_copy::definitions(session, settings).await?;
    let is_there = path_in(dir).try_exists().map_err(io::Error::from)?;
    if definitions.is_empty() && !is_there {
        copy::begin(dir, lease)?;
    } else {
        Follower::new(dir)?.complete(session, settings).await?;
    }
    Ok(definitions)
}
