//! Why there is no connection to the server.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectFailure {
    #[error("cannot connect to {address}")]
    Unreachable { address: String, source: io::Error },
    #[error("the TLS certificate of {address} is not a pinned one, nor issued by one: {reason}")]
    NotPinned { address: String, reason: CertificateError },
    #[error("the TLS handshake with {address} failed")]
    Handshake { address: String, source: io::Error },
    #[error("no connection to {address} within {timeout:?}")]
    TimedOut { address: String, timeout: Duration },
}

impl ConnectFailure {
    /// The TLS handshake has failed.
    pub(crate) fn of_handshake(address: String, source: io::Error) -> Self {
        match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(reason)) => {
                Self::NotPinned { address, reason: reason.clone() }
            },
            _ => Self::Handshake { address, source },
        }
    }
}

/// Whether it was for its certificate that a server is not connected to.
pub(crate) fn is_not_pinned(error: &(dyn StdError + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(ConnectFailure::NotPinned { .. }))
}
