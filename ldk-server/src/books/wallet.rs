//! The transactions of the wallet that are no part of an open channel: deposits, withdrawals, sweeps, and
//! fees to get a closure confirmed.

use std::collections::{BTreeMap, HashMap, HashSet};

use ldk_node::bitcoin::{OutPoint, Txid};
use ldk_server_grpc::types::{BooksAccount as Account, BooksEntry, BooksEntryKind as Kind};

use super::chain::{Transaction, Transactions};
use super::channels::{ChannelOnChain, on_chain};
use super::entry::entry;
use super::record::ChannelRecord;

/// A channel with what it has cost so far.
pub(super) struct Traced {
    pub(super) id: String,
    pub(super) record: ChannelRecord,
    pub(super) on_chain: ChannelOnChain,
}

impl Traced {
    /// An entry of this channel.
    fn entry(&self, entry: BooksEntry) -> BooksEntry {
        BooksEntry {
            channel_id: self.id.clone(),
            counterparty_node_id: self.record.counterparty_node_id.clone(),
            ..entry
        }
    }
}

/// Where closed channels have left something.
struct Closed {
    /// The channel and the amount of each output.
    outputs: HashMap<OutPoint, (usize, u64)>,
    /// The channel of each transaction that closed one, or claimed something of it.
    transactions: HashMap<Txid, usize>,
}

impl Closed {
    fn of(channels: &[Traced]) -> Self {
        let (mut outputs, mut transactions) = (HashMap::new(), HashMap::new());
        for (at, channel) in channels.iter().enumerate() {
            for output in &channel.record.outputs {
                let Ok(outpoint) = output.outpoint.parse::<OutPoint>() else { continue };
                transactions.insert(outpoint.txid, at);
                outputs.insert(outpoint, (at, output.value_sats));
            }
        }
        Self { outputs, transactions }
    }
}

/// The entries of what these channels do not explain. What was swept is added to what is known of them.
pub(super) fn others(channels: &mut [Traced], transactions: &Transactions) -> Vec<BooksEntry> {
    let explained: HashSet<_> = channels
        .iter()
        .flat_map(|channel| &channel.on_chain.entries)
        .filter(|entry| entry.account() == Account::Wallet)
        .map(|entry| entry.txid.clone())
        .collect();
    let closed = Closed::of(channels);
    let mut entries = Vec::new();
    for transaction in &transactions.all {
        if !explained.contains(&transaction.txid.to_string()) {
            entries.extend(other(transaction, &closed, channels));
        }
    }
    for channel in channels {
        let is_swept = is_swept(&channel.record, transactions);
        channel.on_chain.is_settled |= is_swept;
    }
    entries
}

fn other(transaction: &Transaction, closed: &Closed, channels: &mut [Traced]) -> Vec<BooksEntry> {
    let has_foreign = transaction.foreign_inputs().next().is_some();
    if transaction.sent_sats == 0 {
        let swept: Vec<_> = transaction
            .foreign_inputs()
            .filter_map(|outpoint| closed.outputs.get(&outpoint).copied())
            .collect();
        return match &swept[..] {
            [] => vec![deposit(transaction)],
            _ => sweep(transaction, &swept, channels),
        };
    }
    if has_foreign {
        return vec![bump(transaction, closed, channels)];
    }
    let paid = entry(Account::Wallet, Kind::Withdrawal, 0, transaction.cost_sats());
    vec![on_chain(paid, transaction, transaction.own_fee_sats())]
}

fn deposit(transaction: &Transaction) -> BooksEntry {
    let came = entry(Account::Wallet, Kind::Deposit, transaction.received_sats, 0);
    on_chain(came, transaction, Some(0))
}

/// What channels owed comes into the wallet. Of which channel the fee is, is known if there is only one.
fn sweep(
    transaction: &Transaction,
    swept: &[(usize, u64)],
    channels: &mut [Traced],
) -> Vec<BooksEntry> {
    let mut of_channels = BTreeMap::<usize, u64>::new();
    for (channel, value_sats) in swept {
        *of_channels.entry(*channel).or_default() += value_sats;
    }
    let is_all = swept.len() == transaction.inputs.len();
    let only = of_channels.keys().next().copied().filter(|_| of_channels.len() == 1 && is_all);
    let received_sats = transaction.received_sats;
    let mut entries = Vec::new();
    for (at, value_sats) in of_channels {
        let channel = &mut channels[at];
        let fee_sats = only.and_then(|_| value_sats.checked_sub(received_sats));
        let left = entry(Account::Closing, Kind::Sweep, 0, value_sats);
        entries.push(channel.entry(on_chain(left, transaction, fee_sats)));
        channel.on_chain.returned_sats += if only.is_some() { received_sats } else { 0 };
    }
    let came = entry(Account::Wallet, Kind::Sweep, received_sats, 0);
    let came = on_chain(came, transaction, Some(0));
    entries.push(only.map_or_else(|| came.clone(), |at| channels[at].entry(came.clone())));
    entries
}

/// The library spends what is not the wallet's together with what is only to raise the fee of a closure.
fn bump(transaction: &Transaction, closed: &Closed, channels: &mut [Traced]) -> BooksEntry {
    let cost_sats = transaction.cost_sats();
    let paid = entry(Account::Wallet, Kind::CloseFeeBump, 0, cost_sats);
    let paid = on_chain(paid, transaction, Some(cost_sats));
    let mut foreign = transaction.foreign_inputs();
    let of = foreign.find_map(|outpoint| closed.transactions.get(&outpoint.txid).copied());
    match of.and_then(|at| channels.get_mut(at)) {
        Some(channel) => {
            channel.on_chain.bumps_sats += cost_sats;
            channel.entry(paid)
        },
        None => paid,
    }
}

/// Whether all that a channel owed, when it was closed by force, came into the wallet by transactions of
/// its own.
fn is_swept(record: &ChannelRecord, transactions: &Transactions) -> bool {
    let Some(owed_sats) = record.closing.as_ref().and_then(|closing| closing.claimable_sats) else {
        return false;
    };
    let own: HashSet<&str> = record.outputs.iter().map(|output| &*output.outpoint).collect();
    let is_swept = |outpoint: &str| {
        let sweep = outpoint.parse().ok().and_then(|outpoint| transactions.spending(&outpoint));
        sweep.is_some_and(|sweep| {
            sweep.inputs.iter().all(|(input, _)| own.contains(&*input.to_string()))
        })
    };
    let found_sats: u64 = record.outputs.iter().map(|output| output.value_sats).sum();
    !own.is_empty() && found_sats >= owed_sats && own.iter().all(|outpoint| is_swept(outpoint))
}
