//! Reads a few fields of certificates and checks nothing. The TLS library checks certificates but does
//! not return their dates and names.

use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

/// A few fields of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The first second it is valid in, in Unix time.
    pub(super) valid_from_secs: u64,
    /// The last second it is valid in, in Unix time.
    pub(super) expires_at_secs: u64,
    /// Whether issuer and subject are the same.
    pub(super) is_self_issued: bool,
}

impl Facts {
    /// Reads a certificate in DER.
    pub(super) fn of(der: &[u8]) -> Result<Self, X509Error> {
        let certificate = certificate(der)?;
        let validity = certificate.validity();
        Ok(Self {
            valid_from_secs: unix_secs(validity.not_before),
            expires_at_secs: unix_secs(validity.not_after),
            is_self_issued: certificate.issuer() == certificate.subject(),
        })
    }
}

/// A whole certificate in DER, and nothing after it.
pub(super) fn certificate(der: &[u8]) -> Result<X509Certificate<'_>, X509Error> {
    match X509Certificate::from_der(der)? {
        (&[], certificate) => Ok(certificate),
        _ => Err(X509Error::InvalidCertificate),
    }
}

/// A date before 1970 counts as its first second.
pub(super) fn unix_secs(time: ASN1Time) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Facts::of(&bytes);
        }
    }
}
