//! Public keys that the library derives from the node's keys, and secrets that the server derives from them
//! for its callers.

use std::{fmt, io};

use ldk_node::bitcoin::bip32::{self, DerivationPath, Xpriv, Xpub};
use ldk_node::bitcoin::hashes::{Hash as _, HashEngine as _, Hmac, HmacEngine, sha256};
use ldk_node::bitcoin::secp256k1::{PublicKey, Secp256k1};
use ldk_node::bitcoin::{Network, NetworkKind};
use ldk_node::config::WALLET_KEYS_SEED_LEN;
use ldk_node::lightning::sign::{KeysManager, NodeSigner as _, Recipient};
use zeroize::Zeroizing;

use super::Entropy;
use crate::compat::wallet;

impl Entropy {
    fn seed(&self) -> Zeroizing<[u8; WALLET_KEYS_SEED_LEN]> {
        match self {
            Self::Mnemonic(mnemonic) => Zeroizing::new(mnemonic.to_seed("")),
            Self::Seed(seed) => seed.clone(),
        }
    }

    /// The node id, which is the same on every network.
    pub(crate) fn node_id(&self) -> io::Result<PublicKey> {
        let master = Xpriv::new_master(NetworkKind::Main, self.seed().as_slice());
        let master = master.map_err(io::Error::other)?;
        let seed = Zeroizing::new(master.private_key.secret_bytes());
        // The times do not affect the node id.
        let keys = KeysManager::new(&seed, 0, 0, true);
        let node_id = keys.get_node_id(Recipient::Node);
        node_id.map_err(|()| io::Error::other("the keys have no node id"))
    }

    /// The public key of the account that the on-chain wallet uses.
    pub(crate) fn wallet_key(&self, network: Network) -> Result<Xpub, bip32::Error> {
        let secp = Secp256k1::new();
        let master = Xpriv::new_master(network, self.seed().as_slice())?;
        let coin_type = u32::from(network != Network::Bitcoin);
        let path: DerivationPath = wallet::account_path(coin_type).parse()?;
        Ok(Xpub::from_priv(&secp, &master.derive_priv(&secp, &path)?))
    }
}

/// What the secrets of callers are derived from. It tells nothing of the node's keys.
pub struct DerivedSecrets(Zeroizing<[u8; SECRET_BYTES]>);

const SECRET_BYTES: usize = 32;
/// Keeps the secrets apart from whatever else is derived from the same seed. It must never change.
const CALLERS_LABEL: &[u8] = b"ldk-server/derived-secrets/v1";

impl Entropy {
    /// What the secrets of callers are derived from.
    pub(crate) fn derived_secrets(&self) -> DerivedSecrets {
        DerivedSecrets(hkdf(CALLERS_LABEL, self.seed().as_slice(), b""))
    }
}

impl DerivedSecrets {
    /// The secret of this name, always the same of one node.
    pub(crate) fn secret(&self, name: &[u8]) -> Zeroizing<[u8; SECRET_BYTES]> {
        hkdf(b"", self.0.as_slice(), name)
    }
}

impl fmt::Debug for DerivedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedSecrets")
    }
}

/// The first 32 bytes of HKDF with SHA-256 (RFC 5869), which are one block.
fn hkdf(salt: &[u8], key: &[u8], info: &[u8]) -> Zeroizing<[u8; SECRET_BYTES]> {
    let extracted = Zeroizing::new(hmac(salt, &[key]));
    Zeroizing::new(hmac(extracted.as_slice(), &[info, &[1]]))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; SECRET_BYTES] {
    let mut engine = HmacEngine::<sha256::Hash>::new(key);
    parts.iter().for_each(|part| engine.input(part));
    Hmac::from_engine(engine).to_byte_array()
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use ldk_node::bip39::Mnemonic;

    use super::*;

    /// The words, and what is derived from them, of the test vectors of BIP 84.
    #[test]
    fn the_wallet_is_that_of_bip_84() {
        let words = format!("{}about", "abandon ".repeat(11));
        let entropy = Entropy::Mnemonic(Mnemonic::from_str(&words).unwrap());
        let account = entropy.wallet_key(Network::Bitcoin).unwrap();
        // The same key as `zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSd\
        // VCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs`, which only begins in another way.
        let child = account
            .derive_pub(&Secp256k1::new(), &"m/0/0".parse::<DerivationPath>().unwrap())
            .unwrap();
        assert_eq!(
            child.public_key.to_string(),
            "0330d54fd0dd420a6e5f8d3624f5f3482cae350f79d5f0753bf5beef9c2d91af3c"
        );
        let record = format!("wpkh([73c5da0a/84'/0'/0']{account}/0/*)#checksum");
        assert!(wallet::is_of_key(record.as_bytes(), &account));
        let other = entropy.wallet_key(Network::Regtest).unwrap();
        assert!(!wallet::is_of_key(record.as_bytes(), &other));
    }

    /// The first block of the first test vector of RFC 5869.
    #[test]
    fn secrets_are_derived_as_rfc_5869_says() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let secret = hkdf(&salt, &[0x0b; 22], &info);
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf";
        assert_eq!(hex::encode(*secret), expected);
    }

    #[test]
    fn secrets_are_those_of_the_node_and_of_their_name() {
        let secrets = |byte| Entropy::Seed(Zeroizing::new([byte; 64])).derived_secrets();
        let (one, other) = (secrets(1), secrets(2));
        assert_eq!(one.secret(b"a"), secrets(1).secret(b"a"));
        assert_ne!(one.secret(b"a"), one.secret(b"b"));
        assert_ne!(one.secret(b"a"), other.secret(b"a"));
        assert_eq!(format!("{one:?}"), "DerivedSecrets");
    }
}
