//! Moving the state of a node that is stopped, from a file to PostgreSQL and back.
//!
//! Only one of the two can be started at any time, whenever this is interrupted; then it is called again.
//! The file is refused as long as it is marked, and PostgreSQL as long as its lease is fenced.

use std::path::Path;

use ldk_node::lightning::io;
use rusqlite::Connection;
use tokio::runtime;

use super::error::PostgresError;
use super::lease::{self, Held, Lease};
use super::session::Session;
use super::settings::PostgresSettings;
use super::tables::quoted;
use super::working_copy::{definitions, mark_of};
use super::{begin, bring_file, copy, verify};
use crate::store::sqlite::primary::Mark;
use crate::store::sqlite::{SyncMode, path_in, schema};

/// What was moved: the number of rows of each table.
pub type Moved = Vec<(String, u64)>;

/// Moves the state in the file of this directory to PostgreSQL, and makes the file its working copy.
pub fn move_to_postgres(dir: &Path, settings: &PostgresSettings) -> io::Result<Moved> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(to_postgres(dir, settings))?)
}

/// Moves the state in PostgreSQL to the file in this directory.
pub fn move_to_sqlite(dir: &Path, settings: &PostgresSettings) -> io::Result<Moved> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(to_sqlite(dir, settings))?)
}

async fn to_postgres(dir: &Path, settings: &PostgresSettings) -> Result<Moved, PostgresError> {
    let path = path_in(dir);
    if !path.try_exists().map_err(io::Error::from)? {
        return refused(format!("there is no database {}", path.display()));
    }
    let session = Session::connect(settings).await?;
    lease::prepare(&session, settings).await?;
    let (found, held) = look(&session, settings).await?;
    let mark = Mark::read(&Connection::open(&path)?)?;
    match &mark {
        Some(mark) if mark.store_id != found.store_id => {
            return refused("the file is the working copy of another database".to_owned());
        },
        Some(_) if !held.is_fenced => {
            return refused("the state is in PostgreSQL already".to_owned());
        },
        None if !held.is_fenced && found.position > 0 => {
            return refused(format!(
                "the schema {} has the state of a node already: name another \
                 storage.postgres.schema",
                settings.schema
            ));
        },
        _ => {},
    }
    if mark.is_none() {
        is_of_same_node(&session, settings, &path).await?;
        write_fenced(&session, settings, dir).await?;
    }
    let moved = verify::compare(&session, settings, &path).await?;
    let (now, _) = look(&session, settings).await?;
    durably(&path, |file| mark_of(&now).write(file))?;
    lease::open(&session, settings).await?;
    Ok(moved)
}

/// A state in PostgreSQL that is fenced may be overwritten by a later one of the same node.
async fn is_of_same_node(
    session: &Session,
    settings: &PostgresSettings,
    path: &Path,
) -> Result<(), PostgresError> {
    if definitions(session, settings).await?.is_empty() {
        return Ok(());
    }
    let sql = format!("SELECT lineage FROM {}.ldk_server_epoch", quoted(&settings.schema));
    let there = session.query(&sql, &[]).await?;
    let there: Option<Vec<u8>> = there.first().map(|row| row.get(0));
    let sql = "SELECT lineage FROM ldk_server_epoch";
    let here: Vec<u8> = Connection::open(path)?.query_row(sql, [], |row| row.get(0))?;
    match there {
        Some(there) if there != here => refused(format!(
            "the schema {} had the state of another node: name another storage.postgres.schema",
            settings.schema
        )),
        _ => Ok(()),
    }
}

/// Writes the file to PostgreSQL, where nobody can start with it yet.
async fn write_fenced(
    session: &Session,
    settings: &PostgresSettings,
    dir: &Path,
) -> Result<(), PostgresError> {
    let (database, _sole_writer) = schema::open(dir, SyncMode::Full)?;
    match lease::claim(session, settings).await? {
        Some(lease) => copy::write_all(session, settings, &lease, &database).await,
        None => refused("another node uses the schema in PostgreSQL".to_owned()),
    }
}

async fn to_sqlite(dir: &Path, settings: &PostgresSettings) -> Result<Moved, PostgresError> {
    let path = path_in(dir);
    let session = Session::connect(settings).await?;
    lease::prepare(&session, settings).await?;
    let (found, held) = look(&session, settings).await?;
    if definitions(&session, settings).await?.is_empty() {
        return refused(format!("there is no state in the schema {}", settings.schema));
    }
    if held.is_fenced {
        let is_there = path.try_exists().map_err(io::Error::from)?;
        let mark = if is_there { Mark::read(&Connection::open(&path)?)? } else { None };
        let is_at_end =
            |mark: &Mark| (&mark.store_id, mark.position) == (&found.store_id, found.position);
        if !mark.as_ref().is_some_and(is_at_end) {
            return refused("the state was moved from PostgreSQL to SQLite already".to_owned());
        }
    } else {
        let (session, lease, _) = begin(settings, dir).await?;
        let fenced = fence_off_copied(&session, settings, dir, &lease).await;
        if fenced.is_err() {
            // Another node need not wait until it ends.
            let _ = lease::release(&session, settings, lease.token).await;
        }
        fenced?;
    }
    let moved = verify::compare(&session, settings, &path).await?;
    durably(&path, Mark::remove)?;
    Ok(moved)
}

/// Brings the file to the state in PostgreSQL, and fences that off.
async fn fence_off_copied(
    session: &Session,
    settings: &PostgresSettings,
    dir: &Path,
    lease: &Lease,
) -> Result<(), PostgresError> {
    let path = path_in(dir);
    bring_file(session, settings, dir, lease).await?;
    verify::compare(session, settings, &path).await?;
    durably(&path, |file| mark_of(lease).write(file))?;
    match lease::fence_off(session, settings, lease.token).await? {
        true => Ok(()),
        false => refused("another node has taken the lease meanwhile".to_owned()),
    }
}

/// Changes the file so that it outlives a loss of power.
fn durably(
    path: &Path,
    change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<(), PostgresError> {
    let database = Connection::open(path)?;
    database.execute_batch("PRAGMA synchronous = FULL")?;
    change(&database)?;
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// The lease as it is, and who holds it.
async fn look(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<(Lease, Held), PostgresError> {
    let lease = lease::current(session, settings).await?;
    Ok((lease, lease::holder(session, settings).await?))
}

fn refused<T>(reason: String) -> Result<T, PostgresError> {
    Err(PostgresError::Unusable(reason))
}
