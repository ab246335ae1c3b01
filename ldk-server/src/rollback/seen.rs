//! Who has seen which epoch of the node's state.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;

use super::record::RollbackRecord;
use crate::config::Config;
use crate::store::{Epoch, Lineage, epoch_of};

/// How long the mirror may take to be read.
const MIRROR_PATIENCE: Duration = Duration::from_secs(10);

/// The newest epoch of the node that somebody has seen, and who has.
pub(crate) struct SeenEpoch {
    pub(crate) epoch: Epoch,
    by: String,
}

/// Why the mirror does not tell what it has seen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MirrorError {
    /// It takes too long.
    #[error("the mirror {} does not answer", .0.display())]
    Silent(PathBuf),
    /// It cannot be read.
    #[error("cannot read the mirror {}: {source}", path.display())]
    Unreadable {
        /// Its database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What this machine knows of the node.
pub(crate) fn seen_here(config: &Config, lineage: Lineage) -> io::Result<Option<SeenEpoch>> {
    let epoch = RollbackRecord::new(&config.storage_dir, config.network).newest(lineage)?;
    Ok(epoch.map(|epoch| SeenEpoch { epoch, by: "this machine".to_owned() }))
}

/// What the mirror knows of the node; or that it cannot be read. A share that hangs is not waited for.
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

/// The one that has seen more.
pub(crate) fn newer(one: Option<SeenEpoch>, other: Option<SeenEpoch>) -> Option<SeenEpoch> {
    one.into_iter().chain(other).max_by_key(|known| known.epoch)
}

/// Why a state of this epoch must not be used, if something newer is known.
pub(crate) fn too_old(epoch: Epoch, known: Option<&SeenEpoch>) -> Option<String> {
    let SeenEpoch { epoch: newest, by } =
        known.filter(|known| epoch.has_older_channels_than(&known.epoch))?;
    Some(format!(
        "the state is too old: it is of epoch {epoch}, and {by} has seen epoch {newest} of the same \
         node. A node that goes on from there may publish channel states that were revoked since, \
         and whoever does that loses the channel to the peer."
    ))
}
