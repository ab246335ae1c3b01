//! The transactions that the library has handed to its chain source, until that has answered. Most of
//! them nobody would make again: when the library has signed the transaction that opens, splices or
//! closes a channel, it goes on as if everybody had it.
//!
//! A transaction is written down when it is read from the library, and nobody waits for that. It is
//! sent at the next start only if the state on disk is one that it rests on: because it was written
//! down too that this state was durable, or because the manager of the channels or the history of
//! payments knows of it. Otherwise
//! it has never left the node, and the channel is in the state before it.
//!
//! Commitment transactions are not written down. The library makes them from its monitors, again and
//! again, and an old one must never be sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::bitcoin::consensus::encode::{deserialize, serialize};
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::bitcoin::{OutPoint, Transaction, Txid};
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::ln::types::ChannelId;
use prost::Message as _;

use super::model::{BROADCASTS, invalid_data};
use super::{PaymentDirection, PaymentStatus, Store};
use crate::clock::unix_secs;
use crate::compat::channel_state;

/// How many broadcasts are remembered. Of more, the oldest are forgotten.
pub(super) const CAPACITY: usize = 256;

/// How long a broadcast is tried again.
pub(super) const MAX_AGE_SECS: u64 = 14 * 24 * 60 * 60;

/// The place of a broadcast in the order of all broadcasts.
pub type Number = u64;

/// The broadcasts that the chain source has not answered, on disk.
pub struct Journal {
    pub(super) store: Arc<Store>,
    entries: Mutex<BTreeMap<Number, Entry>>,
}

pub(super) struct Entry {
    pub(super) transactions: Vec<Transaction>,
    pub(super) read_at: u64,
    /// What it rests on is.
    pub(super) is_durable: bool,
}

/// A broadcast of an earlier process that was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Its place.
    pub number: Number,
    /// What was broadcast, parents first.
    pub transactions: Vec<Transaction>,
}

/// What a chain source has to say about a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has it, or has had it before.
    Taken,
    /// It does not want it, for this reason.
    Refused(String),
    /// It knows no output that the transaction spends, or another transaction has spent it.
    NothingToSpend(String),
}

impl Journal {
    /// What is left of earlier processes. Asks the state on disk whether it is what a broadcast rests
    /// on, and so must be opened before the library changes that.
    pub fn open(store: Arc<Store>) -> io::Result<Self> {
        let mut entries = BTreeMap::new();
        for key in store.keys(BROADCASTS)? {
            let (number, entry) = Record::read(&key, &store.get(BROADCASTS, &key)?)
                .ok_or_else(|| invalid_data(&format!("{BROADCASTS}/{key} is damaged")))?;
            entries.insert(number, entry);
        }
        let manager = store.manager()?;
        let manager = manager.as_deref().map(Vec::as_slice).unwrap_or_default();
        let journal = Self { store, entries: Mutex::new(BTreeMap::new()) };
        for (number, entry) in entries {
            if journal.may_be_sent(&entry, manager)? {
                journal.entries().insert(number, entry);
            } else {
                journal.write(number, None);
            }
        }
        Ok(journal)
    }

    /// Whether a broadcast of an earlier process may be sent now.
    fn may_be_sent(&self, entry: &Entry, manager: &[u8]) -> io::Result<bool> {
        let txids: Vec<_> = entry.transactions.iter().map(Transaction::compute_txid).collect();
        if unix_secs().saturating_sub(entry.read_at) > MAX_AGE_SECS {
            tracing::warn!(?txids, "transactions are too old to be broadcast again");
            return Ok(false);
        }
        if entry.is_durable {
            return Ok(true);
        }
        for transaction in &entry.transactions {
            if !self.is_known(transaction, manager)? {
                tracing::info!(
                    ?txids,
                    "transactions are not broadcast: the node ended before the state they rest on \
                     was on disk"
                );
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the manager has the transaction as the funding of a channel, or no longer has the
    /// channel that it closes, or the history has it as a payment of the wallet.
    fn is_known(&self, transaction: &Transaction, manager: &[u8]) -> io::Result<bool> {
        let txid = transaction.compute_txid().to_byte_array();
        if channel_state::knows_transaction(manager, &txid) || self.was_made(txid)? {
            return Ok(true);
        }
        let [input] = &transaction.input[..] else { return Ok(false) };
        // What pays to such a script may be a splice, which has a channel to go on with.
        if transaction.output.iter().any(|output| output.script_pubkey.is_p2wsh()) {
            return Ok(false);
        }
        let Some(channel) = channel_funded_by(input.previous_output) else { return Ok(false) };
        let is_closed = channel_state::channel_update(manager, &channel.0).is_none();
        Ok(is_closed && !manager.is_empty() && self.store.was_funded(channel)?)
    }

    /// Whether the history has the transaction as one that is on its way: all that was written before it
    /// is on disk, and who asked for it may have been told.
    fn was_made(&self, txid: [u8; 32]) -> io::Result<bool> {
        let payment = self.store.durable_payment(PaymentId(txid))?;
        Ok(payment.is_some_and(|payment| {
            payment.direction() == PaymentDirection::Outbound
                && payment.status() == PaymentStatus::Pending
        }))
    }

    /// What is left of earlier processes, in the order in which it was broadcast.
    pub fn unanswered(&self) -> Vec<Unanswered> {
        let entries = self.entries();
        let unanswered = entries.iter().map(|(&number, entry)| Unanswered {
            number,
            transactions: entry.transactions.clone(),
        });
        unanswered.collect()
    }

    /// Writes down what the library broadcasts, unless it makes that again by itself.
    pub fn add(&self, transactions: Vec<Transaction>) -> Option<Number> {
        if transactions.is_empty() || transactions.iter().any(is_commitment) {
            return None;
        }
        let mut entries = self.entries();
        let same = entries.iter().find(|(_, entry)| entry.transactions == transactions);
        if let Some((&number, _)) = same {
            return Some(number);
        }
        let number = entries.last_key_value().map_or(1, |(last, _)| last + 1);
        let entry = Entry { transactions, read_at: unix_secs(), is_durable: false };
        self.write(number, Some(&entry));
        entries.insert(number, entry);
        while entries.len() > CAPACITY {
            if let Some((oldest, _)) = entries.pop_first() {
                tracing::warn!(
                    unanswered = CAPACITY,
                    "too many broadcasts are unanswered; the oldest is forgotten"
                );
                self.write(oldest, None);
            }
        }
        Some(number)
    }

    /// Writes down that what a broadcast rests on is on disk.
    pub fn is_durable(&self, number: Number) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&number) else { return };
        if !entry.is_durable {
            entry.is_durable = true;
            self.write(number, Some(entry));
        }
    }

    /// The chain source has answered. What spends an output of a transaction that it does not have yet
    /// is kept, because it can be taken later.
    pub fn answered(&self, number: Number, answer: &Answer) {
        let mut entries = self.entries();
        let waits = matches!(answer, Answer::NothingToSpend(_))
            && entries.get(&number).is_some_and(|entry| {
                let earlier = entries.range(..number).flat_map(|(_, before)| txids(before));
                let earlier: Vec<_> = earlier.collect();
                parents(entry).any(|parent| earlier.contains(&parent))
            });
        if !waits && entries.remove(&number).is_some() {
            self.write(number, None);
        }
    }

    /// In the order of all writes.
    pub(super) fn write(&self, number: Number, entry: Option<&Entry>) {
        let record = entry.map(|entry| Record::of(entry).encode_to_vec());
        if let Err(error) = self.store.change_in_order(BROADCASTS, &key(number), record) {
            tracing::error!(broadcast = number, %error, "a broadcast was not recorded");
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Number, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn txids(entry: &Entry) -> impl Iterator<Item = Txid> {
    entry.transactions.iter().map(Transaction::compute_txid)
}

fn parents(entry: &Entry) -> impl Iterator<Item = Txid> {
    let inputs = entry.transactions.iter().flat_map(|transaction| &transaction.input);
    inputs.map(|input| input.previous_output.txid)
}

/// Whether it is a commitment transaction, by the two fields that hide its number (BOLT 3).
fn is_commitment(transaction: &Transaction) -> bool {
    let [input] = &transaction.input[..] else { return false };
    let lock_time = transaction.lock_time.to_consensus_u32();
    input.sequence.0 >> 24 == 0x80 && lock_time >> 24 == 0x20
}

/// The channel that would have this funding output.
fn channel_funded_by(output: OutPoint) -> Option<ChannelId> {
    let index = u16::try_from(output.vout).ok()?;
    Some(ChannelId::v1_from_funding_txid(output.txid.as_byte_array(), index))
}

/// Keys are in the order of the numbers.
fn key(number: Number) -> String {
    format!("{number:016x}")
}

/// A broadcast on disk; its number is the key.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(bytes = "vec", repeated, tag = "1")]
    transactions: Vec<Vec<u8>>,
    #[prost(uint64, tag = "2")]
    read_at: u64,
    #[prost(bool, tag = "3")]
    is_durable: bool,
}

impl Record {
    fn of(entry: &Entry) -> Self {
        let Entry { transactions, read_at, is_durable } = entry;
        let transactions = transactions.iter().map(serialize).collect();
        Self { transactions, read_at: *read_at, is_durable: *is_durable }
    }

    fn read(key: &str, record: &[u8]) -> Option<(Number, Entry)> {
        let number = Number::from_str_radix(key, 16).ok()?;
        let Self { transactions, read_at, is_durable } = Self::decode(record).ok()?;
        let transactions: Result<_, _> =
            transactions.iter().map(|bytes| deserialize(bytes)).collect();
        Some((number, Entry { transactions: transactions.ok()?, read_at, is_durable }))
    }
}
