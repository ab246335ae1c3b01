//! Public keys that the library derives from the node's keys.

use std::io;

use ldk_node::bitcoin::bip32::{self, DerivationPath, Xpriv, Xpub};
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
}
