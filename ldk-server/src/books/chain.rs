//! The transactions of the on-chain wallet, as the library keeps them. The wallet is made anew from its
//! public records, and forgotten after they are read: the library has no call that hands them out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bdk_wallet::chain::ChainPosition;
use bdk_wallet::{ChangeSet, Wallet, WalletTx};
use ldk_node::bitcoin::{self, Network, OutPoint, Txid};
use ldk_node::lightning::io;
use ldk_node::lightning::ln::msgs::DecodeError;

use crate::compat::wallet_records::{
    self, ADDRESSES, BLOCKS, DESCRIPTORS, NAMESPACE, TRANSACTIONS,
};
use crate::store::Store;

/// A transaction of the wallet that is in a block, or may come into one.
pub(super) struct Transaction {
    pub(super) txid: Txid,
    /// The height of its block.
    pub(super) height: Option<u32>,
    /// The time of its block, or when it was first seen, in Unix seconds.
    pub(super) time: u64,
    /// What of the wallet it spends.
    pub(super) sent_sats: u64,
    /// What it pays to the wallet.
    pub(super) received_sats: u64,
    /// What it spends, and whether that is the wallet's.
    pub(super) inputs: Vec<(OutPoint, bool)>,
    /// What all of its outputs have.
    pub(super) outputs_sats: u64,
}

impl Transaction {
    /// The fee, if all that it spends is the wallet's.
    pub(super) fn own_fee_sats(&self) -> Option<u64> {
        let is_own = self.inputs.iter().all(|(_, is_own)| *is_own);
        is_own.then(|| self.sent_sats.saturating_sub(self.outputs_sats))
    }

    /// What the wallet has less by it.
    pub(super) fn cost_sats(&self) -> u64 {
        self.sent_sats.saturating_sub(self.received_sats)
    }

    /// What it spends that is not the wallet's.
    pub(super) fn foreign_inputs(&self) -> impl Iterator<Item = OutPoint> {
        self.inputs.iter().filter(|(_, is_own)| !is_own).map(|(outpoint, _)| *outpoint)
    }
}

/// The transactions of the wallet.
#[derive(Default)]
pub(super) struct Transactions {
    pub(super) all: Vec<Transaction>,
    by_txid: HashMap<Txid, usize>,
    by_input: HashMap<OutPoint, usize>,
}

impl Transactions {
    /// Reads them.
    pub(super) fn read(store: &Store, network: Network) -> io::Result<Self> {
        match wallet(&Records::read(store)?, network)? {
            Some(wallet) => {
                Ok(Self::of(wallet.transactions().map(|found| transaction(&wallet, &found))))
            },
            None => Ok(Self::default()),
        }
    }

    /// These transactions.
    pub(super) fn of(transactions: impl Iterator<Item = Transaction>) -> Self {
        let all: Vec<_> = transactions.collect();
        let numbered = || all.iter().enumerate();
        let by_txid = numbered().map(|(at, each)| (each.txid, at)).collect();
        let spent = numbered()
            .flat_map(|(at, each)| each.inputs.iter().map(move |(outpoint, _)| (*outpoint, at)));
        Self { by_input: spent.collect(), by_txid, all }
    }

    /// The one with this id.
    pub(super) fn get(&self, txid: &Txid) -> Option<&Transaction> {
        self.by_txid.get(txid).map(|at| &self.all[*at])
    }

    /// The one that spends this output.
    pub(super) fn spending(&self, outpoint: &OutPoint) -> Option<&Transaction> {
        self.by_input.get(outpoint).map(|at| &self.all[*at])
    }
}

/// The wallet; `None` if there is none yet.
pub(super) fn wallet(records: &Records, network: Network) -> io::Result<Option<Wallet>> {
    let Some(changes) = records.change_set(network)? else { return Ok(None) };
    let loaded = Wallet::load().load_wallet_no_persist(changes);
    loaded.map_err(|error| damaged(&error.to_string()))
}

/// The transactions in the record, as they were sent.
pub(super) fn known_transactions(store: &Store) -> io::Result<BTreeSet<Arc<bitcoin::Transaction>>> {
    let record = record(store, TRANSACTIONS)?;
    Ok(parsed(record.as_deref(), wallet_records::transactions)?.txs)
}

/// The records of the wallet, as they are kept.
#[derive(PartialEq, Eq)]
pub(super) struct Records {
    descriptors: [Option<Vec<u8>>; 2],
    transactions: Option<Vec<u8>>,
    addresses: Option<Vec<u8>>,
    blocks: Option<Vec<u8>>,
}

impl Records {
    /// Reads them. The library writes addresses, transactions and blocks in this order. Read the other way
    /// round, no transaction is in a block, or pays to an address, that is not known.
    pub(super) fn read(store: &Store) -> io::Result<Self> {
        let [descriptor, change_descriptor] = DESCRIPTORS;
        let descriptors = [record(store, descriptor)?, record(store, change_descriptor)?];
        let transactions = record(store, TRANSACTIONS)?;
        let (addresses, blocks) = (record(store, ADDRESSES)?, record(store, BLOCKS)?);
        Ok(Self { descriptors, transactions, addresses, blocks })
    }

    fn change_set(&self, network: Network) -> io::Result<Option<ChangeSet>> {
        let [Some(descriptor), change_descriptor] = &self.descriptors else { return Ok(None) };
        let change_descriptor =
            change_descriptor.as_deref().map(wallet_records::descriptor).transpose();
        Ok(Some(ChangeSet {
            descriptor: Some(wallet_records::descriptor(descriptor).map_err(unreadable)?),
            change_descriptor: change_descriptor.map_err(unreadable)?,
            network: Some(network),
            tx_graph: parsed(self.transactions.as_deref(), wallet_records::transactions)?,
            local_chain: parsed(self.blocks.as_deref(), wallet_records::blocks)?,
            indexer: parsed(self.addresses.as_deref(), wallet_records::addresses)?,
        }))
    }
}

fn record(store: &Store, key: &str) -> io::Result<Option<Vec<u8>>> {
    let (primary, secondary) = NAMESPACE;
    store.library_record((primary, secondary, key))
}

fn parsed<T: Default>(
    record: Option<&[u8]>,
    parse: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
) -> io::Result<T> {
    record.map_or_else(|| Ok(T::default()), |record| parse(record).map_err(unreadable))
}

fn unreadable(error: DecodeError) -> io::Error {
    damaged(&format!("{error:?}"))
}

fn damaged(reason: &str) -> io::Error {
    let reason = format!("the records of the wallet cannot be read: {reason}");
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn transaction(wallet: &Wallet, found: &WalletTx<'_>) -> Transaction {
    let transaction = &found.tx_node.tx;
    let (height, time) = match &found.chain_position {
        ChainPosition::Confirmed { anchor, .. } => {
            (Some(anchor.block_id.height), anchor.confirmation_time)
        },
        ChainPosition::Unconfirmed { first_seen, last_seen } => {
            (None, first_seen.or(*last_seen).unwrap_or_default())
        },
    };
    let (sent, received) = wallet.sent_and_received(transaction);
    let outpoints = transaction.input.iter().map(|input| input.previous_output);
    let is_own = |outpoint: &OutPoint| {
        let output = wallet.tx_graph().get_txout(*outpoint);
        output.is_some_and(|output| wallet.is_mine(output.script_pubkey.clone()))
    };
    Transaction {
        txid: found.tx_node.txid,
        height,
        time,
        sent_sats: sent.to_sat(),
        received_sats: received.to_sat(),
        inputs: outpoints.map(|outpoint| (outpoint, is_own(&outpoint))).collect(),
        outputs_sats: transaction.output.iter().map(|output| output.value.to_sat()).sum(),
    }
}
