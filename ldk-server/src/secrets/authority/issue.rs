//! Certificates for clients: issued once, and kept without their keys so that they can be listed.

use std::fs;
use std::io;
use std::path::Path;

use ldk_server_grpc::AuthorityFiles;
use ldk_server_grpc::rune::{Restriction, RuneError};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::time::ASN1Time;
use zeroize::Zeroizing;

use super::client::restrictions_extension;
use super::{
    CERTIFICATE_MODE, ClientCertificate, EXAMPLE_CLIENT, KEY_MODE, Revoked, ca_certificate,
    common_params, issuer, new_key,
};
use crate::clock::unix_secs;
use crate::secrets::SecretError;
use crate::secrets::files::{create_once, exists, read};

/// A name is a part of the name of a file.
const MAX_NAME_CHARS: usize = 48;
/// Ten years.
const MAX_DAYS: u32 = 3653;
const DAY_SECS: i64 = 24 * 60 * 60;
/// The clock of who checks may be behind.
const EARLIER_SECS: i64 = 5 * 60;

/// A certificate that was issued to a client, with its key, of which there is no other copy.
#[derive(Debug)]
pub struct Issued {
    /// What it says.
    pub certificate: ClientCertificate,
    /// The certificate, in PEM.
    pub cert_pem: String,
    /// Its key, in PEM.
    pub key_pem: Zeroizing<String>,
}

/// A certificate that was issued before.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it says.
    pub certificate: ClientCertificate,
    /// Whether it was revoked.
    pub is_revoked: bool,
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// No client can be called so.
    #[error(
        "name: \"{0}\" must have 1 to {MAX_NAME_CHARS} of the characters a-z, A-Z, 0-9, \"-\", \"_\" \
         and \".\", and not begin with \".\""
    )]
    Name(String),
    /// Not for so long.
    #[error("days: {0} is out of range; accepted are 1 to {MAX_DAYS}")]
    Days(u32),
    /// They are no restrictions of a rune.
    #[error("restrictions: {0}")]
    Restrictions(#[from] RuneError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Issues a certificate to a client with this name, valid for so many days from now. Several may have
/// one name, so that one can be replaced by the next while both are in use.
pub(crate) fn issue(
    files: &AuthorityFiles,
    name: &str,
    restrictions: Option<&str>,
    days: u32,
) -> Result<Issued, IssueError> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name = (1..=MAX_NAME_CHARS).contains(&name.len()) && name.chars().all(is_part);
    if !is_name || name.starts_with('.') {
        return Err(IssueError::Name(name.to_owned()));
    }
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(IssueError::Days(days));
    }
    let mut params = client_params(name);
    if let Some(restrictions) = restrictions {
        Restriction::parse_list(restrictions)?;
        let extension = restrictions_extension(restrictions)
            .map_err(|error| SecretError::new(&files.issued_dir, error))?;
        params.custom_extensions.push(extension);
    }
    params.not_before = from_now(files, -EARLIER_SECS)?.to_datetime();
    params.not_after = from_now(files, i64::from(days) * DAY_SECS)?.to_datetime();
    Ok(issue_as(files, &issuer(files)?, &params)?)
}

/// Issues the example, which may do everything and is valid as long as the authority.
pub(super) fn issue_example(
    files: &AuthorityFiles,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<(), SecretError> {
    let Issued { cert_pem, key_pem, .. } = issue_as(files, issuer, &client_params(EXAMPLE_CLIENT))?;
    // What a start left behind that was cut short is the key of no certificate.
    if exists(&files.client_key)? {
        fs::remove_file(&files.client_key)
            .map_err(|error| SecretError::new(&files.client_key, error))?;
    }
    create_once(&files.client_key, key_pem.as_bytes(), KEY_MODE)?;
    create_once(&files.client_cert, cert_pem.as_bytes(), CERTIFICATE_MODE)
}

fn client_params(name: &str) -> CertificateParams {
    let mut params = common_params(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

/// A time that is so many seconds from now.
fn from_now(files: &AuthorityFiles, secs: i64) -> Result<ASN1Time, SecretError> {
    let now_secs = i64::try_from(unix_secs()).unwrap_or(i64::MAX);
    ASN1Time::from_timestamp(now_secs.saturating_add(secs))
        .map_err(|error| SecretError::new(&files.issued_dir, error))
}

/// Signs a certificate, and keeps it without its key.
fn issue_as(
    files: &AuthorityFiles,
    issuer: &Issuer<'_, KeyPair>,
    params: &CertificateParams,
) -> Result<Issued, SecretError> {
    let key = new_key(&files.issued_dir)?;
    let signed = params
        .signed_by(&key, issuer)
        .map_err(|error| SecretError::new(&files.issued_dir, error))?;
    let certificate = ClientCertificate::of(signed.der())
        .map_err(|error| SecretError::new(&files.issued_dir, error))?;
    let ClientCertificate { name, serial, .. } = &certificate;
    let file = issued_dir(files)?.join(format!("{name}-{serial}.pem"));
    let cert_pem = signed.pem();
    create_once(&file, cert_pem.as_bytes(), CERTIFICATE_MODE)?;
    Ok(Issued { certificate, cert_pem, key_pem: Zeroizing::new(key.serialize_pem()) })
}

/// All certificates that were issued to clients, by name and then from the oldest.
pub(crate) fn list(files: &AuthorityFiles) -> Result<Vec<Listed>, SecretError> {
    let revoked = Revoked::read(files, &ca_certificate(files)?)?;
    let failed = |error: io::Error| SecretError::new(&files.issued_dir, error);
    let mut listed = Vec::new();
    for entry in fs::read_dir(issued_dir(files)?).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            let certificate = kept(&path)?;
            let is_revoked = revoked.has(&certificate.serial);
            listed.push(Listed { certificate, is_revoked });
        }
    }
    listed.sort_by(|Listed { certificate: one, .. }, Listed { certificate: other, .. }| {
        let key = |it: &ClientCertificate| (it.name.clone(), it.valid_from_secs, it.serial.clone());
        key(one).cmp(&key(other))
    });
    Ok(listed)
}

fn kept(path: &Path) -> Result<ClientCertificate, SecretError> {
    let certificate = CertificateDer::from_pem_slice(&read(path)?)
        .map_err(|_| SecretError::new(path, "holds no PEM certificate"))?;
    ClientCertificate::of(&certificate).map_err(|error| SecretError::new(path, error))
}

/// The directory of what was issued, made if it is missing.
fn issued_dir(files: &AuthorityFiles) -> Result<&Path, SecretError> {
    let dir = &files.issued_dir;
    if !exists(dir)? {
        fs::create_dir(dir)
            .map_err(|error| SecretError::new(dir, format!("cannot be made: {error}")))?;
    }
    Ok(dir)
}
