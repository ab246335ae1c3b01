//! PostgreSQL, as it is configured: how to reach it, and under which name this node holds its lease.

use std::fs;
use std::path::Path;

use ldk_node::lightning::io;
use secrecy::ExposeSecret as _;

use crate::chain::tls;
use crate::config::{Config, ConfigError, PostgresConfig, StorageKind, keys};
use crate::storage::{self, StorageError};
use crate::store::{Moved, PostgresSettings, move_to_postgres, move_to_sqlite};

/// Why the state of a node is not moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrationError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory of the state cannot be used.
    #[error(transparent)]
    Directory(#[from] StorageError),
    /// One of the databases cannot be used.
    #[error("the state was not moved: {0}")]
    Database(#[from] io::Error),
}

/// Moves the state of a node that is stopped, and returns a report for the operator. What it was moved
/// from cannot be started any more. May be called again if it was interrupted.
pub(crate) fn migrate_storage(config: &Config, to: StorageKind) -> Result<String, MigrationError> {
    let Some(postgres) = &config.postgres else {
        return Err(ConfigError::new(keys::STORAGE_POSTGRES_URL, "must be set").into());
    };
    let dir = config.network_dir();
    storage::create_dirs(&dir)?;
    let _lock = storage::lock(&dir)?;
    let settings = settings(postgres, &dir)?;
    let (moved, then) = match to {
        StorageKind::Postgres => (
            move_to_postgres(&dir, &settings)?,
            "The state is in PostgreSQL now, and the file is its working copy, which does not start \
             without [storage.postgres].",
        ),
        StorageKind::Sqlite => (
            move_to_sqlite(&dir, &settings)?,
            "The state is in the file now, and PostgreSQL lets no node start with what it has. Remove \
             [storage.postgres] before you start the node.",
        ),
    };
    Ok(report(&moved, then))
}

fn report(moved: &Moved, then: &str) -> String {
    let lines = moved.iter().map(|(table, rows)| format!("{table}: {rows} rows, all the same\n"));
    lines.collect::<String>() + then + "\n"
}

/// How to reach it, for the node with its working copy in this directory. Reads files.
pub(crate) fn settings(
    config: &PostgresConfig,
    dir: &Path,
) -> Result<PostgresSettings, ConfigError> {
    let tls = config.has_tls.then(|| {
        let key = keys::STORAGE_POSTGRES_CA_CERT_PATH.name();
        tls::trusting_also(key, config.ca_cert_path.as_deref())
    });
    let mut server = config.server.clone();
    if let Some(password) = &config.password {
        server.password(password.expose_secret());
    }
    if let Some(path) = &config.password_file {
        let text = fs::read_to_string(path).map_err(|error| {
            let reason = format!("cannot read {}: {error}", path.display());
            ConfigError::new(keys::STORAGE_POSTGRES_PASSWORD_FILE, reason)
        })?;
        server.password(text.lines().next().unwrap_or_default());
    }
    let times = [config.lease, config.statement_timeout];
    let schema = config.schema.clone();
    Ok(PostgresSettings::new(server, tls.transpose()?, schema, times, holder(dir)))
}

/// This machine since it was started, and the directory, which one process may use at a time: another
/// holder of the same name is one that was killed, and need not be waited for.
fn holder(dir: &Path) -> String {
    let kernel = |name: &str| {
        let text = fs::read_to_string(Path::new("/proc/sys/kernel").join(name));
        text.map(|text| text.trim().to_owned())
    };
    let host = kernel("hostname").unwrap_or_else(|_| "unknown host".to_owned());
    let started = kernel("random/boot_id");
    let started = started.unwrap_or_else(|_| hex::encode(rand::random::<[u8; 16]>()));
    format!("{host}:{} ({started})", dir.display())
}
