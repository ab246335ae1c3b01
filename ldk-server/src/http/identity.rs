//! Who is at the other side of a connection, as the connection itself tells.

use std::fmt;

use crate::local_socket::LocalUser;
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

/// As the log has it.
impl fmt::Display for ConnectionIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientCertificate(client) => write!(formatter, "certificate {}", client.name),
            Self::LocalUser(user) => write!(formatter, "user {}", user.uid),
        }
    }
}
