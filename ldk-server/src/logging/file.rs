//! The log file, and its rotation.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::rotation;
use crate::config::LogRotation;

/// After a failed rotation, how long the file is used before the next attempt.
const RETRY: Duration = Duration::from_secs(60);

/// The log file. It is rotated when it is full or old enough.
#[derive(Clone)]
pub struct LogFile(Arc<Shared>);

struct Shared {
    path: PathBuf,
    rotation: LogRotation,
    open: Mutex<Open>,
}

/// The open file.
struct Open {
    file: File,
    bytes: u64,
    /// When it has to be rotated because of its age.
    expires: Option<SystemTime>,
    /// It is not rotated before this time.
    keep_until: SystemTime,
}

impl LogFile {
    /// Opens the file for appending, and creates it if necessary.
    pub(super) fn open(path: PathBuf, rotation: LogRotation) -> io::Result<Self> {
        let open = Open::append(&path, &rotation).map_err(|error| {
            io::Error::new(error.kind(), format!("log.file {}: {error}", path.display()))
        })?;
        Ok(Self(Arc::new(Shared { path, rotation, open: Mutex::new(open) })))
    }

    /// Reopens the file by its name, for example after a rotation by another program.
    pub fn reopen(&self) -> io::Result<()> {
        let open = Open::append(&self.0.path, &self.0.rotation)?;
        *self.lock() = open;
        Ok(())
    }

    /// Writes one line at once.
    pub(super) fn write(&self, line: &[u8]) -> io::Result<()> {
        let Shared { path, rotation, .. } = &*self.0;
        let mut open = self.lock();
        if open.is_done(line.len() as u64, rotation) {
            open.replace(path, rotation);
        }
        open.bytes += line.len() as u64;
        open.file.write_all(line)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn append(path: &Path, rotation: &LogRotation) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let metadata = file.metadata()?;
        // If the file system has no creation times, the age counts from the start.
        let made = metadata.created().unwrap_or_else(|_| SystemTime::now());
        let expires = rotation.max_age.and_then(|age| made.checked_add(age));
        Ok(Self { file, bytes: metadata.len(), expires, keep_until: SystemTime::UNIX_EPOCH })
    }

    /// Whether the file has to be rotated before the next line.
    fn is_done(&self, next_bytes: u64, rotation: &LogRotation) -> bool {
        if self.bytes == 0 {
            return false;
        }
        let is_full = rotation.max_bytes.is_some_and(|max| self.bytes + next_bytes > max);
        if !is_full && self.expires.is_none() {
            return false;
        }
        let now = SystemTime::now();
        (is_full || self.expires.is_some_and(|expires| expires <= now)) && self.keep_until <= now
    }

    /// Rotates the file; keeps using this one if that fails.
    fn replace(&mut self, path: &Path, rotation: &LogRotation) {
        let moved = rotation::rotate(path, rotation.max_files);
        // Reopens it in any case: perhaps only an old file could not be removed.
        let opened = Self::append(path, rotation).map(|open| *self = open);
        if let Err(error) = moved.and(opened) {
            self.keep_until = SystemTime::now() + RETRY;
            // Not to the log, which is being written.
            let path = path.display();
            super::write_to_console(&format!("cannot begin a new log file {path}: {error}"));
        }
    }
}
