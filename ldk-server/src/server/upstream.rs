//! Refuses the data directory of an LDK Server.
//!
//! Most files have the same names. The node library here is older and cannot read the database; its
//! own error only names a version.

use std::path::Path;

use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;
use rusqlite::{Connection, OpenFlags};

/// The database of LDK Server, beside that of its node library.
const OWN_DATABASE: &str = "ldk_server_data.sqlite";
/// The newest version of the database that the node library here can read.
const READABLE_VERSION: i64 = 2;

/// The directory cannot be used. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UpstreamDataError(String);

/// Refuses the directory of an LDK Server. Changes nothing in it.
pub(crate) fn check(network_dir: &Path) -> Result<(), UpstreamDataError> {
    let version = version_of(&network_dir.join(SQLITE_DB_FILE_NAME));
    match version {
        Some(version) if version > READABLE_VERSION => {
            Err(UpstreamDataError(instructions(network_dir, version)))
        },
        _ => {
            warn_of_unread_database(network_dir);
            Ok(())
        },
    }
}

/// The version of the library's tables; `None` if there are none or it cannot be read, which is then
/// reported when the database is opened.
fn version_of(database: &Path) -> Option<i64> {
    let database = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    database.pragma_query_value(None, "user_version", |row| row.get(0)).ok()
}

fn instructions(network_dir: &Path, version: i64) -> String {
    let whose = if network_dir.join(OWN_DATABASE).exists() {
        "is the data directory of an LDK Server"
    } else {
        "was written by a later LDK Node"
    };
    format!(
        "{} {whose}: its {SQLITE_DB_FILE_NAME} has version {version}, and LDK Node 0.7.1, which is in \
         use here, reads {READABLE_VERSION}. Its channels cannot be taken over: have it close them first. \
         Then set storage.disk.dir_path to a new directory, and copy into it keys_mnemonic or \
         keys_seed, tls.crt, tls.key and the api_key of the network: the node id, the money on chain, the \
         key and the certificate stay the same. docs/migrating.md tells more",
        network_dir.display()
    )
}

fn warn_of_unread_database(network_dir: &Path) {
    let path = network_dir.join(OWN_DATABASE);
    if path.exists() {
        tracing::warn!(
            path = %path.display(),
            "found the database of an LDK Server: its history of payments and forwards is not imported"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn make(dir: &Path, version: i64) {
        let database = Connection::open(dir.join(SQLITE_DB_FILE_NAME)).unwrap();
        database.pragma_update(None, "user_version", version).unwrap();
    }

    #[test]
    fn the_directory_of_an_ldk_server_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path()).unwrap();
        make(dir.path(), 2);
        check(dir.path()).unwrap();
        make(dir.path(), 3);
        let refused = check(dir.path()).err().unwrap().to_string();
        assert!(refused.contains("was written by a later LDK Node"), "{refused}");
        fs::write(dir.path().join(OWN_DATABASE), "").unwrap();
        let refused = check(dir.path()).err().unwrap().to_string();
        for word in ["is the data directory of an LDK Server", "keys_seed", "api_key", "tls.key"] {
            assert!(refused.contains(word), "{refused}");
        }
        assert!(refused.contains(&dir.path().display().to_string()));
    }

    #[test]
    fn what_is_no_database_is_left_to_who_opens_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(SQLITE_DB_FILE_NAME), "no database").unwrap();
        check(dir.path()).unwrap();
    }
}
