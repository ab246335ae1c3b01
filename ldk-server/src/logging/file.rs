//! The log file, and when another is begun.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::rotation;
use crate::config::LogRotation;

/// How long a file that cannot be moved away is written on before that is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// The log file. One that is full or old enough is moved away, and a new one begun; so is one that
/// somebody else has moved away.
#[derive(Clone)]
pub struct LogFile(Arc<Shared>);

struct Shared {
    path: PathBuf,
    rotation: LogRotation,
    open: Mutex<Open>,
}

/// The file as it is open now.
struct Open {
    file: File,
    bytes: u64,
    /// When it is too old, if ever.
    expires: Option<SystemTime>,
    /// It is not moved away before.
    keep_until: SystemTime,
}

impl LogFile {
    /// Opens the file, which need not exist yet, to write at its end.
    pub(super) fn open(path: PathBuf, rotation: LogRotation) -> io::Result<Self> {
        let open = Open::append(&path, &rotation).map_err(|error| {
            io::Error::new(error.kind(), format!("log.file {}: {error}", path.display()))
        })?;
        Ok(Self(Arc::new(Shared { path, rotation, open: Mutex::new(open) })))
    }

    /// Opens the file anew by its name, as after a rotation by another program.
    pub fn reopen(&self) -> io::Result<()> {
        let open = Open::append(&self.0.path, &self.0.rotation)?;
        *self.lock() = open;
        Ok(())
    }

    /// Writes one line, in one piece.
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
        // Where a file system does not keep when a file was made, its age counts from the start.
        let made = metadata.created().unwrap_or_else(|_| SystemTime::now());
        let expires = rotation.max_age.and_then(|age| made.checked_add(age));
        Ok(Self { file, bytes: metadata.len(), expires, keep_until: SystemTime::UNIX_EPOCH })
    }

    /// Whether the next line belongs into another file.
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

    /// Moves the file away and begins another; goes on with this one if that fails.
    fn replace(&mut self, path: &Path, rotation: &LogRotation) {
        let moved = rotation::rotate(path, rotation.max_files);
        // By its name in any case: it can be that only an older one was not removed.
        let opened = Self::append(path, rotation).map(|open| *self = open);
        if let Err(error) = moved.and(opened) {
            self.keep_until = SystemTime::now() + RETRY;
            // Not into the log, which is being written.
            let path = path.display();
            super::write_to_console(&format!("cannot begin a new log file {path}: {error}"));
        }
    }
}
