//! The files of a server's own certificate authority, by the names that clients of Core Lightning know.

use std::path::{Path, PathBuf};

/// Where the files are: in the directory of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityFiles {
    /// The certificate of the authority, by which clients know the server.
    pub ca_cert: PathBuf,
    /// Its key, which issues certificates.
    pub ca_key: PathBuf,
    /// The certificates that were revoked.
    pub revoked: PathBuf,
    /// The certificate that the server presents.
    pub server_cert: PathBuf,
    /// Its key.
    pub server_key: PathBuf,
    /// The certificate of a client that may do everything.
    pub client_cert: PathBuf,
    /// Its key.
    pub client_key: PathBuf,
    /// The directory of all certificates that were issued to clients, without their keys.
    pub issued_dir: PathBuf,
}

impl AuthorityFiles {
    /// Those in this directory.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            ca_cert: dir.join("ca.pem"),
            ca_key: dir.join("ca-key.pem"),
            revoked: dir.join("crl.pem"),
            server_cert: dir.join("server.pem"),
            server_key: dir.join("server-key.pem"),
            client_cert: dir.join("client.pem"),
            client_key: dir.join("client-key.pem"),
            issued_dir: dir.join("client-certs"),
        }
    }
}
