//! Reading the books.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use ldk_node::bitcoin::Network;
use ldk_node::lightning::io;
use ldk_server_grpc::types::{BooksAccount, BooksEntry};

use super::chain::Transactions;
use super::channels::{ChannelOnChain, Tracing, is_by_agreement};
use super::coins::Coins;
use super::entry::Span;
use super::record::ChannelRecord;
use super::turnovers::ChannelTurnover;
use super::wallet::{Traced, others};
use super::{Books, live};

/// What is known of channels and of the wallet's transactions.
pub struct Chain {
    /// The channels, by id, with what they have cost.
    pub channels: BTreeMap<String, (ChannelRecord, ChannelOnChain)>,
    /// The entries, in the order of time.
    pub(super) entries: Vec<BooksEntry>,
    /// The transactions of the wallet.
    txids: BTreeSet<String>,
}

/// How many rows are read at once.
const PAGE: usize = 1_000;

impl Books {
    /// What each channel has to do with the forwards of a span of time, by id.
    pub fn turnovers(&self, span: Span) -> io::Result<BTreeMap<String, ChannelTurnover>> {
        let read = |last| self.store.forwards_in_order((span.from, span.before), last, PAGE);
        self.turnovers.of(span, Instant::now(), read)
    }

    /// Reads the coins and the transactions of the wallet.
    pub fn coins(&self, network: Network) -> io::Result<Arc<Coins>> {
        self.coins.read(&self.store, network)
    }

    /// Reads what is known of channels and of the wallet's transactions.
    pub fn chain(&self, network: Network) -> io::Result<Chain> {
        self.catch_up()?;
        let records = self.records()?;
        let transactions = Transactions::read(&self.store, network)?;
        Ok(Chain::of(records, &transactions))
    }

    /// What the node says that this account has, in millisatoshis. Channels that have nothing to tell it
    /// from count as empty.
    pub(super) fn balance_msat(&self, account: BooksAccount, chain: &Chain) -> u64 {
        let balances = self.node.list_balances();
        match account {
            BooksAccount::Unspecified => 0,
            BooksAccount::Wallet => 1_000 * balances.total_onchain_balance_sats,
            BooksAccount::Closing => {
                1_000 * live::closing_sats(&balances, |id| chain.is_forced(id), &chain.txids)
            },
            BooksAccount::Channels => self.channel_balances(chain).values().sum(),
        }
    }

    /// What we have in each open channel, in millisatoshis, by id.
    pub fn channel_balances(&self, chain: &Chain) -> BTreeMap<String, u64> {
        let channels = self.node.list_channels().into_iter();
        let balances = channels.filter_map(|channel| {
            let id = channel.channel_id.to_string();
            let record = &chain.channels.get(&id)?.0;
            let has_anchors = record.has_anchors.unwrap_or(true);
            Some((id, live::balance_msat(&channel, has_anchors)?))
        });
        balances.collect()
    }
}

impl Chain {
    pub(super) fn of(records: Vec<(String, ChannelRecord)>, transactions: &Transactions) -> Self {
        let traced = records.into_iter().map(|(id, record)| {
            let found = ChannelOnChain::default();
            let on_chain = Tracing { id: &id, record: &record, transactions, found }.trace();
            Traced { id, record, on_chain }
        });
        let mut traced: Vec<_> = traced.collect();
        let mut entries = others(&mut traced, transactions);
        for channel in &mut traced {
            entries.append(&mut channel.on_chain.entries);
        }
        entries.sort_by_key(|entry| entry.time);
        let channels = traced.into_iter().map(|each| (each.id, (each.record, each.on_chain)));
        let txids = transactions.all.iter().map(|transaction| transaction.txid.to_string());
        Self { channels: channels.collect(), txids: txids.collect(), entries }
    }

    /// Whether this channel is closed, and not by agreement.
    fn is_forced(&self, id: &str) -> bool {
        let record = self.channels.get(id).map(|(record, _)| record);
        record.and_then(|record| record.closing.as_ref()).is_some_and(|closing| {
            !is_by_agreement(closing) || record.is_some_and(|record| !record.outputs.is_empty())
        })
    }
}
