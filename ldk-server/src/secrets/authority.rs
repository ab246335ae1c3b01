//! The server's own certificate authority, which issues the certificates that clients show.
//!
//! Nothing is kept beside the certificates: what a client may do is written in its certificate, which
//! nobody else can sign, and what was revoked is in the authority's revocation list.

mod client;
mod issue;
mod revoked;

use std::path::Path;
use std::sync::Arc;

use ldk_server_grpc::AuthorityFiles;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SerialNumber,
};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::SecretError;
use super::certificate::{hosts, read_key_pair};
use super::files::{create_once, exists, read};
use super::x509;
use crate::config::{ClientAuthConfig, TlsConfig};
pub use client::{ClientCertificate, ClientCertificateError};
pub use issue::{IssueError, Issued, Listed};
pub(crate) use issue::{issue, list};
pub(crate) use revoked::revoke;
pub use revoked::{RevokeError, Revoked};

const CA_NAME: &str = "ldk-server CA";
/// By which clients of Core Lightning know every server, whatever its address.
const SERVER_NAME: &str = "cln";
/// What the certificate that is made at first is called.
const EXAMPLE_CLIENT: &str = "client";
const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;
const SERIAL_BYTES: usize = 16;

/// Makes what is missing of the authority and of the certificate that it issues to the server.
pub(crate) fn prepare_authority(tls: &TlsConfig) -> Result<(), SecretError> {
    let Some(ClientAuthConfig { dir, .. }) = &tls.client_auth else { return Ok(()) };
    let files = AuthorityFiles::in_dir(dir);
    if !exists(&files.ca_cert)? {
        make(&files)?;
    }
    if tls.cert_path == files.server_cert && !exists(&files.server_cert)? {
        issue_to_server(tls, &files)?;
    }
    Ok(())
}

/// Makes the authority, an empty revocation list and an example of a client. The certificate of the
/// authority is written last, so that a start which was cut short is completed by the next.
fn make(files: &AuthorityFiles) -> Result<(), SecretError> {
    let failed = |error: rcgen::Error| SecretError::new(&files.ca_cert, error);
    let key = key_or_new(&files.ca_key)?;
    let params = ca_params();
    let certificate = params.self_signed(&key).map_err(failed)?;
    let issuer = Issuer::new(params, key);
    if !exists(&files.revoked)? {
        revoked::write_empty(files, &issuer)?;
    }
    if !exists(&files.client_cert)? {
        issue::issue_example(files, &issuer)?;
    }
    create_once(&files.ca_cert, certificate.pem().as_bytes(), CERTIFICATE_MODE)
}

fn ca_params() -> CertificateParams {
    let mut params = common_params(CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn issue_to_server(tls: &TlsConfig, files: &AuthorityFiles) -> Result<(), SecretError> {
    let failed = |error: rcgen::Error| SecretError::new(&files.server_cert, error);
    let issuer = issuer(files)?;
    let key = key_or_new(&tls.key_path)?;
    let mut names = hosts(tls);
    names.push(SERVER_NAME.to_owned());
    let mut params = common_params(SERVER_NAME);
    params.subject_alt_names = CertificateParams::new(names).map_err(failed)?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
    create_once(&files.server_cert, certificate.pem().as_bytes(), CERTIFICATE_MODE)
}

/// What all certificates made here have in common.
fn common_params(name: &str) -> CertificateParams {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    // Positive, and of the same length each time.
    let mut serial = rand::random::<[u8; SERIAL_BYTES]>();
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    params
}

/// The authority, to sign with.
fn issuer(files: &AuthorityFiles) -> Result<Issuer<'static, KeyPair>, SecretError> {
    if !exists(&files.ca_key)? {
        let reason = "is missing; without it no certificate can be issued, renewed or revoked";
        return Err(SecretError::new(&files.ca_key, reason));
    }
    let key = read_key_pair(&files.ca_key)?;
    let ca_cert = ca_certificate(files)?;
    let parsed = x509::certificate(&ca_cert)
        .map_err(|error| SecretError::new(&files.ca_cert, format!("cannot be read: {error}")))?;
    if parsed.public_key().raw != key.subject_public_key_info() {
        let reason = format!("does not belong to the certificate {}", files.ca_cert.display());
        return Err(SecretError::new(&files.ca_key, reason));
    }
    Issuer::from_ca_cert_der(&ca_cert, key).map_err(|error| SecretError::new(&files.ca_cert, error))
}

fn ca_certificate(files: &AuthorityFiles) -> Result<CertificateDer<'static>, SecretError> {
    CertificateDer::from_pem_slice(&read(&files.ca_cert)?)
        .map_err(|_| SecretError::new(&files.ca_cert, "holds no PEM certificate"))
}

fn key_or_new(path: &Path) -> Result<KeyPair, SecretError> {
    if exists(path)? {
        return read_key_pair(path);
    }
    let key = new_key(path)?;
    let pem = Zeroizing::new(key.serialize_pem());
    create_once(path, pem.as_bytes(), KEY_MODE)?;
    Ok(key)
}

fn new_key(path: &Path) -> Result<KeyPair, SecretError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| SecretError::new(path, error))
}

/// What the certificates of clients are checked with, and which of them were revoked.
pub(crate) fn client_verifier(
    client_auth: &ClientAuthConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, Revoked), SecretError> {
    let files = AuthorityFiles::in_dir(&client_auth.dir);
    let unusable =
        |error: &dyn std::fmt::Display| SecretError::new(&files.ca_cert, error.to_string());
    let ca_cert = ca_certificate(&files)?;
    let revoked = Revoked::read(&files, &ca_cert)?;
    let mut roots = RootCertStore::empty();
    roots.add(ca_cert).map_err(|error| unusable(&error))?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .with_crls([revoked.list()]);
    let verifier =
        if client_auth.is_required { verifier } else { verifier.allow_unauthenticated() };
    Ok((verifier.build().map_err(|error| unusable(&error))?, revoked))
}

#[cfg(test)]
mod tests;
