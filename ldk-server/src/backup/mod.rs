//! Backups: a consistent copy of the database, and of the node's keys if the caller includes them,
//! in one encrypted file.
//!
//! The file is an [age](https://age-encryption.org/v1) file, which the program `age` can open too. It
//! contains a tar archive: [`Manifest`] as JSON, then the database, then the keys.

pub mod archive;
mod protection;
pub mod restore;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use ldk_node::bitcoin::Network;
use serde::{Deserialize, Serialize};

use crate::secrets;
use crate::store::Store;
pub use protection::{Protection, ProtectionError, Unlock};

/// The version of the format of backups.
const FORMAT: u32 = 1;
/// How long the channels must be idle before a backup.
const CALM: Duration = Duration::from_millis(300);
/// How long to wait for that.
const CALM_PATIENCE: Duration = Duration::from_secs(10);
/// The prefix of directories in which a backup is being made.
const PARTIAL_PREFIX: &str = ".backup-";

/// Describes a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub format: u32,
    /// The version of the server.
    pub server_version: String,
    /// The time of the backup, in Unix seconds.
    pub created_at: u64,
    /// The node id, as hex.
    pub node_id: String,
    /// The Bitcoin network.
    pub network: String,
    /// The lineage of the state, which all its copies share, as hex.
    pub lineage: String,
    /// The epoch of the state.
    pub epoch: String,
    /// The SHA-256 of the database, as hex.
    pub database_sha256: String,
}

/// Makes backups of a node.
#[derive(Clone)]
pub struct Backups {
    /// The directory of the keys.
    pub storage_dir: PathBuf,
    /// The directory of the database, and of its temporary copy.
    pub network_dir: PathBuf,
    /// The Bitcoin network.
    pub network: Network,
    /// Whether a backup may contain the keys.
    pub allow_keys: bool,
}

impl Backups {
    /// Writes a backup of the current state.
    pub fn write(
        &self,
        store: &Store,
        node_id: String,
        includes_keys: bool,
        protection: &Protection,
        out: &mut impl io::Write,
    ) -> io::Result<Manifest> {
        let dir = tempfile::Builder::new().prefix(PARTIAL_PREFIX).tempdir_in(&self.network_dir)?;
        let path = dir.path().join(archive::DATABASE);
        wait_for_calm(store)?;
        let (lineage, epoch) = store.snapshot(&path)?;
        let manifest = Manifest {
            format: FORMAT,
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: crate::clock::unix_secs(),
            node_id,
            network: self.network.to_string(),
            lineage: lineage.to_string(),
            epoch: epoch.to_string(),
            database_sha256: archive::sha256(&path)?,
        };
        let keys = match includes_keys {
            true => secrets::keys(&self.storage_dir).map_err(io::Error::other)?,
            false => None,
        };
        archive::write(&manifest, &path, keys.as_ref(), protection, out)?;
        Ok(manifest)
    }
}

/// Without consistent cuts, waits for a moment without a payment under way, for a limited time. A
/// node that is restored from a backup made during a payment would close the channel of that payment.
#[expect(clippy::disallowed_methods, reason = "a backup has a thread of its own")]
fn wait_for_calm(store: &Store) -> io::Result<()> {
    if store.cuts_begun() {
        return Ok(());
    }
    let begun = Instant::now();
    while begun.elapsed() < CALM_PATIENCE {
        let settled = store.settled_channels()?;
        thread::sleep(CALM);
        if settled.is_some() && store.settled_channels()? == settled {
            return Ok(());
        }
    }
    tracing::info!("making a backup although payments are under way");
    Ok(())
}

/// Removes partial backups of a killed process.
pub(crate) fn remove_partial(network_dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(network_dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PARTIAL_PREFIX) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
