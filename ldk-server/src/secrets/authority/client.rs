//! What the certificate of a client says of it.

use rcgen::CustomExtension;
use x509_parser::asn1_rs::{FromDer as _, Oid, ToDer as _, Utf8String};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;

use crate::secrets::x509;

/// A name has no more (X.520, ub-common-name).
const MAX_NAME_BYTES: usize = 64;
/// The extension that restrictions are in. Nobody but the server that issued the certificate reads it,
/// so that the number need not be registered: it is a random one below the arc of UUIDs.
const RESTRICTIONS_OID: [u64; 3] = [2, 25, 7_315_904_621_187_362_415];

/// What the certificate of a client says of it. It is to be believed once the certificate was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// What the client is called: printable ASCII.
    pub name: String,
    /// The number of the certificate, in lower-case hex.
    pub serial: String,
    /// What the client may not do, as the restrictions of a rune are written; without them it may do
    /// everything.
    pub restrictions: Option<String>,
    /// The first second in which it is valid, in Unix time.
    pub valid_from_secs: u64,
    /// The last second in which it is valid, in Unix time.
    pub expires_at_secs: u64,
}

/// Why a certificate tells of no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientCertificateError {
    /// It is no certificate.
    #[error("the certificate cannot be read: {0}")]
    Unreadable(#[from] X509Error),
    /// It does not say who the client is.
    #[error(
        "the certificate needs one common name, of 1 to {MAX_NAME_BYTES} printable ASCII characters"
    )]
    Name,
    /// It has restrictions that cannot be read.
    #[error("the restrictions in the certificate cannot be read")]
    Restrictions,
}

impl ClientCertificate {
    /// Reads a certificate in DER.
    pub(crate) fn of(der: &[u8]) -> Result<Self, ClientCertificateError> {
        let certificate = x509::certificate(der)?;
        Ok(Self {
            name: name(&certificate)?,
            serial: serial(certificate.raw_serial()),
            restrictions: restrictions(&certificate)?,
            valid_from_secs: x509::unix_secs(certificate.validity().not_before),
            expires_at_secs: x509::unix_secs(certificate.validity().not_after),
        })
    }
}

fn name(certificate: &X509Certificate<'_>) -> Result<String, ClientCertificateError> {
    let mut names = certificate.subject().iter_common_name();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(ClientCertificateError::Name);
    };
    let name = name.as_str().map_err(|_| ClientCertificateError::Name)?;
    let is_printable = name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !is_printable {
        return Err(ClientCertificateError::Name);
    }
    Ok(name.to_owned())
}

/// The text of a serial number. In DER it begins with a zero byte if it would look negative otherwise.
pub(super) fn serial(raw: &[u8]) -> String {
    let zeros = raw.iter().take_while(|byte| **byte == 0).count();
    hex::encode(raw.get(zeros..).unwrap_or_default())
}

fn restrictions(
    certificate: &X509Certificate<'_>,
) -> Result<Option<String>, ClientCertificateError> {
    let unreadable = |_| ClientCertificateError::Restrictions;
    let oid = Oid::from(&RESTRICTIONS_OID).map_err(|_| ClientCertificateError::Restrictions)?;
    let Some(extension) = certificate.get_extension_unique(&oid)? else { return Ok(None) };
    let (left, text) = Utf8String::from_der(extension.value).map_err(unreadable)?;
    if !left.is_empty() {
        return Err(ClientCertificateError::Restrictions);
    }
    Ok(Some(text.string()))
}

/// The extension that holds these restrictions.
pub(super) fn restrictions_extension(
    restrictions: &str,
) -> Result<CustomExtension, ClientCertificateError> {
    let text = Utf8String::new(restrictions).to_der_vec();
    let text = text.map_err(|_| ClientCertificateError::Restrictions)?;
    Ok(CustomExtension::from_oid_content(&RESTRICTIONS_OID, text))
}
