//! Restores a node from a backup or a mirror.
//!
//! A node that publishes a revoked channel state loses the channel to the peer. So a state that is
//! older than one that was seen of the node is refused. Recovery is safe with a state of any age:
//! the peers close the channels, and the node publishes nothing.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::{Manifest, PARTIAL_PREFIX, Unlock, archive};
use crate::clock::rfc_3339;
use crate::compat::wallet;
use crate::config::{Config, RestoreArgs};
use crate::rollback::{
    OLD_STATE_WORDS, RollbackRecord, SeenEpoch, newer, seen_by_mirror, seen_here, too_old,
};
use crate::secrets::{self, Entropy, Keys, SecretError};
use crate::storage::{self, StorageError};
use crate::store::{Epoch, Lineage, OfflineDatabase, log_of};

/// The first bytes of every database.
const DATABASE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why a restore failed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The text says what to do.
    #[error("{0}")]
    Refused(String),
    /// The backup cannot be read.
    #[error("{}: {source}", path.display())]
    Backup {
        /// The file of the backup.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file or directory of the node cannot be used.
    #[error("{0}")]
    Storage(#[from] io::Error),
    /// The database cannot be used.
    #[error("the database: {0}")]
    Database(#[from] ldk_node::lightning::io::Error),
    /// The keys cannot be written.
    #[error(transparent)]
    Keys(#[from] SecretError),
    /// The directory of the state cannot be created or locked.
    #[error(transparent)]
    Directory(#[from] StorageError),
}

/// Restores a state, and returns a report for the operator. Overwrites nothing.
pub fn restore(config: &Config, order: &RestoreArgs) -> Result<String, RestoreError> {
    let network_dir = config.network_dir();
    storage::create_dirs(&network_dir)?;
    let _lock = storage::lock(&network_dir)?;
    let database = network_dir.join(archive::DATABASE);
    if database.try_exists()? {
        return Err(RestoreError::Refused(format!(
            "{} exists and is not overwritten. To replace it, move {} away; to have the peers close \
             its channels, use ldk-server recover",
            database.display(),
            network_dir.display()
        )));
    }
    let stage = tempfile::Builder::new().prefix(PARTIAL_PREFIX).tempdir_in(&network_dir)?;
    let (manifest, keys) = bring(order, stage.path())?;
    check_network(config, manifest.as_ref())?;
    let keys = NodeKeys::find(config, keys)?;
    let mut state = OfflineDatabase::open(stage.path())?;
    check_owner(config, &keys, manifest.as_ref(), &state)?;
    let (lineage, epoch) = state.epoch()?;
    let known = newest_seen(config, lineage)?;
    check_age(order, epoch, manifest.as_ref(), known.as_ref())?;

    let newest = known.map_or(epoch, |known| known.epoch.max(epoch));
    let aside = if order.recover { Some(state.quarantine_channels()?) } else { None };
    let restored = state.restored(newest)?;
    state.close()?;
    if keys.are_missing {
        secrets::write_keys(&config.storage_dir, &keys.keys)?;
    }
    fs::rename(stage.path().join(archive::DATABASE), &database)?;
    File::open(&network_dir)?.sync_all()?;
    RollbackRecord::new(&config.storage_dir, config.network).note(lineage, restored)?;
    Ok(outcome(manifest.as_ref(), epoch, aside))
}

/// Puts the channel state of an existing node into quarantine, and returns a report for the operator.
pub fn recover(config: &Config) -> Result<String, RestoreError> {
    let network_dir = config.network_dir();
    let _lock = storage::lock(&network_dir)?;
    let mut state = OfflineDatabase::open(&network_dir)?;
    let (lineage, epoch) = state.epoch()?;
    let newest = newest_seen(config, lineage)?.map_or(epoch, |known| known.epoch.max(epoch));
    let channels = state.quarantine_channels()?;
    let restored = state.restored(newest)?;
    state.close()?;
    RollbackRecord::new(&config.storage_dir, config.network).note(lineage, restored)?;
    Ok(in_recovery(channels))
}

/// Copies the database of the backup into this directory.
fn bring(
    order: &RestoreArgs,
    stage: &Path,
) -> Result<(Option<Manifest>, Option<Keys>), RestoreError> {
    let failed = |source| RestoreError::Backup { path: order.file.clone(), source };
    let database = stage.join(archive::DATABASE);
    let mut file = File::open(&order.file).map_err(failed)?;
    let mut magic = Vec::new();
    file.by_ref().take(DATABASE_MAGIC.len() as u64).read_to_end(&mut magic).map_err(failed)?;
    if magic == DATABASE_MAGIC {
        copy_mirror(&order.file, &database).map_err(failed)?;
        return Ok((None, None));
    }
    let unlock = unlock(order)?;
    let sealed = magic.chain(io::BufReader::new(file));
    let (manifest, keys) = archive::unpack(sealed, &unlock, &database).map_err(failed)?;
    Ok((Some(manifest), keys))
}

/// Copies the database of a mirror with its write-ahead log.
fn copy_mirror(mirror: &Path, database: &Path) -> io::Result<()> {
    fs::copy(mirror, database)?;
    match fs::copy(log_of(mirror), log_of(database)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.map(drop),
    }
}

fn unlock(order: &RestoreArgs) -> Result<Unlock, RestoreError> {
    let named = |path: &Path, error: io::Error| {
        io::Error::other(format!("cannot read {}: {error}", path.display()))
    };
    if let Some(path) = &order.identity_file {
        return Unlock::by_identity_file(path).map_err(|error| named(path, error).into());
    }
    let passphrase = match &order.passphrase_file {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| named(path, error))?;
            text.lines().next().unwrap_or_default().to_owned()
        },
        None => rpassword::prompt_password("Passphrase of the backup: ").map_err(|error| {
            RestoreError::Refused(format!(
                "name the --passphrase-file or the --identity-file that opens the backup: the \
                 passphrase cannot be asked for ({error})"
            ))
        })?,
    };
    Ok(Unlock::Passphrase(SecretString::from(passphrase)))
}

fn check_network(config: &Config, manifest: Option<&Manifest>) -> Result<(), RestoreError> {
    match manifest {
        Some(Manifest { network, .. }) if *network != config.network.to_string() => {
            Err(RestoreError::Refused(format!(
                "the backup is of a node on {network}, but node.network is {}",
                config.network
            )))
        },
        _ => Ok(()),
    }
}

/// The keys that the restored node will have.
struct NodeKeys {
    keys: Keys,
    /// Whether they come from the backup and have to be written.
    are_missing: bool,
}

impl NodeKeys {
    /// Takes the keys from the backup or the storage directory; if both have keys, they must be
    /// equal.
    fn find(config: &Config, in_backup: Option<Keys>) -> Result<Self, RestoreError> {
        let dir = config.storage_dir.display();
        match (in_backup, secrets::keys(&config.storage_dir)?) {
            (Some(keys), None) => Ok(Self { keys, are_missing: true }),
            (None, Some(keys)) => Ok(Self { keys, are_missing: false }),
            (Some(one), Some(other)) if one.name == other.name && one.bytes == other.bytes => {
                Ok(Self { keys: other, are_missing: false })
            },
            (Some(_), Some(other)) => Err(RestoreError::Refused(format!(
                "{dir} holds a {} that is not that of the backup: name another \
                 storage.disk.dir_path",
                other.name
            ))),
            (None, None) => Err(RestoreError::Refused(format!(
                "the node's keys are not in the backup: put its keys_mnemonic (24 words) into {dir} \
                 first"
            ))),
        }
    }

    fn place(&self, config: &Config) -> String {
        match self.are_missing {
            true => format!("the {} in the backup", self.keys.name),
            false => config.storage_dir.join(self.keys.name).display().to_string(),
        }
    }
}

/// Checks that the database belongs to the node with these keys. The manifest may be wrong, so the
/// on-chain wallet in the database has to match too.
fn check_owner(
    config: &Config,
    keys: &NodeKeys,
    manifest: Option<&Manifest>,
    state: &OfflineDatabase,
) -> Result<(), RestoreError> {
    let entropy = Entropy::of(&config.storage_dir.join(keys.keys.name), &keys.keys)?;
    let node_id = entropy.node_id()?.to_string();
    let refused = |what: String| {
        Err(RestoreError::Refused(format!(
            "{what}, and {} has the keys of node {node_id}: restore it beside its own keys",
            keys.place(config)
        )))
    };
    if let Some(Manifest { node_id: stated, .. }) = manifest
        && *stated != node_id
    {
        return refused(format!("the backup is of node {stated}"));
    }
    let wallet_key = entropy.wallet_key(config.network).map_err(io::Error::other)?;
    match state.wallet_descriptor()? {
        Some(descriptor) if !wallet::is_of_key(&descriptor, &wallet_key) => {
            refused("its database is that of another node".to_owned())
        },
        _ => Ok(()),
    }
}

/// The newest epoch that this machine and its mirror have seen.
fn newest_seen(config: &Config, lineage: Lineage) -> Result<Option<SeenEpoch>, RestoreError> {
    let there = seen_by_mirror(config, lineage).map_err(|error| {
        RestoreError::Refused(format!("{error}; unset backup.directory to restore without it"))
    })?;
    Ok(newer(seen_here(config, lineage)?, there))
}

fn check_age(
    order: &RestoreArgs,
    epoch: Epoch,
    manifest: Option<&Manifest>,
    known: Option<&SeenEpoch>,
) -> Result<(), RestoreError> {
    let Some(reason) = too_old(epoch, known) else { return Ok(()) };
    if order.recover || order.accept_old_state.as_deref() == Some(OLD_STATE_WORDS) {
        return Ok(());
    }
    let made = manifest.map_or_else(String::new, |manifest| {
        format!(" The backup was made at {}.", rfc_3339(manifest.created_at))
    });
    Err(RestoreError::Refused(format!(
        "{reason}{made}\nThree ways from here:\n\
         - restore a newer copy, if there is one: the newest backup, or the mirror;\n\
         - add --recover: the state of the channels goes into quarantine, the peers close the channels, \
         and your money comes on chain. This is safe with a state of any age;\n\
         - add --accept-old-state \"{OLD_STATE_WORDS}\", if you know that this state is the newest."
    )))
}

fn outcome(manifest: Option<&Manifest>, epoch: Epoch, aside: Option<usize>) -> String {
    let what = match manifest {
        Some(Manifest { node_id, created_at, .. }) => {
            format!("Restored node {node_id} as of {} (epoch {epoch}).", rfc_3339(*created_at))
        },
        None => format!("Restored the mirror as of epoch {epoch}."),
    };
    match aside {
        Some(channels) => format!("{what}\n{}", in_recovery(channels)),
        None => format!(
            "{what}\nStart the node only if it has not run since this copy was made, on any machine. If \
             it has, its channels have newer states, and publishing old ones loses money: run \
             ldk-server recover first.\n"
        ),
    }
}

fn in_recovery(channels: usize) -> String {
    format!(
        "Channels in quarantine: {channels}. Start ldk-server and keep it running: it connects to the \
         peers, which close the channels; when a closing transaction is confirmed, the daemon restarts \
         by itself and claims your balance.\n"
    )
}
