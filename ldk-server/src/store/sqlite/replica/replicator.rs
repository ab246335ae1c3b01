//! The thread that writes the mirror: makes a copy, adds to it, and begins anew whenever it cannot go
//! on.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::base_backup::{BaseBackup, database_in};
use super::disk::Disk;
use super::queue::{Message, Queue};
use crate::store::model::Lineage;
use crate::store::sqlite::epoch::epoch_of;
use crate::store::sqlite::maintenance::Maintenance;

/// From one sync to the next at least.
const SYNC_INTERVAL: Duration = Duration::from_millis(900);

/// Pauses before another try.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// How much of the database is copied at once, before what was committed meanwhile is written.
const PART_BYTES: u64 = 1 << 20;

/// After how much of the database what was copied is synced.
const SYNC_BYTES: u64 = 32 << 20;

/// Who keeps the mirror level with the database.
pub(super) struct Replicator {
    /// Where the mirror is.
    pub(super) dir: PathBuf,
    /// The file of the database.
    pub(super) path: PathBuf,
    /// The same, opened.
    pub(super) database: Arc<File>,
    pub(super) lineage: Lineage,
    pub(super) maintenance: Maintenance,
    pub(super) queue: Arc<Queue>,
}

impl Replicator {
    /// Why the mirror must not be written at all, if it must not.
    pub(super) fn foreign(&self) -> io::Result<Option<String>> {
        let (dir, database) = (self.dir.display(), database_in(&self.dir));
        if self.is_beside_database() {
            return Ok(Some(format!("the mirror cannot be in {dir}, where the database is")));
        }
        match epoch_of(&database).map_err(io::Error::from)? {
            Some((lineage, _)) if lineage != self.lineage => Ok(Some(format!(
                "{dir} has the mirror of another node: choose another directory for this one"
            ))),
            None if fs::metadata(&database).is_ok_and(|file| file.len() > 0) => {
                Err(io::Error::new(ErrorKind::InvalidData, "it is a database of something else"))
            },
            Some(_) | None => Ok(None),
        }
    }

    fn is_beside_database(&self) -> bool {
        let beside = |dir: &Path| fs::canonicalize(dir).ok();
        let place = beside(&self.dir);
        place.is_some() && place == self.path.parent().and_then(beside)
    }

    /// Keeps the mirror level until the store is closed.
    pub(super) fn keep(&self) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.try_to_keep() {
            if self.queue.is_stopping() {
                tracing::warn!(%error, "the mirror is behind the database");
                break;
            }
            if self.queue.was_level() {
                pause = FIRST_PAUSE;
            }
            self.queue.fail(&error);
            if self.queue.pause(pause) {
                break;
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    fn try_to_keep(&self) -> io::Result<()> {
        if let Some(reason) = self.foreign().map_err(|error| self.not_ours(error))? {
            return Err(io::Error::other(reason));
        }
        let copied = self.copy().inspect_err(|_| {
            // If that fails too, the next try does it.
            let _ = BaseBackup::remove_partial(&Disk::default(), &self.dir);
        });
        match copied? {
            Some(copy) => self.follow(copy),
            None => Ok(()),
        }
    }

    fn not_ours(&self, error: io::Error) -> io::Error {
        if error.kind() != ErrorKind::InvalidData {
            return error;
        }
        let file = database_in(&self.dir);
        io::Error::other(format!("{}: {error}; remove it, if nobody needs it", file.display()))
    }

    /// Copies the database while it is in use, and puts the copy in its place; `None` if the store is
    /// closed first.
    fn copy(&self) -> io::Result<Option<BaseBackup>> {
        let mut copy = BaseBackup::begin(Disk::default(), &self.dir)?;
        let queue = Arc::clone(&self.queue);
        self.maintenance.run(move |writing| writing.wal_reader.follow(&writing.database, queue))?;
        let (mut database, mut offset) = (&*self.database, 0);
        let mut part = Vec::new();
        database.rewind()?;
        while database.take(PART_BYTES).read_to_end(&mut part)? > 0 {
            copy.write_database(offset, &part)?;
            offset += part.len() as u64;
            part.clear();
            // So that not all of a large one is left to do for the last sync.
            if offset % SYNC_BYTES == 0 {
                copy.sync_database()?;
            }
            while let Some(message) = self.queue.next(Some(Instant::now()))? {
                match message {
                    Message::Commits(commits) => copy.append(commits.offset, &commits.bytes)?,
                    Message::Mark | Message::Checkpoint(_) => {},
                    Message::End => return self.give_up(),
                }
            }
        }
        self.maintenance.run(|writing| writing.wal_reader.mark())?;
        let mut last = None;
        while let Some(message) = self.queue.next(None)? {
            match message {
                Message::Commits(commits) => {
                    copy.append(commits.offset, &commits.bytes)?;
                    last = Some(commits.made_at());
                },
                Message::Checkpoint(_) => {},
                Message::Mark => break,
                Message::End => return self.give_up(),
            }
        }
        copy.place()?;
        self.queue.synced(last);
        Ok(Some(copy))
    }

    fn give_up(&self) -> io::Result<Option<BaseBackup>> {
        tracing::warn!(
            mirror = %self.dir.display(),
            "the mirror stays as it was: it was being copied"
        );
        BaseBackup::remove_partial(&Disk::default(), &self.dir)?;
        Ok(None)
    }

    /// Adds what is committed, until the store is closed.
    fn follow(&self, mut copy: BaseBackup) -> io::Result<()> {
        let mut synced_at = Instant::now();
        let mut unsynced = None;
        loop {
            let due = unsynced.map(|_| synced_at + SYNC_INTERVAL);
            match self.queue.next(due) {
                Ok(Some(Message::Commits(commits))) => {
                    copy.append(commits.offset, &commits.bytes)?;
                    unsynced = Some(commits.made_at());
                },
                Ok(Some(Message::Checkpoint(done))) => {
                    copy.checkpoint()?;
                    self.queue.synced(unsynced.take());
                    // Who has stopped waiting does not mind.
                    let _ = done.send(());
                },
                Ok(Some(Message::End)) => return copy.checkpoint(),
                Ok(Some(Message::Mark) | None) => {},
                Err(error) => {
                    // What came before is of use.
                    return copy.sync().and(Err(error));
                },
            }
            if unsynced.is_some() && synced_at.elapsed() >= SYNC_INTERVAL {
                copy.sync()?;
                self.queue.synced(unsynced.take());
                synced_at = Instant::now();
            }
        }
    }
}
