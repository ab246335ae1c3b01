//! Bringing the working copy to what PostgreSQL has, before the database is opened: while another node has
//! the lease, again and again, and once more when the lease is taken.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ldk_node::lightning::io;
use rusqlite::Connection;

use super::error::PostgresError;
use super::session::Session;
use super::settings::PostgresSettings;
use super::working_copy::{Followed, WorkingCopy, check, definitions};
use super::{changes, copy, lease};
use crate::store::sqlite::primary::Mark;
use crate::store::sqlite::schema::{self, BUSY_TIMEOUT, make_private};
use crate::store::sqlite::sole_writer::SoleWriter;
use crate::store::sqlite::{SyncMode, path_in};

/// The pause after a failure of the file, such as a full disk.
const PAUSE: Duration = Duration::from_secs(60);

/// Who brings the working copy in a directory to what PostgreSQL has. Nobody else writes to it until this
/// is dropped.
pub(super) struct Follower {
    dir: PathBuf,
    copy: Option<WorkingCopy>,
    /// When to go on after a failure.
    resumes_at: Option<Instant>,
    _sole_writer: SoleWriter,
}

impl Follower {
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let sole_writer = SoleWriter::of(&path_in(dir))?;
        let dir = dir.to_owned();
        Ok(Self { dir, copy: None, resumes_at: None, _sole_writer: sole_writer })
    }

    /// Follows while another node has the lease. Fails if PostgreSQL cannot be reached, or has a state that
    /// this node must not start with. What else is wrong is told in the log, and tried again. Tells
    /// whether the copy has the last changes.
    pub(super) async fn follow(
        &mut self,
        session: &Session,
        settings: &PostgresSettings,
    ) -> Result<bool, PostgresError> {
        if self.resumes_at.is_some_and(|at| Instant::now() < at) {
            return Ok(false);
        }
        match self.follow_if_noted(session, settings).await {
            Err(error @ (PostgresError::File(_) | PostgresError::Refused(_))) => {
                tracing::warn!(%error, "the working copy does not follow the node that runs");
                self.copy = None;
                self.resumes_at = Some(Instant::now() + PAUSE);
                Ok(false)
            },
            outcome => outcome,
        }
    }

    /// If the node that runs notes nothing, because it is an old program, the copy would be made anew
    /// again and again.
    async fn follow_if_noted(
        &mut self,
        session: &Session,
        settings: &PostgresSettings,
    ) -> Result<bool, PostgresError> {
        let is_level = matches!(self.read(session, settings).await?, Followed::Level { .. });
        if !is_level && changes::has_last(session, settings).await? {
            return self.load(session, settings).await;
        }
        Ok(is_level)
    }

    /// Brings the copy to the last commit, after which there is none, because this node has the lease.
    pub(super) async fn complete(
        &mut self,
        session: &Session,
        settings: &PostgresSettings,
    ) -> Result<(), PostgresError> {
        match self.read(session, settings).await? {
            Followed::Level { commits, rows } => {
                tracing::info!(commits, rows, "the working copy has the last changes");
                Ok(())
            },
            Followed::Lost if self.load(session, settings).await? => Ok(()),
            Followed::Lost => {
                Err(PostgresError::NotHolder("another node has committed meanwhile".to_owned()))
            },
        }
    }

    /// Reads what has changed.
    async fn read(
        &mut self,
        session: &Session,
        settings: &PostgresSettings,
    ) -> Result<Followed, PostgresError> {
        let path = path_in(&self.dir);
        if self.copy.is_none() && path.try_exists().map_err(io::Error::from)? {
            self.copy = Some(open(&path)?);
        }
        let Some(copy) = &mut self.copy else { return Ok(Followed::Lost) };
        match copy.follow(session, settings).await {
            Err(PostgresError::File(error)) => {
                tracing::warn!(%error, "the working copy cannot be brought up to date");
                Ok(Followed::Lost)
            },
            followed => followed,
        }
    }

    /// Makes the copy anew; tells whether it could be followed until it was complete.
    async fn load(
        &mut self,
        session: &Session,
        settings: &PostgresSettings,
    ) -> Result<bool, PostgresError> {
        if definitions(session, settings).await?.is_empty() {
            return Ok(false);
        }
        let now = lease::current(session, settings).await?;
        let mut file = None;
        if let Some(copy) = self.copy.take() {
            check(session, settings, copy.mark(), &now).await?;
            file = Some(copy.mark().position);
            // If it cannot be closed in order, so be it.
            let _ = copy.close();
        }
        tracing::info!(
            file,
            postgres = now.position,
            "the working copy is made anew from PostgreSQL"
        );
        copy::load(session, settings, &self.dir).await
    }
}

/// Opens the file, if it is a working copy. After a loss of power it may be behind, and is not damaged.
fn open(path: &Path) -> Result<WorkingCopy, PostgresError> {
    let database = Connection::open(path)?;
    database.busy_timeout(BUSY_TIMEOUT)?;
    let Some(mark) = Mark::read(&database)? else {
        return Err(PostgresError::Unusable(format!(
            "{} has a state of its own: move it to PostgreSQL with ldk-server migrate-storage --to \
             postgres, or move the file away",
            path.display()
        )));
    };
    make_private(path)?;
    schema::keep_log(&database, SyncMode::Normal)?;
    WorkingCopy::of(database, mark)
}
