//! A second copy of the database in another place, to which every commit is added within about a
//! second.
//!
//! The writer reads what each commit has added to SQLite's log, and leaves it in a bounded buffer
//! ([`wal_reader`], [`queue`]). A thread of the mirror's own takes it from there and writes it ([`replicator`],
//! [`base_backup`]). So whatever becomes of the mirror, and however slow its disk is, no commit waits for it.

mod base_backup;
mod disk;
mod queue;
mod replicator;
mod wal;
pub(super) mod wal_reader;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use queue::Queue;
use replicator::Replicator;

use super::Sqlite;
use crate::store::model::{Lineage, MirrorState};

/// How long a start waits to hear whose mirror it is, and a stop until all is in it. A share that
/// hangs takes longer, and is not waited for.
pub(in crate::store) const PATIENCE: Duration = Duration::from_secs(10);

/// The mirror of a store.
pub(in crate::store) struct Mirror {
    queue: Arc<Queue>,
    /// Tells by its end that the thread has ended.
    ended: Mutex<mpsc::Receiver<()>>,
    /// The database. To close it ends the locks that this process has on it, so it stays open for as
    /// long as anybody here uses it.
    _database: Arc<File>,
}

impl Sqlite {
    /// Copies the database, and every commit from now on, to this directory. Fails only if there is
    /// something that must not be written over.
    pub(in crate::store::sqlite) fn replicate_to(
        &self,
        dir: &Path,
        lineage: Lineage,
    ) -> io::Result<()> {
        let queue = Arc::new(Queue::new(dir.display().to_string()));
        let database = Arc::new(File::open(&self.path)?);
        let replicator = Replicator {
            dir: dir.to_owned(),
            path: self.path.clone(),
            database: Arc::clone(&database),
            lineage,
            maintenance: self.maintenance.clone(),
            queue: Arc::clone(&queue),
        };
        let (ended, foreign) = start(replicator)?;
        let mirror = Mirror { queue, ended: Mutex::new(ended), _database: database };
        // There is only one: a second would get the commits in place of the first.
        self.mirror.set(mirror).map_err(|_| io::Error::other("there is a mirror already"))?;
        match foreign.recv_timeout(PATIENCE) {
            Ok(reason) => Err(io::Error::other(reason)),
            Err(_) => Ok(()),
        }
    }

    /// How the mirror is; `None` if there is none.
    pub(in crate::store::sqlite) fn replica_state(&self) -> Option<MirrorState> {
        self.mirror.get().map(|mirror| mirror.queue.mirror_state())
    }
}

/// Starts the thread. The first channel tells by its end that the thread has ended; the second why
/// the mirror must not be written, or by its end that it may be.
fn start(replicator: Replicator) -> io::Result<(mpsc::Receiver<()>, mpsc::Receiver<String>)> {
    let (tell_end, ended) = mpsc::channel();
    let (tell_foreign, foreign) = mpsc::channel();
    thread::Builder::new().name("mirror".to_owned()).spawn(move || {
        let _tell_end = tell_end;
        match replicator.foreign() {
            Ok(Some(reason)) => drop(tell_foreign.send(reason)),
            // What else is wrong is found again, and logged.
            Ok(None) | Err(_) => {
                drop(tell_foreign);
                replicator.keep();
            },
        }
    })?;
    Ok((ended, foreign))
}

impl Drop for Mirror {
    /// Waits, but not for ever, until the mirror is one file with all that was committed. The writer
    /// must have ended.
    fn drop(&mut self) {
        self.queue.stop();
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("the mirror takes too long to catch up and is left as it is");
        }
    }
}

#[cfg(test)]
pub(in crate::store) mod tests;
