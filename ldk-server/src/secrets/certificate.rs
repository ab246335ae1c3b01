//! The certificate of the gRPC service and its key.

use std::fmt;
use std::fs;
use std::path::Path;

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use zeroize::Zeroizing;

use super::SecretError;
use super::files::{create_once, exists, read, replace};
use super::x509::Facts;
use crate::clock::rfc_3339;
use crate::config::TlsConfig;

const SERIAL_BYTES: usize = 16;

/// A certificate chain with its key.
#[derive(Debug)]
pub struct Identity {
    /// The chain, its leaf first, and the key of the leaf.
    pub key: CertifiedKey,
    /// The last second in which the leaf is valid, in Unix time.
    pub expires_at_secs: u64,
    /// The names and addresses in the configuration that the leaf is not valid for.
    pub missing_hosts: Vec<String>,
}

/// Reads the certificate chain of the gRPC service and its key, or creates a self-signed pair if
/// neither exists.
pub fn identity(tls: &TlsConfig) -> Result<Identity, SecretError> {
    match (exists(&tls.cert_path)?, exists(&tls.key_path)?) {
        (false, false) => make_identity(tls)?,
        (true, true) => {},
        (true, false) => return Err(lone_file(&tls.key_path, &tls.cert_path)),
        // The certificate is written last, so an interrupted start leaves only the key.
        (false, true) => make_certificate(tls, &read_key_pair(&tls.key_path)?, create_once)?,
    }
    read_identity(tls)
}

fn lone_file(missing: &Path, found: &Path) -> SecretError {
    let reason = format!(
        "is missing, but {} exists; restore it, or remove the other to create both again",
        found.display()
    );
    SecretError::new(missing, reason)
}

/// Reads the certificate chain of the gRPC service and its key, which must both exist.
pub(crate) fn read_identity(tls: &TlsConfig) -> Result<Identity, SecretError> {
    let (certificates, facts) = read_chain(&tls.cert_path)?;
    let missing_hosts = certificates.first().map(|leaf| missing_hosts(leaf, tls));
    let key = PrivateKeyDer::from_pem_slice(&Zeroizing::new(read(&tls.key_path)?))
        .map_err(|_| SecretError::new(&tls.key_path, "holds no PEM private key"))?;
    let provider = rustls::crypto::ring::default_provider();
    let key =
        CertifiedKey::from_der(certificates, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                let certificate = tls.cert_path.display();
                SecretError::new(
                    &tls.key_path,
                    format!("does not belong to the certificate {certificate}"),
                )
            },
            rustls::Error::InvalidCertificate(error) => {
                SecretError::new(&tls.cert_path, format!("is not a valid certificate: {error}"))
            },
            error => SecretError::new(&tls.key_path, format!("cannot be used: {error}")),
        })?;
    let missing_hosts = missing_hosts.unwrap_or_default();
    Ok(Identity { key, expires_at_secs: facts.expires_at_secs, missing_hosts })
}

/// The names and addresses in the configuration that a certificate is not valid for. Clients on this
/// machine pin the certificate itself.
fn missing_hosts(leaf: &CertificateDer<'_>, tls: &TlsConfig) -> Vec<String> {
    // An unreadable certificate is refused elsewhere.
    let Ok(leaf) = ParsedCertificate::try_from(leaf) else { return Vec::new() };
    let is_valid_for = |host: &String| {
        let name = ServerName::try_from(host.as_str());
        name.is_ok_and(|name| verify_server_name(&leaf, &name).is_ok())
    };
    let listening = tls.listening.filter(|address| !address.is_loopback());
    let hosts = tls.hosts.iter().cloned().chain(listening.map(|address| address.to_string()));
    hosts.filter(|host| !is_valid_for(host)).collect()
}

/// The certificates of a file, and the facts of the first one.
fn read_chain(path: &Path) -> Result<(Vec<CertificateDer<'static>>, Facts), SecretError> {
    let certificates = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| SecretError::new(path, "holds no PEM certificate"))?;
    let Some(leaf) = certificates.first() else {
        return Err(SecretError::new(path, "holds no PEM certificate"));
    };
    let facts = Facts::of(leaf)
        .map_err(|error| SecretError::new(path, format!("is not a valid certificate: {error}")))?;
    Ok((certificates, facts))
}

fn make_identity(tls: &TlsConfig) -> Result<(), SecretError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .map_err(|error| SecretError::new(&tls.key_path, error))?;
    let key_pem = Zeroizing::new(key.serialize_pem());
    create_once(&tls.key_path, key_pem.as_bytes(), 0o400)?;
    make_certificate(tls, &key, create_once)
}

fn make_certificate(
    tls: &TlsConfig,
    key: &KeyPair,
    write: fn(&Path, &[u8], u32) -> Result<(), SecretError>,
) -> Result<(), SecretError> {
    let failed = |error: rcgen::Error| SecretError::new(&tls.cert_path, error);
    let mut params = CertificateParams::new(hosts(tls)).map_err(failed)?;
    // Certificates of one issuer must have different serial numbers, also after a renewal.
    params.serial_number = Some(SerialNumber::from_slice(&rand::random::<[u8; SERIAL_BYTES]>()));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    let certificate = params.self_signed(key).map_err(failed)?;
    write(&tls.cert_path, certificate.pem().as_bytes(), 0o644)
}

/// The names and addresses that a generated certificate is valid for.
fn hosts(tls: &TlsConfig) -> Vec<String> {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let listening = tls.listening.map(|address| address.to_string());
    for host in tls.hosts.iter().cloned().chain(listening) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// Creates another self-signed certificate for the current key and the hosts of the configuration.
/// Refuses to replace a certificate of another issuer.
pub fn renew_certificate(tls: &TlsConfig) -> Result<Renewed, SecretError> {
    read_identity(tls)?;
    // Resolves a symbolic link, so that the link stays.
    let cert_path = fs::canonicalize(&tls.cert_path)
        .map_err(|error| SecretError::new(&tls.cert_path, error))?;
    let (certificates, facts) = read_chain(&cert_path)?;
    if certificates.len() > 1 || !facts.is_self_issued {
        let reason =
            "was issued by an authority, and only that authority can renew it; nothing was changed";
        return Err(SecretError::new(&cert_path, reason));
    }
    let tls = TlsConfig { cert_path, ..tls.clone() };
    make_certificate(&tls, &read_key_pair(&tls.key_path)?, replace)?;
    let Identity { key, .. } = read_identity(&tls)?;
    let (_, Facts { valid_from_secs, expires_at_secs, .. }) = read_chain(&tls.cert_path)?;
    let digest = key.cert.first().map(|leaf| sha256::Hash::hash(leaf).to_byte_array());
    Ok(Renewed { tls, digest: digest.unwrap_or_default(), valid_from_secs, expires_at_secs })
}

/// A renewed certificate, to be displayed.
pub struct Renewed {
    tls: TlsConfig,
    digest: [u8; 32],
    valid_from_secs: u64,
    expires_at_secs: u64,
}

impl fmt::Display for Renewed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fingerprint = self.digest.map(|byte| format!("{byte:02X}")).join(":");
        writeln!(formatter, "certificate: {}", self.tls.cert_path.display())?;
        writeln!(formatter, "SHA-256 fingerprint: {fingerprint}")?;
        writeln!(formatter, "valid from: {}", rfc_3339(self.valid_from_secs))?;
        writeln!(formatter, "valid until: {}", rfc_3339(self.expires_at_secs))?;
        writeln!(formatter, "valid for: {}", hosts(&self.tls).join(", "))
    }
}

fn read_key_pair(path: &Path) -> Result<KeyPair, SecretError> {
    let pem = Zeroizing::new(read(path)?);
    std::str::from_utf8(&pem)
        .ok()
        .and_then(|pem| KeyPair::from_pem(pem).ok())
        .ok_or_else(|| SecretError::new(path, "holds no PKCS#8 PEM private key"))
}

#[cfg(test)]
mod tests;
