//! Reading the books.

use std::collections::{BTreeMap, BTreeSet};

use ldk_node::bitcoin::Network;
use ldk_node::lightning::io;
use ldk_server_grpc::types::{BooksAccount, BooksEntry, ForwardedPayment};

use super::chain::Transactions;
use super::channels::{ChannelOnChain, Tracing, is_by_agreement};
use super::entry::Span;
use super::record::ChannelRecord;
use super::wallet::{Traced, others};
use super::{Books, live};
use crate::store::Store;

/// How many rows are read at once.
const PAGE: usize = 1_000;

/// What is known of channels and of the wallet's transactions.
pub struct Chain {
    /// The channels, by id, with what they have cost.
    pub channels: BTreeMap<String, (ChannelRecord, ChannelOnChain)>,
    /// The entries, in the order of time.
    pub(super) entries: Vec<BooksEntry>,
    /// The transactions of the wallet.
    txids: BTreeSet<String>,
}

impl Books {
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

/// What a channel has to do with forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelTurnover {
    /// How many came in.
    pub in_count: u64,
    /// What they were about, with our fees, in millisatoshis.
    pub in_msat: u64,
    /// The fees of these, in millisatoshis.
    pub in_fees_msat: u64,
    /// How many went out.
    pub out_count: u64,
    /// What they were about, in millisatoshis.
    pub out_msat: u64,
    /// The fees of these, in millisatoshis.
    pub out_fees_msat: u64,
    /// How many have an amount or a fee that is not known.
    pub unknown: u64,
}

/// What each channel has to do with the forwards of a span of time, by id.
pub fn turnovers(store: &Store, span: Span) -> io::Result<BTreeMap<String, ChannelTurnover>> {
    let mut channels = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.forwards_in_order((span.from, span.before), after, PAGE)?;
        after = page.rows.last().map(|row| row.place);
        for row in &page.rows {
            count(&mut channels, &row.payment);
        }
        if !page.has_more {
            return Ok(channels);
        }
    }
}

fn count(channels: &mut BTreeMap<String, ChannelTurnover>, forward: &ForwardedPayment) {
    let known = forward.outbound_amount_forwarded_msat.zip(forward.total_fee_earned_msat);
    let (amount_msat, fee_msat) = known.unwrap_or_default();
    let unknown = u64::from(known.is_none());
    let from = channels.entry(forward.prev_channel_id.clone()).or_default();
    from.in_count += 1;
    from.in_msat += amount_msat + fee_msat;
    from.in_fees_msat += fee_msat;
    from.unknown += unknown;
    let to = channels.entry(forward.next_channel_id.clone()).or_default();
    to.out_count += 1;
    to.out_msat += amount_msat;
    to.out_fees_msat += fee_msat;
    to.unknown += unknown;
}
