//! A Unix socket: where it is, and whose processes may use it.
//!
//! The mode of the file decides who can connect. Whoever has connected is looked at once more, so that a
//! mode which somebody has changed lets nobody else in.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};

use super::LocalUser;
use crate::config::UnixSocketConfig;

/// A connection to the socket.
pub(crate) type LocalStream = UnixStream;

const OWN_MODE: u32 = 0o600;
const GROUP_MODE: u32 = 0o660;
const ROOT: u32 = 0;

/// The socket, whose file is removed when this is dropped.
pub(crate) struct LocalSocket {
    listener: UnixListener,
    access_rule: AccessRule,
}

/// Whose processes may use the socket.
#[derive(Clone)]
pub(crate) struct AccessRule {
    uid: u32,
    group: Option<u32>,
    file: Arc<SocketFile>,
}

/// The file of a socket that was bound here.
struct SocketFile {
    /// The key of the configuration that names it.
    key: &'static str,
    path: PathBuf,
    /// Its file system and number, which tell it from one that another daemon has put there since.
    id: (u64, u64),
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {}: {reason}", path.display())]
pub struct LocalSocketError {
    key: &'static str,
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("another process listens there; name another path")]
    InUse,
    #[error("is no socket; remove it, or name another path")]
    NoSocket,
    #[error("cannot give it to group {0}: {1}")]
    Group(u32, #[source] io::Error),
    #[error("cannot listen there: {0}")]
    Io(#[from] io::Error),
}

impl LocalSocket {
    /// Binds the socket that this key of the configuration names, in place of one that nobody listens at
    /// any more.
    pub(crate) fn bind(
        key: &'static str,
        config: &UnixSocketConfig,
    ) -> Result<Self, LocalSocketError> {
        let path = config.path.clone();
        Self::try_bind(key, config).map_err(|reason| LocalSocketError { key, path, reason })
    }

    fn try_bind(
        key: &'static str,
        UnixSocketConfig { path, group }: &UnixSocketConfig,
    ) -> Result<Self, Reason> {
        remove_stale(path)?;
        let listener = UnixListener::bind(path)?;
        let file = SocketFile::at(key, path)?;
        let mode = if group.is_some() { GROUP_MODE } else { OWN_MODE };
        if let Some(group) = *group {
            chown(path, None, Some(group)).map_err(|error| Reason::Group(group, error))?;
        }
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        let uid = rustix::process::geteuid().as_raw();
        let access_rule = AccessRule { uid, group: *group, file: Arc::new(file) };
        Ok(Self { listener, access_rule })
    }

    /// Waits for a connection.
    pub(crate) async fn accept(&self) -> io::Result<LocalStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    /// Whose processes may use it.
    pub(crate) fn access_rule(&self) -> AccessRule {
        self.access_rule.clone()
    }
}

/// Removes what a daemon has left that was killed.
fn remove_stale(path: &Path) -> Result<(), Reason> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => {},
        Ok(_) => return Err(Reason::NoSocket),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    match BlockingStream::connect(path) {
        Ok(_) => Err(Reason::InUse),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Ok(fs::remove_file(path)?)
        },
        Err(error) => Err(error.into()),
    }
}

impl SocketFile {
    fn at(key: &'static str, path: &Path) -> io::Result<Self> {
        let id = id(&fs::symlink_metadata(path)?);
        Ok(Self { key, path: path.to_owned(), id })
    }

    /// What the file is now, if it is there still.
    fn now(&self) -> Option<Metadata> {
        fs::symlink_metadata(&self.path).ok().filter(|there| id(there) == self.id)
    }

    /// Whether only members of this group can connect, and the user.
    fn is_kept_for(&self, group: u32) -> bool {
        const WRITTEN_BY_OTHERS: u32 = 0o002;
        self.now()
            .is_some_and(|there| there.gid() == group && there.mode() & WRITTEN_BY_OTHERS == 0)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.now().is_some()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("{}: {} stays: {error}", self.key, self.path.display());
        }
    }
}

fn id(there: &Metadata) -> (u64, u64) {
    (there.dev(), there.ino())
}

impl AccessRule {
    /// The process at the other side of a connection, and whether it may use the socket.
    pub(crate) fn judge(&self, stream: &LocalStream) -> io::Result<(LocalUser, bool)> {
        let credentials = stream.peer_cred()?;
        let user =
            LocalUser { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() };
        Ok((user, self.admits(user)))
    }

    fn admits(&self, user: LocalUser) -> bool {
        [self.uid, ROOT].contains(&user.uid)
            || self.group.is_some_and(|group| self.is_member(user, group))
    }

    /// Whether somebody who has connected is in the group: by the first of its groups, because nobody
    /// else can connect, or by another of its groups, which systemd may hide from the daemon.
    fn is_member(&self, user: LocalUser, group: u32) -> bool {
        user.gid == group
            || self.file.is_kept_for(group)
            || user.pid.is_some_and(|pid| is_in_group(pid, group))
    }
}

/// Whether a process has this group beside its first one. The number of a process may by now be that of
/// another, so this is only asked where somebody has changed the mode of the socket.
fn is_in_group(pid: i32, group: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    has_group(&status, group)
}

/// Whether the status of a process names this group (proc_pid_status(5)).
fn has_group(status: &str, group: u32) -> bool {
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:"));
    groups.is_some_and(|groups| groups.split_whitespace().any(|one| one.parse() == Ok(group)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "node.unix_socket";

    fn config(path: &Path) -> UnixSocketConfig {
        UnixSocketConfig { path: path.to_owned(), group: None }
    }

    fn refusal(path: &Path) -> String {
        LocalSocket::bind(KEY, &config(path)).map(|_| ()).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn the_socket_is_private_and_gone_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let socket = LocalSocket::bind(KEY, &config(&path)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(refusal(&path).contains("another process listens there"));
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn members_of_the_group_can_connect() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let group = Some(rustix::process::getegid().as_raw());
        let _socket = LocalSocket::bind(KEY, &UnixSocketConfig { group, ..config(&path) }).unwrap();
        let there = fs::metadata(&path).unwrap();
        assert_eq!((there.permissions().mode() & 0o777, Some(there.gid())), (0o660, group));
    }

    #[tokio::test]
    async fn what_a_killed_daemon_has_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = LocalSocket::bind(KEY, &config(&path)).unwrap();
        // Another daemon has taken the place, and its file is not ours to remove.
        fs::remove_file(&path).unwrap();
        let _second = LocalSocket::bind(KEY, &config(&path)).unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        fs::write(&path, "precious").unwrap();
        assert!(refusal(&path).contains("is no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert!(refusal(&dir.path().join("missing/node.sock")).contains("cannot listen there"));
    }

    #[tokio::test]
    async fn the_other_side_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let socket = LocalSocket::bind(KEY, &config(&path)).unwrap();
        let (accepted, connected) = tokio::join!(socket.accept(), UnixStream::connect(&path));
        let _connected = connected.unwrap();
        let (user, is_admitted) = socket.access_rule().judge(&accepted.unwrap()).unwrap();
        let uid = rustix::process::geteuid().as_raw();
        assert_eq!((user.uid, is_admitted), (uid, true));
        assert_eq!(user.pid, i32::try_from(std::process::id()).ok());
    }

    #[tokio::test]
    async fn others_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let gid = rustix::process::getegid().as_raw();
        let config = UnixSocketConfig { group: Some(gid), ..config(&path) };
        let socket = LocalSocket::bind(KEY, &config).unwrap();
        let with_group = AccessRule { uid: 1000, ..socket.access_rule() };
        let own = AccessRule { group: None, ..with_group.clone() };
        let admitted = |uid, gid| {
            [&own, &with_group].map(|rule| rule.admits(LocalUser { uid, gid, pid: None }))
        };
        for (mode, expected) in [(0o660, true), (0o666, false), (0o662, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(admitted(1000, 7), [true, true]);
            assert_eq!(admitted(0, 7), [true, true]);
            assert_eq!(admitted(1001, gid), [false, true]);
            // One of its other groups may be the one, or else it could not have connected.
            assert_eq!(admitted(1001, gid + 1), [false, expected], "{mode:o}");
        }
    }

    #[test]
    fn further_groups_of_a_process_count() {
        let status = "Name:\tcat\nGid:\t7\t7\t7\t7\nGroups:\t4 70 100 \nVmPeak:\t70 kB\n";
        assert!(has_group(status, 70) && has_group(status, 4) && has_group(status, 100));
        assert!(!has_group(status, 7) && !has_group(status, 0) && !has_group("", 70));
    }
}
