//! Who is at the other side of a connection, as the connection itself tells.

use std::fmt;

use crate::secrets::ClientCertificate;

/// Who is at the other side of a connection. Each of its requests has this in its extensions, in an
/// `Arc`, if the connection tells; what it may do is decided there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionIdentity {
    /// Somebody who has the key of a certificate that the server's own authority has issued.
    ClientCertificate(ClientCertificate),
    /// A process on this machine, which may use the Unix socket.
    LocalUser(LocalUser),
}

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

/// As the log has it.
impl fmt::Display for ConnectionIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientCertificate(client) => write!(formatter, "certificate {}", client.name),
            Self::LocalUser(user) => write!(formatter, "user {}", user.uid),
        }
    }
}
