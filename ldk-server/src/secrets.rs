//! Files that a server creates once and then keeps: mnemonic, API key, certificate.

pub mod api_keys;
mod authority;
mod certificate;
mod derived;
mod files;
mod phoenix_conf;
mod x509;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use ldk_node::bip39::Mnemonic;
use ldk_node::config::WALLET_KEYS_SEED_LEN;
use ldk_node::{WordCount, generate_entropy_mnemonic};
use ldk_server_grpc::places;
use zeroize::Zeroizing;

pub use api_keys::NamedKey;
pub use authority::{
    ClientCertificate, ClientCertificateError, IssueError, Issued, Listed, RevokeError, Revoked,
};
pub(crate) use authority::{client_verifier, issue, list, prepare_authority, revoke};
pub(crate) use certificate::read_identity;
pub use certificate::{Identity, Renewed, identity, renew_certificate};
pub use derived::DerivedSecrets;
use files::{create_once, exists, read, replace};
pub(crate) use phoenix_conf::PhoenixConf;

const API_KEY_BYTES: usize = 32;
const RUNE_SECRET_BYTES: usize = 32;
const MNEMONIC_WORDS: usize = 24;
const MNEMONIC_FILE: &str = "keys_mnemonic";
const SEED_FILE: &str = "keys_seed";
/// The possible names of the file with the node's keys.
pub const KEY_FILES: [&str; 2] = [MNEMONIC_FILE, SEED_FILE];

/// Why a file with a secret cannot be created or used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct SecretError {
    path: PathBuf,
    #[source]
    reason: Box<dyn Error + Send + Sync>,
}

impl SecretError {
    /// The reason is a text or the error that caused this one.
    pub(crate) fn new(path: &Path, reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { path: path.to_owned(), reason: reason.into() }
    }
}

/// The secret that all keys of the node are derived from.
pub enum Entropy {
    /// A mnemonic of 24 words, as in new nodes.
    Mnemonic(Mnemonic),
    /// A seed of 64 bytes, as in older nodes.
    Seed(Zeroizing<[u8; WALLET_KEYS_SEED_LEN]>),
}

/// Reads the entropy in `storage_dir`, or creates a mnemonic if there is none.
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

/// The file with the node's keys.
pub struct Keys {
    /// The name of the file.
    pub name: &'static str,
    /// The content of the file.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Reads the file with the node's keys, if there is one.
pub fn keys(storage_dir: &Path) -> Result<Option<Keys>, SecretError> {
    for name in KEY_FILES {
        let path = storage_dir.join(name);
        if exists(&path)? {
            return Ok(Some(Keys { name, bytes: Zeroizing::new(read(&path)?) }));
        }
    }
    Ok(None)
}

/// Writes the file with the node's keys, which must not exist.
pub fn write_keys(storage_dir: &Path, keys: &Keys) -> Result<(), SecretError> {
    create_once(&storage_dir.join(keys.name), &keys.bytes, 0o600)
}

impl Entropy {
    /// Parses the file of a node's keys; errors name `path`.
    pub(crate) fn of(path: &Path, Keys { name, bytes }: &Keys) -> Result<Self, SecretError> {
        match *name {
            MNEMONIC_FILE => parse_mnemonic(path, bytes),
            _ => parse_seed(path, bytes),
        }
    }
}

fn read_mnemonic(path: &Path) -> Result<Entropy, SecretError> {
    parse_mnemonic(path, &Zeroizing::new(read(path)?))
}

fn parse_mnemonic(path: &Path, text: &[u8]) -> Result<Entropy, SecretError> {
    let text = std::str::from_utf8(text).ok().map(str::trim);
    // The parser's error would reveal positions of words, which are secret.
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
    parse_seed(path, &Zeroizing::new(read(path)?))
}

fn parse_seed(path: &Path, bytes: &[u8]) -> Result<Entropy, SecretError> {
    let seed = bytes.try_into().map_err(|_| {
        let reason = format!("has {} bytes; expected {WALLET_KEYS_SEED_LEN}", bytes.len());
        SecretError::new(path, reason)
    })?;
    Ok(Entropy::Seed(Zeroizing::new(seed)))
}

/// Reads the API key of `network`, or creates one, and returns it as hex.
pub fn api_key(storage_dir: &Path, network: &str) -> Result<Zeroizing<String>, SecretError> {
    let bytes = random_once::<API_KEY_BYTES>(&places::api_key_file(storage_dir, network))?;
    Ok(Zeroizing::new(hex::encode(bytes.as_slice())))
}

/// Puts another API key of `network` in the place of the one there is, and returns its text.
pub fn rotate_api_key(storage_dir: &Path, network: &str) -> Result<Zeroizing<String>, SecretError> {
    let key = Zeroizing::new(rand::random::<[u8; API_KEY_BYTES]>());
    replace(&places::api_key_file(storage_dir, network), key.as_slice(), 0o400)?;
    Ok(Zeroizing::new(hex::encode(key.as_slice())))
}

/// Reads the secret that runes of `network` are made with, or makes one.
pub fn rune_secret(
    storage_dir: &Path,
    network: &str,
) -> Result<Zeroizing<[u8; RUNE_SECRET_BYTES]>, SecretError> {
    random_once(&places::rune_secret_file(storage_dir, network))
}

/// Reads a file of random bytes, or makes it.
fn random_once<const N: usize>(path: &Path) -> Result<Zeroizing<[u8; N]>, SecretError> {
    if !exists(path)? {
        let bytes = Zeroizing::new(rand::random::<[u8; N]>());
        create_once(path, bytes.as_slice(), 0o400)?;
    }
    let bytes = Zeroizing::new(read(path)?);
    <[u8; N]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| {
        let reason =
            format!("has {} bytes; expected {N}. Remove it to have a new one made", bytes.len());
        SecretError::new(path, reason)
    })
}

#[cfg(test)]
mod tests;
