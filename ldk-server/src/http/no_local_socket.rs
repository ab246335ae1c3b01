//! There are no Unix sockets on this system, and the configuration refuses to name one.

use std::io;

use super::identity::LocalUser;
use crate::config::UnixSocketConfig;

/// None can be made.
pub(super) enum LocalSocket {}

/// None is ever accepted.
pub(super) type LocalStream = tokio::io::DuplexStream;

/// Nobody is let in.
#[derive(Clone)]
pub(super) enum AccessRule {}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[error("node.unix_socket: this system has no Unix sockets")]
pub struct LocalSocketError;

impl LocalSocket {
    pub(super) fn bind(_: &UnixSocketConfig) -> Result<Self, LocalSocketError> {
        Err(LocalSocketError)
    }

    pub(super) async fn accept(&self) -> io::Result<LocalStream> {
        match *self {}
    }

    pub(super) fn access_rule(&self) -> AccessRule {
        match *self {}
    }
}

impl AccessRule {
    pub(super) fn judge(&self, _: &LocalStream) -> io::Result<(LocalUser, bool)> {
        match *self {}
    }
}
