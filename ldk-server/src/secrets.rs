//! The files a server makes once and then keeps: mnemonic, API key, certificate. Each is created
//! with its final permissions under a temporary name, synced, and only then given its own name, so
//! that it is there whole or not at all, and an existing one is never overwritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use ldk_node::bip39::Mnemonic;
use ldk_node::config::WALLET_KEYS_SEED_LEN;
use ldk_node::{WordCount, generate_entropy_mnemonic};
use ldk_server_grpc::places;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::backup::Keys;
use crate::config::TlsConfig;

const API_KEY_BYTES: usize = 32;
const MNEMONIC_WORDS: usize = 24;
const MNEMONIC_FILE: &str = "keys_mnemonic";
const SEED_FILE: &str = "keys_seed";
/// What the file of the node's keys may be called.
pub const KEY_FILES: [&str; 2] = [MNEMONIC_FILE, SEED_FILE];

/// A file that could not be made or used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct SecretError {
    path: PathBuf,
    reason: String,
}

impl SecretError {
    fn new(path: &Path, reason: impl ToString) -> Self {
        Self { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// What all keys of the node are derived from.
pub enum Entropy {
    /// 24 words, as new nodes have.
    Mnemonic(Mnemonic),
    /// 64 raw bytes, as older nodes have.
    Seed(Zeroizing<[u8; WALLET_KEYS_SEED_LEN]>),
}

/// Reads the entropy of `storage_dir`, or makes a mnemonic if there is none.
pub fn entropy(storage_dir: &Path) -> Result<Entropy, SecretError> {
    let mnemonic_path = storage_dir.join(MNEMONIC_FILE);
    let seed_path = storage_dir.join(SEED_FILE);
    match (exists(&mnemonic_path)?, exists(&seed_path)?) {
        (true, true) => Err(SecretError::new(
            &mnemonic_path,
            "found beside keys_seed; only one of the two may exist: move away the one that does \
             not belong to this node",
        )),
        (false, true) => read_seed(&seed_path),
        (true, false) => read_mnemonic(&mnemonic_path),
        (false, false) => {
            let mnemonic = generate_entropy_mnemonic(Some(WordCount::Words24));
            let text = Zeroizing::new(format!("{mnemonic}\n"));
            create_once(&mnemonic_path, text.as_bytes(), 0o600)?;
            Ok(Entropy::Mnemonic(mnemonic))
        },
    }
}

/// The file of the node's keys, if there is one.
pub fn keys(storage_dir: &Path) -> Result<Option<Keys>, SecretError> {
    for name in KEY_FILES {
        let path = storage_dir.join(name);
        if exists(&path)? {
            return Ok(Some(Keys { name, bytes: Zeroizing::new(read(&path)?) }));
        }
    }
    Ok(None)
}

/// Writes the file of the node's keys, which must not exist.
pub fn write_keys(storage_dir: &Path, keys: &Keys) -> Result<(), SecretError> {
    create_once(&storage_dir.join(keys.name), &keys.bytes, 0o600)
}

fn read_mnemonic(path: &Path) -> Result<Entropy, SecretError> {
    let text = Zeroizing::new(read(path)?);
    let text = std::str::from_utf8(&text).ok().map(str::trim);
    // The parser's own error quotes positions in the words, which are secret.
    let mnemonic = text.and_then(|text| Mnemonic::from_str(text).ok()).ok_or_else(|| {
        SecretError::new(path, "is not a valid BIP 39 mnemonic; restore it from your backup")
    })?;
    if mnemonic.word_count() != MNEMONIC_WORDS {
        let reason = format!("has {} words; expected {MNEMONIC_WORDS}", mnemonic.word_count());
        return Err(SecretError::new(path, reason));
    }
    Ok(Entropy::Mnemonic(mnemonic))
}

fn read_seed(path: &Path) -> Result<Entropy, SecretError> {
    let bytes = Zeroizing::new(read(path)?);
    let seed = bytes.as_slice().try_into().map_err(|_| {
        let reason = format!("has {} bytes; expected {WALLET_KEYS_SEED_LEN}", bytes.len());
        SecretError::new(path, reason)
    })?;
    Ok(Entropy::Seed(Zeroizing::new(seed)))
}

/// Reads the API key of `network`, or makes one, and returns its text.
pub fn api_key(storage_dir: &Path, network: &str) -> Result<Zeroizing<String>, SecretError> {
    let path = places::api_key_file(storage_dir, network);
    if !exists(&path)? {
        let key = Zeroizing::new(rand::random::<[u8; API_KEY_BYTES]>());
        create_once(&path, key.as_slice(), 0o400)?;
    }
    let bytes = Zeroizing::new(read(&path)?);
    if bytes.len() != API_KEY_BYTES {
        let reason = format!(
            "has {} bytes; expected {API_KEY_BYTES}. Remove it to have a new key made",
            bytes.len()
        );
        return Err(SecretError::new(&path, reason));
    }
    Ok(Zeroizing::new(hex::encode(bytes.as_slice())))
}

/// Reads the certificate chain of the gRPC service and its key, or makes a self-signed pair if
/// neither exists.
pub fn identity(tls: &TlsConfig) -> Result<CertifiedKey, SecretError> {
    match (exists(&tls.cert_path)?, exists(&tls.key_path)?) {
        (false, false) => make_identity(tls)?,
        (true, true) => {},
        (true, false) => return Err(lone_file(&tls.key_path, &tls.cert_path)),
        // The certificate is written last, so a start that was cut short leaves its key alone.
        (false, true) => make_certificate(tls, &read_key_pair(&tls.key_path)?)?,
    }
    read_identity(tls)
}

fn lone_file(missing: &Path, found: &Path) -> SecretError {
    let reason = format!(
        "is missing, but {} exists; restore it, or remove the other to have both made anew",
        found.display()
    );
    SecretError::new(missing, reason)
}

fn read_identity(tls: &TlsConfig) -> Result<CertifiedKey, SecretError> {
    let certificates = CertificateDer::pem_slice_iter(&read(&tls.cert_path)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| SecretError::new(&tls.cert_path, "holds no PEM certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&Zeroizing::new(read(&tls.key_path)?))
        .map_err(|_| SecretError::new(&tls.key_path, "holds no PEM private key"))?;
    let provider = rustls::crypto::ring::default_provider();
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
    })
}

fn make_identity(tls: &TlsConfig) -> Result<(), SecretError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .map_err(|error| SecretError::new(&tls.key_path, error))?;
    let key_pem = Zeroizing::new(key.serialize_pem());
    create_once(&tls.key_path, key_pem.as_bytes(), 0o400)?;
    make_certificate(tls, &key)
}

fn make_certificate(tls: &TlsConfig, key: &KeyPair) -> Result<(), SecretError> {
    let failed = |error: rcgen::Error| SecretError::new(&tls.cert_path, error);
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    for host in &tls.hosts {
        if !hosts.contains(host) {
            hosts.push(host.clone());
        }
    }
    let mut params = CertificateParams::new(hosts).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    let certificate = params.self_signed(key).map_err(failed)?;
    create_once(&tls.cert_path, certificate.pem().as_bytes(), 0o644)
}

fn read_key_pair(path: &Path) -> Result<KeyPair, SecretError> {
    let pem = Zeroizing::new(read(path)?);
    std::str::from_utf8(&pem)
        .ok()
        .and_then(|pem| KeyPair::from_pem(pem).ok())
        .ok_or_else(|| SecretError::new(path, "holds no PKCS#8 PEM private key"))
}

fn exists(path: &Path) -> Result<bool, SecretError> {
    path.try_exists().map_err(|error| SecretError::new(path, error))
}

fn read(path: &Path) -> Result<Vec<u8>, SecretError> {
    fs::read(path).map_err(|error| SecretError::new(path, format!("cannot be read: {error}")))
}

/// Makes `path` with `bytes` and `mode`, durably, or changes nothing.
fn create_once(path: &Path, bytes: &[u8], mode: u32) -> Result<(), SecretError> {
    let failed = |error: io::Error| SecretError::new(path, format!("cannot be written: {error}"));
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);

    let written = write_synced(&partial, bytes, mode)
        // A hard link fails where the name is taken, which a rename would not.
        .and_then(|()| fs::hard_link(&partial, path))
        .and_then(|()| File::open(dir)?.sync_all());
    let removed = fs::remove_file(&partial);
    written.and(removed).map_err(failed)
}

fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path)?;
    // The mode at creation is subject to the umask.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
