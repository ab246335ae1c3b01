//! Backups: a consistent copy of the database, and of the node's keys if they are asked for, in one
//! encrypted file.
//!
//! The file is an [age](https://age-encryption.org/v1) file, so that the program `age` opens it as
//! well. In it is a tar archive: first [`Manifest`] as JSON, then the database, then the keys.

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
pub use protection::{Protection, Unlock};

/// The version of the format of backups.
const FORMAT: u32 = 1;
/// How long nothing may happen in the channels before a backup is made.
const CALM: Duration = Duration::from_millis(300);
/// How long to wait for that.
const CALM_PATIENCE: Duration = Duration::from_secs(10);
/// What directories are called in which a backup is being made.
const PARTIAL_PREFIX: &str = ".backup-";

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub format: u32,
    /// The version of the server that made it.
    pub server_version: String,
    /// When, in Unix seconds.
    pub created_at: u64,
    /// The node's public key, as hex.
    pub node_id: String,
    /// Its Bitcoin network.
    pub network: String,
    /// What copies of the state of the same node have in common, as hex.
    pub lineage: String,
    /// How far the state had come.
    pub epoch: String,
    /// The SHA-256 of the database, as hex.
    pub database_sha256: String,
}

/// What backups of a node are made of.
#[derive(Clone)]
pub struct Backups {
    /// Where the keys are.
    pub storage_dir: PathBuf,
    /// Where the database is, and there is room for a copy.
    pub network_dir: PathBuf,
    /// The Bitcoin network.
    pub network: Network,
    /// Whether the keys may be taken out of the machine.
    pub allow_keys: bool,
}

impl Backups {
    /// Writes a backup of the state of now.
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

/// Without consistent cuts: waits for a moment in which no payment is on its way through the library's
/// books, unless there is none. A node that is made of a backup from amid a payment would close the
/// channel of that payment.
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
    tracing::info!("the channels are never at rest; making a backup all the same");
    Ok(())
}

/// Removes what is left of backups that were being made when a process was killed.
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
