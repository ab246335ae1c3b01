//! The records of the on-chain wallet.
//!
//! LDK Node stores the public descriptor of the wallet's addresses, which contains the key of the
//! first account of BIP 84 as text: `wpkh([fingerprint/84'/0'/0']xpub…/0/*)#checksum`.

use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::bip32::Xpub;
use ldk_node::bitcoin::hashes::Hash as _;
use memchr::memmem;

/// The key of the descriptor in the store, with the namespaces.
pub(crate) const DESCRIPTOR: (&str, &str, &str) = ("bdk_wallet", "", "descriptor");

/// The key of the transactions in the store. Each is there with the 32 bytes of its txid: unconfirmed
/// ones with the time they were last seen, confirmed ones with their block.
pub(crate) const TRANSACTIONS: (&str, &str, &str) = ("bdk_wallet", "", "tx_graph");

/// The derivation path of the account, for a coin type of BIP 44.
pub(crate) fn account_path(coin_type: u32) -> String {
    format!("m/84'/{coin_type}'/0'")
}

/// Whether the descriptor is that of the wallet whose account has this key.
pub(crate) fn is_of_key(descriptor: &[u8], account: &Xpub) -> bool {
    memmem::find(descriptor, account.to_string().as_bytes()).is_some()
}

/// Whether the transactions contain this one. 32 bytes do not match by chance.
pub(crate) fn has(transactions: &[u8], txid: &Txid) -> bool {
    memmem::find(transactions, txid.as_byte_array()).is_some()
}
