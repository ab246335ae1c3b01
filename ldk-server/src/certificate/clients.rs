//! The certificates of clients: issued, listed and revoked while the server runs.

use std::sync::{Arc, Mutex, PoisonError};

use ldk_server_grpc::AuthorityFiles;

use super::Certificate;
use crate::secrets::{self, IssueError, Issued, Listed, RevokeError, SecretError};

/// The certificates of clients. Clones are the same. What it does reads and writes files, and so
/// belongs on a blocking thread.
#[derive(Clone)]
pub struct ClientCertificates {
    certificate: Certificate,
    files: AuthorityFiles,
    /// Held by whoever writes the revocation list.
    revoking: Arc<Mutex<()>>,
}

impl ClientCertificates {
    /// Those that are checked with this certificate's authority; none if clients show no certificates.
    pub fn of(certificate: &Certificate) -> Option<Self> {
        let client_auth = certificate.0.tls.client_auth.as_ref()?;
        Some(Self {
            files: AuthorityFiles::in_dir(&client_auth.dir),
            certificate: certificate.clone(),
            revoking: Arc::default(),
        })
    }

    /// Issues a certificate to a client with this name, valid for so many days. Its restrictions, written as
    /// those of a rune, are in it for good.
    pub fn issue(
        &self,
        name: &str,
        restrictions: Option<&str>,
        days: u32,
    ) -> Result<Issued, IssueError> {
        secrets::issue(&self.files, name, restrictions, days)
    }

    /// All that were issued, by name and then from the oldest.
    pub fn list(&self) -> Result<Vec<Listed>, SecretError> {
        secrets::list(&self.files)
    }

    /// Revokes all with this name, or the one with this serial number, durably and from now on: new
    /// connections with it are refused, and those that are open end. Returns the serial numbers.
    pub fn revoke(&self, name_or_serial: &str) -> Result<Vec<String>, RevokeError> {
        let revoking = self.revoking.lock().unwrap_or_else(PoisonError::into_inner);
        let (serials, revoked) = secrets::revoke(&self.files, name_or_serial)?;
        self.certificate.revoke(revoked);
        drop(revoking);
        Ok(serials)
    }
}
