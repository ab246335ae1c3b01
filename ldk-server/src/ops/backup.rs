//! Backups, handed out part by part as they are made.

use std::io;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::app::App;
use crate::backup::{Manifest, Protection};
use crate::error::Error;

const CHUNK_BYTES: usize = 64 * 1024;
/// How many chunks may wait for a slow caller.
const CHUNKS_AHEAD: usize = 8;

/// A part of a backup.
pub enum Part {
    /// The next bytes of the file.
    Chunk(Vec<u8>),
    /// The last part. Without it, the file is not complete.
    Summary(Summary),
}

/// What a complete backup consists of.
pub struct Summary {
    /// What it is a backup of.
    pub manifest: Manifest,
    /// Whether it includes the node's keys.
    pub includes_keys: bool,
    /// The size of the file.
    pub total_bytes: u64,
    /// The hash of the file.
    pub sha256: [u8; 32],
}

/// The parts of a backup, in their order.
pub type Parts = mpsc::Receiver<Result<Part, Error>>;

type PartSender = mpsc::Sender<Result<Part, Error>>;

/// Begins a backup. It is given up when the receiver is dropped.
pub fn create(app: &Arc<App>, includes_keys: bool, protection: Protection) -> Result<Parts, Error> {
    if includes_keys && !app.backups.allow_keys {
        return Err(Error::FailedPrecondition(
            "the node's keys may not be put into a backup: set backup.allow_keys in the \
             configuration, or copy keys_mnemonic by hand"
                .to_owned(),
        ));
    }
    let place = app.backing_up.try_enter()?;
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let working = Arc::clone(app);
    app.executor.spawn("create_backup", move || {
        let _place = place;
        make(&working, includes_keys, &protection, sender)
    });
    Ok(receiver)
}

/// Makes a backup and sends its parts.
fn make(
    app: &App,
    includes_keys: bool,
    protection: &Protection,
    parts: PartSender,
) -> Result<(), Error> {
    match write(app, includes_keys, protection, &parts) {
        Ok(summary) => finish(app, summary, &parts),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            tracing::info!("backup given up by its caller");
            Ok(())
        },
        Err(error) => {
            let _ = parts.blocking_send(Err(Error::internal("")));
            Err(Error::internal(error))
        },
    }
}

/// Sends the file.
fn write(
    app: &App,
    includes_keys: bool,
    protection: &Protection,
    parts: &PartSender,
) -> io::Result<Summary> {
    let node_id = app.node.node_id().to_string();
    let chunks = Chunks { parts: parts.clone(), hash: Sha256::new(), total_bytes: 0 };
    let mut out = io::BufWriter::with_capacity(CHUNK_BYTES, chunks);
    let manifest = app.backups.write(&app.store, node_id, includes_keys, protection, &mut out)?;
    let Chunks { hash, total_bytes, .. } =
        out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(Summary { manifest, includes_keys, total_bytes, sha256: hash.finalize().into() })
}

/// Sends the summary, and records the backup. A caller who did not wait for the summary has no backup.
fn finish(app: &App, summary: Summary, parts: &PartSender) -> Result<(), Error> {
    let (epoch, created_at) = (summary.manifest.epoch.clone(), summary.manifest.created_at);
    let bytes = summary.total_bytes;
    if parts.blocking_send(Ok(Part::Summary(summary))).is_ok() {
        tracing::info!(%epoch, bytes, "backup made");
        app.store.was_backed_up(created_at).map_err(Error::internal)?;
    }
    Ok(())
}

/// Sends what is written to it.
struct Chunks {
    parts: PartSender,
    hash: Sha256,
    total_bytes: u64,
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = Part::Chunk(bytes.to_vec());
        self.parts.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.hash.update(bytes);
        self.total_bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
