//! What of the node other users of the machine can read.
//!
//! The daemon makes its files private. What was there before, or was copied, may not be.

use std::path::PathBuf;

use ldk_server_grpc::{AuthorityFiles, places};

use crate::config::Config;
use crate::secrets::KEY_FILES;

/// A file or directory, and what whoever reads it has.
struct Private {
    path: PathBuf,
    what: &'static str,
}

/// Warns of each file and directory that others can read, and says what to do.
pub(crate) fn warn(config: &Config) {
    for Private { path, what } in of(config).into_iter().filter(|one| is_readable(&one.path)) {
        let path = path.display();
        tracing::warn!("{path} can be read by other users, and {what}: run chmod go= {path}");
    }
}

fn of(config: &Config) -> Vec<Private> {
    let network = config.network.to_string();
    let api_key = places::api_key_file(&config.storage_dir, &network);
    let keys = KEY_FILES.map(|name| (config.storage_dir.join(name), "is the money of the node"));
    let state = "has the state of the node, with preimages and keys";
    let mirror = config.mirror_dir().map(|dir| (dir, state));
    let log = config.log.file.clone().map(|file| (file, "tells of all payments"));
    let authority = config.tls.client_auth.iter().flat_map(|client_auth| {
        let AuthorityFiles { ca_key, client_key, .. } = AuthorityFiles::in_dir(&client_auth.dir);
        [(ca_key, "gives every right to clients"), (client_key, "is the right to spend all of it")]
    });
    [(api_key, "is the right to spend all of it"), (config.storage_dir.clone(), state)]
        .into_iter()
        .chain(authority)
        .chain([(config.network_dir(), state)])
        .chain(keys)
        .chain(mirror)
        .chain(log)
        .map(|(path, what)| Private { path, what })
        .collect()
}

/// Whether the group or everybody can.
#[cfg(unix)]
fn is_readable(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    const READ_BY_OTHERS: u32 = 0o044;
    path.metadata().is_ok_and(|there| there.permissions().mode() & READ_BY_OTHERS != 0)
}

/// That is not told.
#[cfg(not(unix))]
fn is_readable(_: &std::path::Path) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_can_read_is_told_from_what_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("api_key");
        fs::write(&file, "key").unwrap();
        for (mode, expected) in
            [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o644, true)]
        {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_readable(&file), expected, "{mode:o}");
        }
        assert!(!is_readable(&dir.path().join("missing")));
    }
}
