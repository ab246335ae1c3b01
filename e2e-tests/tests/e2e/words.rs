//! The on-chain wallet is that of the words, as any other wallet makes it of them (BIP 39, BIP 84).

use std::fs;

use anyhow::Result;
use e2e_tests::Network;
use ldk_node::bip39::Mnemonic;
use ldk_node::bitcoin::bip32::{DerivationPath, Xpriv, Xpub};
use ldk_node::bitcoin::secp256k1::Secp256k1;
use ldk_node::bitcoin::{Address, CompressedPublicKey, Network as Chain};

#[tokio::test(flavor = "multi_thread")]
async fn another_wallet_has_the_same_addresses() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let words = fs::read_to_string(network.config("alice")?.storage_dir.join("keys_mnemonic"))?;
    let seed = words.trim().parse::<Mnemonic>()?.to_seed("");
    let secp = Secp256k1::new();
    let master = Xpriv::new_master(Chain::Regtest, &seed)?;
    for index in 0..3 {
        let path: DerivationPath = format!("84h/1h/0h/0/{index}").parse()?;
        let key = Xpub::from_priv(&secp, &master.derive_priv(&secp, &path)?);
        let address = Address::p2wpkh(&CompressedPublicKey(key.public_key), Chain::Regtest);
        assert_eq!(alice.new_address().await?, address.to_string());
    }
    network.stop().await
}
