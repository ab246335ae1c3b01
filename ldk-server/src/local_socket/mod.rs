//! Unix sockets, and the processes at their other side.

#[cfg(not(unix))]
mod none;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub use none::LocalSocketError;
#[cfg(not(unix))]
pub(crate) use none::{AccessRule, LocalSocket, LocalStream};
#[cfg(unix)]
pub use unix::LocalSocketError;
#[cfg(unix)]
pub(crate) use unix::{AccessRule, LocalSocket, LocalStream};

use crate::clock::LogThrottle;

/// A process at the other side of a Unix socket, as it was when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalUser {
    /// The number of its user.
    pub uid: u32,
    /// The number of its first group.
    pub gid: u32,
    /// Its own number, if the system tells.
    pub pid: Option<i32>,
}

/// Logs that a process without access has used a Unix socket, for the first in each minute.
pub(crate) fn log_refusal(key: &'static str, LocalUser { uid, gid, .. }: LocalUser) {
    static REFUSED: LogThrottle = LogThrottle::new();
    if let Some(refused) = REFUSED.count() {
        tracing::warn!(uid, gid, refused, "{key}: refused a process of another user");
    }
}
