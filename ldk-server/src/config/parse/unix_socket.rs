//! The socket for programs on this machine.

use std::path::Path;

use ldk_node::bitcoin::Network;
use ldk_server_grpc::places;

use crate::config::keys::{self, Key, Text};
use crate::config::values::Values;
use crate::config::{ConfigError, UnixSocketConfig};

const PATH: Key<Text> = keys::NODE_UNIX_SOCKET;
const GROUP: Key<Text> = keys::NODE_UNIX_SOCKET_GROUP;
/// What an address of a socket has room for, less the zero byte at its end (unix(7)).
const MAX_PATH_BYTES: usize = 107;

pub(in crate::config) fn unix_socket(
    values: &Values,
) -> Result<Option<UnixSocketConfig>, ConfigError> {
    let group = values.text(GROUP);
    let Some(path) = values.path(PATH) else {
        let alone = |_| Err(ConfigError::new(GROUP, "needs node.unix_socket to be set too"));
        return group.map_or(Ok(None), alone);
    };
    check(PATH, &path)?;
    let group = group.map(|group| group_id(&group)).transpose()?;
    Ok(Some(UnixSocketConfig { path, group }))
}

/// The socket for clients of Core Lightning, where only the user of the daemon is let in.
pub(in crate::config) fn cln_socket(
    values: &Values,
    storage_dir: &Path,
    network: Network,
) -> Result<Option<UnixSocketConfig>, ConfigError> {
    const KEY: Key<Text> = keys::CLN_RPC_FILE;
    let Some(given) = values.path(KEY) else { return Ok(None) };
    let is_name = given.components().count() == 1 && given.is_relative();
    let path = match is_name {
        true => places::network_dir(storage_dir, &network.to_string()).join(&given),
        false => given.clone(),
    };
    check(KEY, if given.as_os_str().is_empty() { &given } else { &path })?;
    Ok(Some(UnixSocketConfig { path, group: None }))
}

/// Checks that a socket can have this path.
fn check(key: Key<Text>, path: &Path) -> Result<(), ConfigError> {
    if !cfg!(unix) {
        return Err(ConfigError::new(key, "this system has no Unix sockets; remove the key"));
    }
    let bytes = path.as_os_str().len();
    if bytes == 0 {
        return Err(ConfigError::new(key, "must not be empty; remove the key for no socket"));
    }
    if bytes > MAX_PATH_BYTES {
        let shown = path.display();
        let reason = format!("\"{shown}\" has {bytes} bytes; at most {MAX_PATH_BYTES}");
        return Err(ConfigError::new(key, reason));
    }
    Ok(())
}

/// The number of a group that is given by its name or its number.
fn group_id(group: &str) -> Result<u32, ConfigError> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    const FILE: &str = "/etc/group";
    let refused = |reason| ConfigError::new(GROUP, format!("\"{group}\": {reason}"));
    let groups = std::fs::read_to_string(Path::new(FILE))
        .map_err(|error| refused(format!("cannot read {FILE}: {error}")))?;
    number_of(group, &groups).ok_or_else(|| {
        refused(format!(
            "is neither a group in {FILE} nor the number of one; groups of a directory \
                         service are given by number"
        ))
    })
}

/// The number of the group with this name (group(5)).
fn number_of(name: &str, groups: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        fields.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let groups = "root:x:0:\nshops:x:70:ann\nshop:x:71:ann,bob\nodd\n";
        assert_eq!(number_of("shop", groups), Some(71));
        assert_eq!(number_of("root", groups), Some(0));
        for name in ["sho", "odd", "x", ""] {
            assert_eq!(number_of(name, groups), None, "{name}");
        }
    }

    #[test]
    fn a_number_is_a_group_whether_it_has_a_name_or_not() {
        assert_eq!(group_id("65534").unwrap(), 65_534);
        let refused = group_id("no such group").unwrap_err().to_string();
        assert!(refused.contains("node.unix_socket_group: \"no such group\""), "{refused}");
    }
}
