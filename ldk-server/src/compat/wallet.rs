//! Whose on-chain wallet a record is of.
//!
//! Of the wallet LDK Node keeps the public descriptor of its addresses, in which the key of BIP 84's
//! first account is there as text: `wpkh([fingerprint/84'/0'/0']xpub…/0/*)#checksum`.

use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::bip32::Xpub;
use ldk_node::bitcoin::hashes::Hash as _;
use memchr::memmem;

/// Where the descriptor is.
pub(crate) const DESCRIPTOR: (&str, &str, &str) = ("bdk_wallet", "", "descriptor");

/// Where its transactions are: each unconfirmed one with the time it was last seen, each confirmed one
/// with its block, both by the 32 bytes of the txid.
pub(crate) const TRANSACTIONS: (&str, &str, &str) = ("bdk_wallet", "", "tx_graph");

/// The path of the account from the master key, for the coin type of BIP 44.
pub(crate) fn account_path(coin_type: u32) -> String {
    format!("m/84'/{coin_type}'/0'")
}

/// Whether the record is of the wallet whose account has this key.
pub(crate) fn is_of_key(descriptor: &[u8], account: &Xpub) -> bool {
    memmem::find(descriptor, account.to_string().as_bytes()).is_some()
}

/// Whether the wallet's transactions have this one. That its bytes are there by chance cannot be.
pub(crate) fn has(transactions: &[u8], txid: &Txid) -> bool {
    memmem::find(transactions, txid.as_byte_array()).is_some()
}
