//! Reads the transactions, blocks and descriptors of the on-chain wallet from the records in which LDK
//! Node 0.7.1 keeps them.
//!
//! A record begins with a byte of version. The descriptors follow as text; the other records are streams
//! of fields with a type and a length (TLV), in which lists begin with the number of their items, and
//! each item is a stream with its length before it. What is in the fields is written as lightning 0.2
//! writes the types of bitcoin, and maps of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bdk_wallet::chain::{
    BlockId, ConfirmationBlockTime, DescriptorId, keychain_txout, local_chain, tx_graph,
};
use bdk_wallet::descriptor::ExtendedDescriptor;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::bitcoin::hashes::sha256;
use ldk_node::bitcoin::{BlockHash, Transaction, Txid};
use ldk_node::lightning::ln::msgs::DecodeError;

use super::tlv::{Fields, items, read};

const VERSION: u8 = 1;

/// Where the records are, with the namespaces.
pub(crate) const NAMESPACE: (&str, &str) = ("bdk_wallet", "");
pub(crate) const DESCRIPTORS: [&str; 2] = ["descriptor", "change_descriptor"];
pub(crate) const TRANSACTIONS: &str = "tx_graph";
pub(crate) const BLOCKS: &str = "local_chain";
pub(crate) const ADDRESSES: &str = "indexer";

/// The descriptor in this record.
pub(crate) fn descriptor(record: &[u8]) -> Result<ExtendedDescriptor, DecodeError> {
    let text: String = read(contents(record)?)?;
    text.parse().map_err(|_| DecodeError::InvalidValue)
}

/// The transactions in this record.
pub(crate) fn transactions(
    record: &[u8],
) -> Result<tx_graph::ChangeSet<ConfirmationBlockTime>, DecodeError> {
    let fields = Fields::of(contents(record)?)?;
    let transactions = items(fields.required(0)?)?.map(|item| {
        let transaction: Transaction = read(Fields::of(item?)?.required(0)?)?;
        Ok(Arc::new(transaction))
    });
    Ok(tx_graph::ChangeSet {
        txs: transactions.collect::<Result<_, DecodeError>>()?,
        txouts: read(fields.required(2)?)?,
        anchors: items(fields.required(4)?)?
            .map(|item| anchor(item?))
            .collect::<Result<BTreeSet<_>, _>>()?,
        last_seen: read(fields.required(6)?)?,
        first_seen: fields.optional(1)?,
        last_evicted: fields.optional(3)?,
    })
}

/// A transaction and the block it is in.
fn anchor(item: &[u8]) -> Result<(ConfirmationBlockTime, Txid), DecodeError> {
    let fields = Fields::of(item)?;
    let place = Fields::of(fields.required(0)?)?;
    let block = Fields::of(place.required(0)?)?;
    let block_id = BlockId { height: read(block.required(0)?)?, hash: read(block.required(2)?)? };
    let confirmation_time = read(place.required(2)?)?;
    Ok((ConfirmationBlockTime { block_id, confirmation_time }, read(fields.required(2)?)?))
}

/// The blocks in this record.
pub(crate) fn blocks(record: &[u8]) -> Result<local_chain::ChangeSet, DecodeError> {
    let fields = Fields::of(contents(record)?)?;
    let blocks: BTreeMap<u32, Option<BlockHash>> = read(fields.required(0)?)?;
    Ok(local_chain::ChangeSet { blocks })
}

/// How many addresses were given out, in this record.
pub(crate) fn addresses(record: &[u8]) -> Result<keychain_txout::ChangeSet, DecodeError> {
    let fields = Fields::of(contents(record)?)?;
    let last_revealed = items(fields.required(0)?)?.map(|item| {
        let fields = Fields::of(item?)?;
        let id: [u8; 32] = read(Fields::of(fields.required(0)?)?.required(0)?)?;
        Ok((DescriptorId(sha256::Hash::from_byte_array(id)), read(fields.required(2)?)?))
    });
    Ok(keychain_txout::ChangeSet {
        last_revealed: last_revealed.collect::<Result<_, DecodeError>>()?,
        ..Default::default()
    })
}

/// What follows the version.
fn contents(record: &[u8]) -> Result<&[u8], DecodeError> {
    match record.split_first() {
        Some((&VERSION, contents)) => Ok(contents),
        Some(_) => Err(DecodeError::UnknownVersion),
        None => Err(DecodeError::ShortRead),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_refused() {
        for record in [&[][..], &[2, 0]] {
            assert!(blocks(record).is_err() && transactions(record).is_err());
            assert!(addresses(record).is_err() && descriptor(record).is_err());
        }
    }
}
