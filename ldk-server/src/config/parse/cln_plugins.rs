//! Programs that speak Core Lightning's plugin protocol.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::keys::{self, Key, List};
use crate::config::values::Values;
use crate::config::{ConfigError, PluginsConfig, UnixSocketConfig};

const PLUGINS: Key<List> = keys::CLN_PLUGINS;
const OPTIONS: Key<List> = keys::CLN_PLUGIN_OPTIONS;
/// The permission to execute, for anybody.
const EXECUTABLE: u32 = 0o111;
/// The permission to write, for others than the owner.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The plugins, if there are any.
pub(in crate::config) fn cln_plugins(
    values: &Values,
    socket: Option<&UnixSocketConfig>,
) -> Result<Option<PluginsConfig>, ConfigError> {
    let paths: Vec<PathBuf> = values.list(PLUGINS).into_iter().map(PathBuf::from).collect();
    let options = values.list(OPTIONS);
    if paths.is_empty() {
        return match options.is_empty() {
            true => Ok(None),
            false => Err(ConfigError::new(OPTIONS, "there are no plugins; set cln.plugins, too")),
        };
    }
    let Some(socket) = socket else {
        let reason = "plugins call the node on Core Lightning's socket; set cln.rpc_file, too";
        return Err(ConfigError::new(PLUGINS, reason));
    };
    if let Some(path) = paths.iter().find(|path| !path.is_absolute()) {
        return Err(refused(path, "must be an absolute path"));
    }
    let options = options.iter().map(|option| pair(option)).collect::<Result<_, _>>()?;
    Ok(Some(PluginsConfig { paths, options, rpc_file: socket.path.clone() }))
}

fn refused(path: &Path, reason: &str) -> ConfigError {
    ConfigError::new(PLUGINS, format!("\"{}\" {reason}", path.display()))
}

impl PluginsConfig {
    /// Checks that the plugins can be started, and that nobody else decides what they do.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.paths.iter().try_for_each(|path| check(path))
    }
}

fn check(path: &Path) -> Result<(), ConfigError> {
    let refused = |reason: &str| Err(refused(path, reason));
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return refused(&format!("cannot be used: {error}")),
    };
    let mode = metadata.permissions().mode();
    if !metadata.is_file() {
        refused("is not a file")
    } else if mode & EXECUTABLE == 0 {
        refused("is not executable; run chmod +x on it")
    } else if mode & WRITABLE_BY_OTHERS != 0 {
        refused(
            "can be written by others than its owner, who could take the node's money with it; run chmod go-w on it",
        )
    } else {
        Ok(())
    }
}

fn pair(option: &str) -> Result<(String, String), ConfigError> {
    let pair = option.split_once('=').filter(|(name, _)| !name.is_empty());
    // Its value may be a password.
    let refused = || ConfigError::new(OPTIONS, "each must be NAME=VALUE");
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Args, Config};

    const NODE: &str =
        "[node]\nnetwork = \"regtest\"\n[esplora]\nserver_url = \"http://127.0.0.1:1\"\n[cln]\n";

    fn plugins(section: &str) -> Result<Option<PluginsConfig>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("{NODE}{section}\n")).unwrap();
        let args = Args::try_parse_from([Path::new("ldk-server"), file.path()]).unwrap();
        Config::load(&args).map(|config| config.cln_plugins).map_err(|error| error.to_string())
    }

    #[test]
    fn a_plugin_is_a_program_that_only_its_owner_changes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let section = format!("rpc_file = \"lightning-rpc\"\nplugins = [\"{path}\"]");
        let allow = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let check = |section: &str| {
            let found = plugins(section).unwrap().unwrap();
            found.check().map_err(|error| error.to_string())
        };
        for (mode, reason) in [(0o600, "is not executable"), (0o775, "written by others")] {
            allow(mode);
            let refused = check(&section).unwrap_err();
            assert!(refused.contains("cln.plugins: ") && refused.contains(reason), "{refused}");
        }
        allow(0o755);
        check(&section).unwrap();
        for (path, reason) in [("/bin", "is not a file"), ("/nonexistent", "cannot be used")] {
            let section = format!("rpc_file = \"rpc\"\nplugins = [\"{path}\"]");
            let refused = check(&section).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
        let options = format!("{section}\nplugin_options = [\"greeting=Ciao=a\"]");
        let found = plugins(&options).unwrap().unwrap();
        assert_eq!(found.paths, [Path::new(&path)]);
        assert_eq!(found.options, [("greeting".to_owned(), "Ciao=a".to_owned())]);
        assert!(found.rpc_file.ends_with("regtest/lightning-rpc"), "{:?}", found.rpc_file);
    }

    #[test]
    fn what_cannot_be_a_plugin_is_refused() {
        assert!(plugins("").unwrap().is_none());
        for (section, reason) in [
            ("plugins = [\"/bin/true\"]", "set cln.rpc_file"),
            ("rpc_file = \"rpc\"\nplugins = [\"true\"]", "must be an absolute path"),
            ("plugin_options = [\"a=b\"]", "set cln.plugins"),
            (
                "rpc_file = \"rpc\"\nplugins = [\"/bin/true\"]\nplugin_options = [\"hunter2\"]",
                "NAME=VALUE",
            ),
        ] {
            let refused = plugins(section).unwrap_err();
            assert!(refused.contains(reason) && !refused.contains("hunter2"), "{refused}");
        }
    }
}
