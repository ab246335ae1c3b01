//! The newest epoch of the state that this machine and the mirror have seen.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;

use super::record::RollbackRecord;
use crate::config::Config;
use crate::store::{Epoch, Lineage, epoch_of};

/// How long reading the mirror may take.
const MIRROR_PATIENCE: Duration = Duration::from_secs(10);

/// The newest epoch that was seen, and by what.
pub(crate) struct SeenEpoch {
    pub(crate) epoch: Epoch,
    by: String,
}

/// Why the epoch of the mirror is unknown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MirrorError {
    /// The mirror takes too long.
    #[error("the mirror {} does not answer", .0.display())]
    Silent(PathBuf),
    /// The mirror cannot be read.
    #[error("cannot read the mirror {}: {source}", path.display())]
    Unreadable {
        /// The database of the mirror.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The newest epoch that this machine has seen.
pub(crate) fn seen_here(config: &Config, lineage: Lineage) -> io::Result<Option<SeenEpoch>> {
    let epoch = RollbackRecord::new(&config.storage_dir, config.network).newest(lineage)?;
    Ok(epoch.map(|epoch| SeenEpoch { epoch, by: "this machine".to_owned() }))
}

/// The epoch of the mirror. Does not wait for a network share that hangs.
pub(crate) fn seen_by_mirror(
    config: &Config,
    lineage: Lineage,
) -> Result<Option<SeenEpoch>, MirrorError> {
    let Some(dir) = config.mirror_dir() else { return Ok(None) };
    let path = dir.join(SQLITE_DB_FILE_NAME);
    let unreadable = |source| MirrorError::Unreadable { path: path.clone(), source };
    let (reading, (sender, receiver)) = (path.clone(), mpsc::sync_channel(1));
    let read = move || drop(sender.send(epoch_of(&reading)));
    thread::Builder::new().name("mirror".to_owned()).spawn(read).map_err(unreadable)?;
    let found = receiver.recv_timeout(MIRROR_PATIENCE);
    let found = found.map_err(|_| MirrorError::Silent(path.clone()))?;
    let found = found.map_err(|error| unreadable(io::Error::other(error)))?;
    let of_node = found.filter(|(of, _)| *of == lineage);
    let by = format!("the mirror {}", path.display());
    Ok(of_node.map(|(_, epoch)| SeenEpoch { epoch, by }))
}

/// The newer one of both.
pub(crate) fn newer(one: Option<SeenEpoch>, other: Option<SeenEpoch>) -> Option<SeenEpoch> {
    one.into_iter().chain(other).max_by_key(|known| known.epoch)
}

/// Why a state of this epoch must not be used, if newer channel states were seen.
pub(crate) fn too_old(epoch: Epoch, known: Option<&SeenEpoch>) -> Option<String> {
    let SeenEpoch { epoch: newest, by } =
        known.filter(|known| epoch.has_older_channels_than(&known.epoch))?;
    Some(format!(
        "the state is too old: it has epoch {epoch}, and {by} has seen epoch {newest} of the same \
         node. A node that continues from it may publish channel states that were revoked since, \
         and then loses the channels to the peers."
    ))
}
