//! The certificates that are not to be accepted any more: the revocation list of the authority (RFC
//! 5280, section 5).

use std::collections::BTreeMap;
use std::sync::Arc;

use ldk_server_grpc::AuthorityFiles;
use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::error::X509Error;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::time::ASN1Time;

use super::client::serial;
use super::{CERTIFICATE_MODE, ca_certificate, issuer, list};
use crate::clock::unix_secs;
use crate::secrets::files::{create_once, read, replace};
use crate::secrets::{SecretError, x509};

/// The certificates that were revoked. Clones share them.
#[derive(Clone, Debug)]
pub struct Revoked {
    list: Arc<CertificateRevocationListDer<'static>>,
    /// When each was revoked, by its serial number in hex.
    times: Arc<BTreeMap<String, ASN1Time>>,
}

/// Why a certificate cannot be revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// Nothing was issued under this name or number.
    #[error(
        "\"{0}\" is neither the name nor the serial number of a certificate that was issued here"
    )]
    Unknown(String),
    /// The list cannot be read or written.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl Revoked {
    /// Reads the list, which must be of the authority with this certificate.
    pub(super) fn read(
        files: &AuthorityFiles,
        ca_cert: &CertificateDer<'_>,
    ) -> Result<Self, SecretError> {
        let refused = |reason: &str| SecretError::new(&files.revoked, reason);
        let list = CertificateRevocationListDer::from_pem_slice(&read(&files.revoked)?)
            .map_err(|_| refused("holds no PEM revocation list"))?;
        let times = times(&list, ca_cert)
            .map_err(|_| refused("is not a revocation list that ca.pem has signed; restore it"))?;
        Ok(Self { list: Arc::new(list), times: Arc::new(times) })
    }

    /// The list as the authority has signed it.
    pub(super) fn list(&self) -> CertificateRevocationListDer<'static> {
        CertificateRevocationListDer::clone(&self.list)
    }

    /// Whether the certificate with this number, in hex, is among them.
    pub(crate) fn has(&self, serial: &str) -> bool {
        self.times.contains_key(serial)
    }
}

fn times(
    list: &[u8],
    ca_cert: &CertificateDer<'_>,
) -> Result<BTreeMap<String, ASN1Time>, X509Error> {
    let (_, list) = CertificateRevocationList::from_der(list)?;
    list.verify_signature(x509::certificate(ca_cert)?.public_key())?;
    let entries = list.iter_revoked_certificates();
    Ok(entries.map(|entry| (serial(entry.raw_serial()), entry.revocation_date)).collect())
}

pub(super) fn write_empty(
    files: &AuthorityFiles,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<(), SecretError> {
    let text = signed(files, issuer, &BTreeMap::new())?;
    create_once(&files.revoked, text.as_bytes(), CERTIFICATE_MODE)
}

/// Revokes what was issued under this name, or the one certificate with this serial number, durably;
/// returns the serial numbers. Nobody else may revoke at the same time.
pub(crate) fn revoke(
    files: &AuthorityFiles,
    name_or_serial: &str,
) -> Result<(Vec<String>, Revoked), RevokeError> {
    let found = found(files, name_or_serial)?;
    let ca_cert = ca_certificate(files)?;
    let mut times = Revoked::read(files, &ca_cert)?.times.as_ref().clone();
    for serial in &found {
        times.entry(serial.clone()).or_insert(now(files)?);
    }
    let text = signed(files, &issuer(files)?, &times)?;
    replace(&files.revoked, text.as_bytes(), CERTIFICATE_MODE)?;
    Ok((found, Revoked::read(files, &ca_cert)?))
}

fn found(files: &AuthorityFiles, name_or_serial: &str) -> Result<Vec<String>, RevokeError> {
    let issued = list(files)?;
    let serials: Vec<_> = issued
        .into_iter()
        .map(|listed| listed.certificate)
        .filter(|one| one.name == name_or_serial || one.serial.eq_ignore_ascii_case(name_or_serial))
        .map(|one| one.serial)
        .collect();
    if serials.is_empty() {
        return Err(RevokeError::Unknown(name_or_serial.to_owned()));
    }
    Ok(serials)
}

fn now(files: &AuthorityFiles) -> Result<ASN1Time, SecretError> {
    let now_secs = i64::try_from(unix_secs()).unwrap_or(i64::MAX);
    ASN1Time::from_timestamp(now_secs).map_err(|error| SecretError::new(&files.revoked, error))
}

fn signed(
    files: &AuthorityFiles,
    issuer: &Issuer<'_, KeyPair>,
    times: &BTreeMap<String, ASN1Time>,
) -> Result<String, SecretError> {
    let failed = |error: rcgen::Error| SecretError::new(&files.revoked, error);
    let revoked_certs = times.iter().map(|(serial, time)| RevokedCertParams {
        // Made of bytes in the first place.
        serial_number: SerialNumber::from(hex::decode(serial).unwrap_or_default()),
        revocation_time: time.to_datetime(),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: now(files)?.to_datetime(),
        next_update: rcgen::date_time_ymd(2049, 12, 31),
        // It only grows.
        crl_number: SerialNumber::from(1 + times.len() as u64),
        issuing_distribution_point: None,
        revoked_certs: revoked_certs.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).and_then(|list| list.pem()).map_err(failed)
}
