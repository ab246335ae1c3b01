//! The mirror's files, and the order in which they change.
//!
//! A mirror is a database and a log beside it, which has the name that SQLite looks for. The log is
//! byte for byte the beginning of the node's own log, up to some commit, so SQLite's checksums tell
//! what of it counts, whenever its writing ended. It belongs to the database beside it only: a log
//! beside another database would damage that. So when the node's log begins anew, in this order:
//!
//! 1. the log is synced; its newest pages are written into the database, and that is synced. Until
//!    here the log repairs a database that is written in part, and afterwards it changes nothing;
//! 2. the log is emptied, and that is synced: without it, after a loss of power a part of the old log
//!    could come back and be moved into a database that is newer;
//! 3. the new log is written.
//!
//! A copy begins under names of its own, and takes the place of the one before in this order:
//!
//! 1. the database is copied while it is in use. What changes meanwhile is in the log, and the
//!    database that was copied is of no use without it;
//! 2. when the log has all that was committed until the end of the copying, its pages are written
//!    into the copy, and both are synced. From here on the copied database is complete without its
//!    log, and with it the same;
//! 3. the pages of the old log are written into the old database, and the old log is removed: the old
//!    mirror is now one file, as good as before;
//! 4. the copied database gets the name of the old one, in one step;
//! 5. the log gets its name beside it.
//!
//! Between these, the names are synced. So at any moment the file with the name of the database, with
//! the log beside it or without one, is the state of one commit.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;

use super::disk::Disk;
use super::wal::Outcome;
use crate::store::sqlite::log::log_of;

/// What is added to a name until the mirror is complete.
const PARTIAL: &str = ".partial";

/// A mirror that is written.
pub(super) struct BaseBackup {
    pub(super) disk: Disk,
    dir: PathBuf,
    database: File,
    /// None after both were made one file.
    log: Option<File>,
    log_bytes: u64,
}

/// The database in this directory.
pub(super) fn database_in(dir: &Path) -> PathBuf {
    dir.join(SQLITE_DB_FILE_NAME)
}

fn partial_in(dir: &Path) -> PathBuf {
    with_suffix(&database_in(dir), PARTIAL)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

impl BaseBackup {
    /// Begins a copy beside the one that may be in this directory.
    pub(super) fn begin(disk: Disk, dir: &Path) -> io::Result<Self> {
        let partial = partial_in(dir);
        disk.make_dir(dir)?;
        let database = disk.create(&partial)?;
        let log = Some(disk.create(&log_of(&partial))?);
        Ok(Self { disk, dir: dir.to_owned(), database, log, log_bytes: 0 })
    }

    /// Writes a part of the database that is copied.
    pub(super) fn write_database(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write(&self.database, offset, bytes)
    }

    /// Makes sure that what was copied of the database outlives a loss of power.
    pub(super) fn sync_database(&self) -> io::Result<()> {
        self.disk.sync(&self.database)
    }

    /// Adds to the log, or begins it anew if the offset is 0.
    pub(super) fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let log = match self.log.take() {
            Some(log) if offset == 0 && self.log_bytes > 0 => {
                self.disk.sync(&log)?;
                fold(&self.disk, &log, &self.database)?;
                self.disk.set_len(&log, 0)?;
                self.disk.sync(&log)?;
                log
            },
            Some(log) if offset == self.log_bytes => log,
            None if offset == 0 => {
                let log = self.disk.create(&log_of(&database_in(&self.dir)))?;
                self.disk.sync_names(&self.dir)?;
                log
            },
            _ => {
                let reason = format!("commits are missing at {} of the log", self.log_bytes);
                return Err(io::Error::other(reason));
            },
        };
        self.disk.write(&log, offset, bytes)?;
        self.log_bytes = offset + bytes.len() as u64;
        self.log = Some(log);
        Ok(())
    }

    /// Puts the copy in the place of the one before. The log must have all that was committed before
    /// the last part of the database was read.
    pub(super) fn place(&self) -> io::Result<()> {
        let Self { disk, dir, database, log, .. } = self;
        let (old, partial) = (database_in(dir), partial_in(dir));
        if let Some(log) = log {
            disk.sync(log)?;
            fold(disk, log, database)?;
        }
        disk.sync(database)?;
        match (File::options().read(true).write(true).open(&old), File::open(log_of(&old))) {
            (Ok(database), Ok(log)) => {
                disk.sync(&log)?;
                fold(disk, &log, &database)?;
            },
            (Err(error), _) | (_, Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error);
            },
            _ => {},
        }
        disk.remove(&log_of(&old))?;
        disk.sync_names(dir)?;
        disk.rename(&partial, &old)?;
        disk.sync_names(dir)?;
        disk.rename(&log_of(&partial), &log_of(&old))?;
        disk.sync_names(dir)
    }

    /// Makes sure that what was added outlives a loss of power, and that it is where others find it.
    pub(super) fn sync(&self) -> io::Result<()> {
        let Some(log) = &self.log else {
            return Ok(());
        };
        self.disk.sync(log)?;
        let database = database_in(&self.dir);
        let is_there = fs::metadata(log_of(&database))?.len() == self.log_bytes
            && fs::metadata(&database)?.len() == self.database.metadata()?.len();
        if is_there { Ok(()) } else { Err(io::Error::other("another program has changed it")) }
    }

    /// Makes one file of the two, until the log begins anew.
    pub(super) fn checkpoint(&mut self) -> io::Result<()> {
        self.sync()?;
        if let Some(log) = self.log.take() {
            fold(&self.disk, &log, &self.database)?;
            self.disk.remove(&log_of(&database_in(&self.dir)))?;
            self.disk.sync_names(&self.dir)?;
        }
        self.log_bytes = 0;
        Ok(())
    }

    /// Removes what was copied in vain, to make room.
    pub(super) fn remove_partial(disk: &Disk, dir: &Path) -> io::Result<()> {
        disk.remove(&partial_in(dir))?;
        disk.remove(&log_of(&partial_in(dir)))
    }
}

/// Writes the newest pages of the log into the database, which is then complete without it.
fn fold(disk: &Disk, mut log: &File, database: &File) -> io::Result<()> {
    log.seek(SeekFrom::Start(0))?;
    let Some(outcome) = Outcome::read(&mut BufReader::with_capacity(1 << 20, log))? else {
        return Ok(());
    };
    let mut bytes = vec![0; outcome.page_bytes];
    let page_bytes = outcome.page_bytes as u64;
    // What is beyond the end was freed by a later commit.
    for (page, offset) in outcome.pages.range(..=outcome.database_pages) {
        log.seek(SeekFrom::Start(*offset))?;
        log.read_exact(&mut bytes)?;
        disk.write(database, (u64::from(*page) - 1) * page_bytes, &bytes)?;
    }
    disk.set_len(database, u64::from(outcome.database_pages) * page_bytes)?;
    disk.sync(database)
}
