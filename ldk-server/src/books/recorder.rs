//! Writes down what happens to channels.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::bitcoin::OutPoint;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::{ChannelDetails, Node};
use ldk_server_grpc::events::{ChannelState, ChannelStateChanged, SpliceState, SpliceStateChanged};
use prost::Message as _;

use super::coins::LastCoins;
use super::live;
use super::record::{BegunSplice, ChannelRecord, ClosedOutput, Closing, RECORDS, Splice};
use super::turnovers::Turnovers;
use crate::bulkhead::Bulkhead;
use crate::clock::unix_secs;
use crate::compat::{monitor, sweeper};
use crate::store::Store;

/// How many may read the books at once: each holds the transactions of the wallet meanwhile.
const MAX_READING: usize = 4;
/// How long after it was asked for a splice can have its transaction.
const MAX_NEGOTIATING_SECS: u64 = 3_600;

/// The records of channels.
pub struct Books {
    pub(super) node: Arc<Node>,
    pub(super) store: Arc<Store>,
    /// The bound of those who read.
    pub reading: Bulkhead,
    writing: Mutex<()>,
    pub(super) turnovers: Turnovers,
    pub(super) coins: LastCoins,
}

impl Books {
    /// The records in this store.
    pub fn new(node: Arc<Node>, store: Arc<Store>) -> Self {
        let reading = Bulkhead::new(MAX_READING, &format!("{MAX_READING} books are being read"));
        let (turnovers, coins) = (Turnovers::default(), LastCoins::default());
        Self { node, store, reading, writing: Mutex::new(()), turnovers, coins }
    }

    /// The record of each channel, by id.
    pub(super) fn records(&self) -> io::Result<Vec<(String, ChannelRecord)>> {
        let keys = self.store.keys(RECORDS)?.into_iter();
        keys.map(|id| Ok((id.clone(), self.get(&id)?.unwrap_or_default()))).collect()
    }

    fn get(&self, id: &str) -> io::Result<Option<ChannelRecord>> {
        match self.store.get(RECORDS, id) {
            Ok(record) => ChannelRecord::decode(record.as_slice()).map(Some).map_err(|_| {
                let reason = format!("{RECORDS}/{id} is damaged");
                io::Error::new(io::ErrorKind::InvalidData, reason)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes the record of a channel, which is written in the order of all writes.
    fn change(&self, id: &str, change: impl FnOnce(&mut ChannelRecord)) -> io::Result<()> {
        let _writing = self.writing();
        let before = self.get(id)?;
        let mut record = before.clone().unwrap_or_default();
        change(&mut record);
        if before.as_ref() != Some(&record) {
            self.store.change_in_order(RECORDS, id, Some(record.encode_to_vec()))?;
        }
        Ok(())
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what was not seen: channels of before there were these records, and outputs that the
    /// library has begun to sweep. It forgets those four weeks after they were swept.
    pub fn catch_up(&self) -> io::Result<()> {
        for channel in self.node.list_channels() {
            if channel.funding_txo.is_some() {
                self.add(&channel, None)?;
                self.add_number(&channel)?;
            }
        }
        self.add_outputs()
    }

    /// Writes down the beginning of a channel, if that is not done yet.
    fn add(&self, channel: &ChannelDetails, opened_at: Option<u64>) -> io::Result<()> {
        let id = channel.channel_id.to_string();
        if self.get(&id)?.is_some_and(|record| !record.funding.is_empty()) {
            return self.change(&id, |record| record.opened_at = record.opened_at.or(opened_at));
        }
        let opening = self.opening(channel.channel_id);
        // A channel of before may have been spliced: its first output is what the monitor is called by.
        let first = self.store.first_funding(channel.channel_id)?.or(channel.funding_txo);
        self.change(&id, |record| {
            record.user_channel_id = channel.user_channel_id.0.to_string();
            record.counterparty_node_id = channel.counterparty_node_id.to_string();
            record.funding = first.map(|funding| funding.to_string()).unwrap_or_default();
            record.opened_at = opened_at;
            record.is_outbound = channel.is_outbound;
            record.has_anchors = opening.map(|opening| opening.has_anchors);
            record.value_sats =
                (first == channel.funding_txo).then_some(channel.channel_value_sats);
            record.opening_balance_sats = opening.and_then(|opening| {
                if channel.is_outbound {
                    record.value_sats.and_then(|value| value.checked_sub(opening.peer_sats))
                } else {
                    Some(opening.our_sats)
                }
            });
        })
    }

    /// Writes down what tells channels apart in the graph, which a splice changes.
    fn add_number(&self, channel: &ChannelDetails) -> io::Result<()> {
        self.change(&channel.channel_id.to_string(), |record| {
            record.is_announced = Some(channel.is_announced);
            record.short_channel_id = channel.short_channel_id.or(record.short_channel_id);
        })
    }

    /// Whether the closing transactions of the channel with this id have anchors, if that is known.
    pub fn has_anchors(&self, id: &str) -> io::Result<Option<bool>> {
        Ok(self.get(id)?.and_then(|record| record.has_anchors))
    }

    /// The numbers of channels on the chain, by id: of those that are closed, if they were written down.
    pub fn channel_numbers(&self) -> io::Result<BTreeMap<String, u64>> {
        let written = self.records()?.into_iter();
        let written = written.filter_map(|(id, record)| Some((id, record.short_channel_id?)));
        let open = self.node.list_channels().into_iter();
        let open = open.filter_map(|of| Some((of.channel_id.to_string(), of.short_channel_id?)));
        Ok(written.chain(open).collect())
    }

    fn opening(&self, channel: ChannelId) -> Option<monitor::Opening> {
        let bytes = self.store.monitor(channel).unwrap_or_default()?;
        monitor::opening(&bytes)
            .inspect_err(|error| tracing::warn!(%channel, ?error, "a monitor cannot be read"))
            .ok()
            .flatten()
    }

    /// Writes down what an event tells of a channel.
    pub fn channel_changed(&self, change: &ChannelStateChanged) -> io::Result<()> {
        let id = &change.channel_id;
        match change.state() {
            ChannelState::Pending => match self.channel(id) {
                Some(channel) => self.add(&channel, Some(unix_secs())),
                None => self.funded_and_gone(change),
            },
            ChannelState::Ready => self.ready(id),
            ChannelState::Closed | ChannelState::OpenFailed => self.closed(change),
            ChannelState::Unspecified => Ok(()),
        }
    }

    fn channel(&self, id: &str) -> Option<ChannelDetails> {
        self.node.list_channels().into_iter().find(|channel| channel.channel_id.to_string() == id)
    }

    /// A channel is closed by the time that its funding is told of.
    fn funded_and_gone(&self, change: &ChannelStateChanged) -> io::Result<()> {
        self.change(&change.channel_id, |record| {
            record.user_channel_id.clone_from(&change.user_channel_id);
            record.counterparty_node_id = change.counterparty_node_id.clone().unwrap_or_default();
            record.funding = change.funding_txo.clone().unwrap_or_default();
            record.opened_at = Some(unix_secs());
        })
    }

    /// A channel can be used, perhaps with the funding of a splice.
    fn ready(&self, id: &str) -> io::Result<()> {
        let Some(channel) = self.channel(id) else { return Ok(()) };
        self.add(&channel, None)?;
        self.add_number(&channel)?;
        let funding = channel.funding_txo.map(|funding| funding.to_string());
        self.change(id, |record| {
            let spliced =
                record.splices.iter_mut().find(|each| Some(&each.funding) == funding.as_ref());
            let Some(splice) = spliced.filter(|splice| splice.ready_at.is_none()) else { return };
            splice.ready_at = Some(unix_secs());
            splice.value_sats = Some(channel.channel_value_sats);
        })
    }

    fn closed(&self, change: &ChannelStateChanged) -> io::Result<()> {
        let id = &change.channel_id;
        // One that was never funded is not in the books.
        let Some(record) = self.get(id)?.filter(|record| record.closing.is_none()) else {
            return Ok(());
        };
        let owed = live::owed(&self.node.list_balances(), id, &record);
        let closing = Closing {
            at: unix_secs(),
            reason: change.reason.clone(),
            initiator: change.closure_initiator,
            claimable_sats: owed.map(|owed| owed.claimable_sats),
            balance_sats: owed.and_then(|owed| owed.balance_sats),
            failed_to_open: change.state() == ChannelState::OpenFailed,
        };
        self.change(id, |record| record.closing = Some(closing))
    }

    /// A splice of ours is asked for: so much goes in, or, if it is negative, comes out.
    pub fn splice_begins(&self, channel: ChannelId, amount_sats: i64) -> io::Result<()> {
        let begun = BegunSplice { amount_sats, begun_at: unix_secs() };
        self.change(&channel.to_string(), |record| record.begun_splice = Some(begun))
    }

    /// The splice that was asked for was refused.
    pub fn splice_refused(&self, channel: ChannelId) -> io::Result<()> {
        self.change(&channel.to_string(), |record| record.begun_splice = None)
    }

    /// Writes down what an event tells of a splice.
    pub fn splice_changed(&self, change: &SpliceStateChanged) -> io::Result<()> {
        let now = unix_secs();
        let funding = change.funding_txo.clone().unwrap_or_default();
        self.change(&change.channel_id, |record| match change.state() {
            SpliceState::Pending => {
                if record.splices.iter().any(|splice| splice.funding == funding) {
                    return;
                }
                let begun = record.begun_splice.take();
                let begun =
                    begun.filter(|begun| now.saturating_sub(begun.begun_at) < MAX_NEGOTIATING_SECS);
                let amount_sats = begun.map(|begun| begun.amount_sats);
                record.splices.push(Splice { funding, amount_sats, ..Splice::default() });
            },
            SpliceState::Failed => {
                record.begun_splice = None;
                record.splices.retain(|splice| splice.funding != funding);
            },
            SpliceState::Unspecified => {},
        })
    }

    /// Writes down the outputs of closed channels that the library sweeps.
    fn add_outputs(&self) -> io::Result<()> {
        for (channel, output) in self.swept_outputs()? {
            self.change(&channel, |record| {
                if !record.outputs.contains(&output) {
                    record.outputs.push(output);
                }
            })?;
        }
        Ok(())
    }

    /// The outputs of closed channels that the library remembers, each with its channel.
    fn swept_outputs(&self) -> io::Result<Vec<(String, ClosedOutput)>> {
        let Some(record) = self.store.library_record(sweeper::STORE_KEY)? else {
            return Ok(Vec::new());
        };
        let outputs = sweeper::outputs(&record).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the sweeper's record: {error:?}"))
        })?;
        let found = outputs.iter().filter_map(|tracked| {
            let (outpoint, output) = sweeper::output(&tracked.descriptor);
            let outpoint =
                OutPoint { txid: outpoint.txid, vout: outpoint.index.into() }.to_string();
            let closed = ClosedOutput { outpoint, value_sats: output.value.to_sat() };
            Some((tracked.channel_id?.to_string(), closed))
        });
        Ok(found.collect())
    }
}
