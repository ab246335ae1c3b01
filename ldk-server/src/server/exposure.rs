//! Warns of files that other users of the machine can read.
//!
//! The daemon creates its files private. Files that existed before or were copied may not be.

use std::path::PathBuf;

use ldk_server_grpc::{AuthorityFiles, places};

use crate::config::Config;
use crate::secrets::{KEY_FILES, PhoenixConf};

/// A file or directory, and what a reader of it learns.
struct Private {
    path: PathBuf,
    what: &'static str,
}

/// Logs a warning for each file and directory that others can read, with the command that helps.
pub(crate) fn warn(config: &Config) {
    for Private { path, what } in of(config).into_iter().filter(|one| is_readable(&one.path)) {
        let path = path.display();
        tracing::warn!(%path, "other users can read this path, which {what}; run chmod go= on it");
    }
}

fn of(config: &Config) -> Vec<Private> {
    let network = config.network.to_string();
    let api_key = places::api_key_file(&config.storage_dir, &network);
    let rune_secret = places::rune_secret_file(&config.storage_dir, &network);
    let api_keys = places::api_keys_dir(&config.storage_dir, &network);
    let keys = KEY_FILES
        .map(|name| (config.storage_dir.join(name), "contains the keys to the money of the node"));
    let state = "contains the state of the node, with preimages and keys";
    let mirror = config.mirror_dir().map(|dir| (dir, state));
    let log = config.log.file.clone().map(|file| (file, "names all payments"));
    let of_cln = config.cln_grpc.as_ref().and_then(|cln| cln.tls.client_auth.as_ref());
    let client_auth = config.tls.client_auth.as_ref().or(of_cln);
    let authority = client_auth.into_iter().flat_map(|client_auth| {
        let AuthorityFiles { ca_key, client_key, .. } = AuthorityFiles::in_dir(&client_auth.dir);
        [(ca_key, "issues certificates to clients"), (client_key, "gives full access to the node")]
    });
    let phoenixd = config.phoenixd.as_ref();
    let phoenixd = phoenixd.map(|_| PhoenixConf::path(&config.network_dir()));
    let phoenixd = phoenixd.map(|path| (path, "contains passwords"));
    [(api_key, "gives full access to the node"), (config.storage_dir.clone(), state)]
        .into_iter()
        .chain(authority)
        .chain([
            (config.network_dir(), state),
            (rune_secret, "makes runes, which can give full access to the node"),
            (api_keys, "contains API keys"),
        ])
        .chain(keys)
        .chain(mirror)
        .chain(phoenixd)
        .chain(log)
        .map(|(path, what)| Private { path, what })
        .collect()
}

/// Whether the group or everybody can read it.
#[cfg(unix)]
fn is_readable(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    const READ_BY_OTHERS: u32 = 0o044;
    path.metadata().is_ok_and(|there| there.permissions().mode() & READ_BY_OTHERS != 0)
}

/// There are no such permissions.
#[cfg(not(unix))]
fn is_readable(_: &std::path::Path) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;
    use crate::config::Args;

    #[test]
    fn all_that_is_private_is_looked_at() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "[node]\nnetwork = \"regtest\"\n[storage.disk]\ndir_path = \"/data\"\n\
                    [backup]\ndirectory = \"/mirror\"\n[log]\nfile = \"/log/node.log\"\n\
                    [esplora]\nserver_url = \"http://127.0.0.1:1\"\n";
        fs::write(file.path(), text).unwrap();
        let args = Args::try_parse_from([Path::new("ldk-server"), file.path()]).unwrap();
        let looked_at = of(&Config::load(&args).unwrap());
        let mut looked_at: Vec<_> = looked_at.into_iter().map(|one| one.path).collect();
        looked_at.sort();
        let expected = [
            "/data",
            "/data/keys_mnemonic",
            "/data/keys_seed",
            "/data/regtest",
            "/data/regtest/api_key",
            "/data/regtest/api_keys",
            "/data/regtest/rune_secret",
            "/log/node.log",
            "/mirror/regtest",
        ];
        assert_eq!(looked_at, expected.map(PathBuf::from));
    }

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
