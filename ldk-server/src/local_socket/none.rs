//! There are no Unix sockets on this system, and the configuration refuses to name one.

use std::io;

use super::LocalUser;
use crate::config::UnixSocketConfig;

/// None can be made.
pub(crate) enum LocalSocket {}

/// None is ever accepted.
pub(crate) type LocalStream = tokio::io::DuplexStream;

/// Nobody is let in.
#[derive(Clone)]
pub(crate) enum AccessRule {}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[error("{0}: this system has no Unix sockets")]
pub struct LocalSocketError(&'static str);

impl LocalSocket {
    pub(crate) fn bind(key: &'static str, _: &UnixSocketConfig) -> Result<Self, LocalSocketError> {
        Err(LocalSocketError(key))
    }

    pub(crate) async fn accept(&self) -> io::Result<LocalStream> {
        match *self {}
    }

    pub(crate) fn access_rule(&self) -> AccessRule {
        match *self {}
    }
}

impl AccessRule {
    pub(crate) fn judge(&self, _: &LocalStream) -> io::Result<(LocalUser, bool)> {
        match *self {}
    }
}
