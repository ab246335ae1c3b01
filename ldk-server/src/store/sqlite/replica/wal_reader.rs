//! The writer's side: what each commit has added to the log.
//!
//! It looks after each commit, on the thread that makes them, and only a commit begins the log anew;
//! so nothing is written over that it has not read. Checkpoints, be they automatic or asked for,
//! write nothing to the log but its end. That no other program has written is what `data_version`
//! tells.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use rusqlite::Connection;

use super::queue::{Gap, Message, Queue};
use super::wal::{Frames, HEADER_BYTES, Header};
use crate::store::sqlite::log::log_of;

/// How many frames are read at once: more than most commits have.
const FRAMES_AT_ONCE: usize = 16;

/// More would not find room with the mirror.
const MAX_BYTES: usize = 64 << 20;

/// The end of the log, followed if there is a mirror.
pub(in crate::store) struct WalReader {
    log: PathBuf,
    following: Option<Following>,
}

struct Following {
    queue: Arc<Queue>,
    /// The file stays the same as long as the database is open.
    log: Option<File>,
    /// The log as far as it was read.
    read: Option<(Header, Frames)>,
    data_version: i64,
}

impl WalReader {
    /// The end of this database's log.
    pub(in crate::store) fn of(database: &Connection) -> Self {
        let log = log_of(Path::new(database.path().unwrap_or_default()));
        Self { log, following: None }
    }

    /// Gives the mirror what is in the log, and from now on what comes.
    pub(super) fn follow(&mut self, database: &Connection, queue: Arc<Queue>) {
        queue.open();
        let data_version = data_version(database).unwrap_or_default();
        self.following = Some(Following { queue, log: None, read: None, data_version });
        self.look(database);
    }

    /// Gives the mirror what was added, if there is one.
    pub(in crate::store) fn look(&mut self, database: &Connection) {
        let Some(following) = &mut self.following else {
            return;
        };
        if let Err(gap) = following.look(&self.log, database) {
            following.queue.lose(gap);
            self.following = None;
        }
    }

    /// Tells the mirror that it has everything up to here.
    pub(super) fn mark(&self) {
        if let Some(following) = &self.following {
            following.queue.tell(Message::Mark);
        }
    }

    /// Tells the mirror that the log is empty.
    pub(in crate::store) fn checkpoint(&self, done: mpsc::Sender<()>) {
        if let Some(following) = &self.following {
            following.queue.tell(Message::Checkpoint(done));
        }
    }

    /// Tells the mirror that nothing more will come.
    pub(in crate::store) fn end(&mut self) {
        if let Some(following) = self.following.take() {
            following.queue.tell(Message::End);
        }
    }
}

impl Drop for WalReader {
    fn drop(&mut self) {
        if let Some(following) = self.following.take() {
            following.queue.lose(Gap::WriterFailed);
        }
    }
}

impl Following {
    fn look(&mut self, log: &Path, database: &Connection) -> Result<(), Gap> {
        if data_version(database) != Ok(self.data_version) {
            return Err(Gap::OtherWriter);
        }
        let (offset, bytes) = self.read(log).map_err(Gap::Log)?;
        if bytes.is_empty() { Ok(()) } else { self.queue.push(offset, bytes) }
    }

    /// What was committed since it was read last, and where in the log that is.
    fn read(&mut self, path: &Path) -> io::Result<(u64, Vec<u8>)> {
        let log = match &mut self.log {
            Some(log) => log,
            None => self.log.insert(File::open(path)?),
        };
        let mut header: Header = [0; HEADER_BYTES];
        log.seek(SeekFrom::Start(0))?;
        if log.read_exact(&mut header).is_err() {
            // It is empty until the next commit.
            return Ok((0, Vec::new()));
        }
        match &mut self.read {
            Some((read, frames)) if *read == header => {
                let offset = frames.committed_bytes();
                log.seek(SeekFrom::Start(offset))?;
                Ok((offset, added(log, frames)?))
            },
            read => {
                let frames = Frames::begin(&header);
                let mut frames = frames.ok_or_else(|| io::Error::other("it is damaged"))?;
                let added = added(log, &mut frames)?;
                if added.is_empty() {
                    return Ok((0, added));
                }
                *read = Some((header, frames));
                Ok((0, [&header, added.as_slice()].concat()))
            },
        }
    }
}

/// Reads on to the last commit.
fn added(log: &mut File, frames: &mut Frames) -> io::Result<Vec<u8>> {
    let (begin, at_once) = (frames.committed_bytes(), FRAMES_AT_ONCE * frames.frame_bytes());
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        log.take(at_once as u64).read_to_end(&mut bytes)?;
        let read = bytes.get(before..).unwrap_or_default();
        let are_frames =
            read.chunks(frames.frame_bytes()).all(|frame| frames.take(frame).is_some());
        if !are_frames || read.len() < at_once {
            break;
        }
        if bytes.len() > MAX_BYTES {
            return Err(io::Error::other("it has grown too much at once"));
        }
    }
    frames.rewind();
    bytes.truncate(usize::try_from(frames.committed_bytes() - begin).unwrap_or_default());
    Ok(bytes)
}

/// Changes when somebody else commits.
fn data_version(database: &Connection) -> rusqlite::Result<i64> {
    database.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
