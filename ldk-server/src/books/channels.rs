//! What channels have to do with the chain: their openings, splices and closures.

use ldk_node::bitcoin::OutPoint;
use ldk_server_grpc::events::{ChannelStateChangeReason, ChannelStateChangeReasonKind as Reason};
use ldk_server_grpc::types::{BooksAccount as Account, BooksEntry, BooksEntryKind as Kind};

use super::chain::{Transaction, Transactions};
use super::entry::entry;
use super::record::{ChannelRecord, Closing, Splice};

/// What nobody can spend for less than it costs: so much may be missing of a closing transaction.
const DUST_SATS: u64 = 1_000;

/// What a channel has cost on chain. What is `None` is not known.
#[derive(Clone, Debug, Default)]
pub struct ChannelOnChain {
    /// The fee of the transaction that opened it; 0 if the peer opened it.
    pub open_fee_sats: Option<u64>,
    /// What splices of ours have put in, less what they took out, with fees.
    pub spliced_sats: Option<i64>,
    /// The fees of our splices.
    pub splice_fees_sats: Option<u64>,
    /// What we had when it was closed.
    pub final_balance_sats: Option<u64>,
    /// What of that has come into the wallet.
    pub returned_sats: u64,
    /// What has gone for bumps of the fee of its closure.
    pub bumps_sats: u64,
    /// Whether all that it owed is in the wallet.
    pub is_settled: bool,
    /// What has changed the accounts.
    pub(super) entries: Vec<BooksEntry>,
}

impl ChannelOnChain {
    /// What its closure has cost, once all is in the wallet.
    pub fn close_cost_sats(&self) -> Option<u64> {
        let balance_sats = self.final_balance_sats.filter(|_| self.is_settled)?;
        balance_sats.checked_sub(self.returned_sats)?.checked_add(self.bumps_sats)
    }
}

/// Finds what the transactions of the wallet had to do with a channel.
pub(super) struct Tracing<'a> {
    pub(super) id: &'a str,
    pub(super) record: &'a ChannelRecord,
    pub(super) transactions: &'a Transactions,
    pub(super) found: ChannelOnChain,
}

impl<'a> Tracing<'a> {
    /// All of it but sweeps, which one transaction may make for several channels.
    pub(super) fn trace(mut self) -> ChannelOnChain {
        if self.was_funded() {
            self.opening();
            self.splices();
            let record = self.record;
            if let Some(closing) = &record.closing {
                self.closing(closing);
            }
        }
        self.found
    }

    /// Whether the money has left the wallet, if it was ours.
    fn was_funded(&self) -> bool {
        let is_there = self.funding().is_some();
        let failed = self.record.closing.as_ref().is_some_and(|closing| closing.failed_to_open);
        !failed && (is_there || !self.record.is_outbound)
    }

    fn funding(&self) -> Option<&'a Transaction> {
        self.transactions.get(&self.record.first_funding()?.txid)
    }

    fn opening(&mut self) {
        if !self.record.is_outbound {
            self.found.open_fee_sats = Some(0);
        } else if let Some(funding) = self.funding() {
            let fee_sats = funding.own_fee_sats();
            let paid = entry(Account::Wallet, Kind::ChannelOpen, 0, funding.cost_sats());
            let paid = on_chain(paid, funding, fee_sats);
            self.found.open_fee_sats = fee_sats;
            self.add(paid);
        }
        let at = self.record.opened_at.or_else(|| self.funding().map(|funding| funding.time));
        for entry in self.first_entries() {
            self.add(BooksEntry { time: at.unwrap_or_default(), fee_msat: Some(0), ..entry });
        }
    }

    /// What the account of the channels got by the opening.
    fn first_entries(&self) -> Vec<BooksEntry> {
        let Some(ours_sats) = self.record.opening_balance_sats else { return Vec::new() };
        if !self.record.is_outbound {
            let pushed = entry(Account::Channels, Kind::Push, ours_sats, 0);
            return if ours_sats > 0 { vec![pushed] } else { Vec::new() };
        }
        let value_sats = self.record.value_sats.unwrap_or(ours_sats);
        let pushed_sats = value_sats.saturating_sub(ours_sats);
        let mut entries = vec![entry(Account::Channels, Kind::ChannelOpen, value_sats, 0)];
        if pushed_sats > 0 {
            entries.push(entry(Account::Channels, Kind::Push, 0, pushed_sats));
        }
        entries
    }

    fn splices(&mut self) {
        self.found.spliced_sats = Some(0);
        self.found.splice_fees_sats = Some(0);
        let mut value_sats = self.record.value_sats;
        let record = self.record;
        for splice in &record.splices {
            self.splice(splice, value_sats);
            if splice.ready_at.is_some() {
                value_sats = splice.value_sats;
            }
        }
    }

    fn splice(&mut self, splice: &Splice, value_sats: Option<u64>) {
        let funding = splice.funding.parse().ok();
        let transactions = self.transactions;
        let transaction = funding.and_then(|funding: OutPoint| transactions.get(&funding.txid));
        match (splice.amount_sats, transaction) {
            (Some(amount_sats), _) if amount_sats < 0 => {
                self.spliced_out(splice, transaction, value_sats, amount_sats.unsigned_abs());
            },
            (Some(amount_sats), Some(transaction)) => {
                self.spliced_in(splice, transaction, Some(amount_sats.unsigned_abs()));
            },
            // One of before there were these records.
            (None, Some(transaction)) if transaction.sent_sats > 0 => {
                self.spliced_in(splice, transaction, None);
            },
            // Of the peer, or not there yet.
            (_, _) => {},
        }
    }

    fn spliced_in(&mut self, splice: &Splice, from: &Transaction, amount_sats: Option<u64>) {
        let cost_sats = from.cost_sats();
        let fee_sats = amount_sats.and_then(|amount_sats| cost_sats.checked_sub(amount_sats));
        let paid = entry(Account::Wallet, Kind::Splice, 0, cost_sats);
        self.add(on_chain(paid, from, fee_sats));
        let Some(ready_at) = splice.ready_at else { return };
        self.found.spliced_sats = added(self.found.spliced_sats, amount_sats.map(signed));
        self.found.splice_fees_sats =
            self.found.splice_fees_sats.zip(fee_sats).map(|(sum, fee)| sum + fee);
        if let Some(amount_sats) = amount_sats {
            let got = entry(Account::Channels, Kind::Splice, amount_sats, 0);
            let txid = from.txid.to_string();
            self.add(BooksEntry { time: ready_at, txid, fee_msat: Some(0), ..got });
        }
    }

    /// Funds went from the channel to an address, which may be the wallet's. The channel pays the fee.
    fn spliced_out(
        &mut self,
        splice: &Splice,
        to: Option<&Transaction>,
        value_sats: Option<u64>,
        amount_sats: u64,
    ) {
        if let Some(to) = to {
            let got = entry(Account::Wallet, Kind::Splice, to.received_sats, 0);
            self.add(on_chain(got, to, Some(0)));
        }
        let Some(ready_at) = splice.ready_at else { return };
        let left_sats =
            value_sats.zip(splice.value_sats).and_then(|(old, new)| old.checked_sub(new));
        let fee_sats = left_sats.and_then(|left_sats| left_sats.checked_sub(amount_sats));
        let debit_sats = fee_sats.and(left_sats).unwrap_or(amount_sats);
        self.found.spliced_sats =
            added(self.found.spliced_sats, fee_sats.map(|_| -signed(debit_sats)));
        self.found.splice_fees_sats =
            self.found.splice_fees_sats.zip(fee_sats).map(|(sum, fee)| sum + fee);
        let txid = splice.funding.split(':').next().unwrap_or_default().to_owned();
        let paid = entry(Account::Channels, Kind::Splice, 0, debit_sats);
        let fee_msat = fee_sats.map(|fee_sats| 1_000 * fee_sats);
        self.add(BooksEntry { time: ready_at, txid, fee_msat, ..paid });
    }

    fn closing(&mut self, closing: &Closing) {
        match self.cooperative_close() {
            Some((transaction, value_sats)) => self.closed_by_agreement(transaction, value_sats),
            None if is_by_agreement(closing) && self.record.outputs.is_empty() => {
                self.closed_without_trace(closing);
            },
            None => self.closed_by_force(closing),
        }
    }

    /// The transaction of the wallet that spends the last funding output, and what was in that.
    fn cooperative_close(&self) -> Option<(&'a Transaction, Option<u64>)> {
        let transactions = self.transactions;
        let mut fundings = self.record.fundings().into_iter();
        fundings.find_map(|(funding, value_sats)| {
            let transaction = transactions.spending(&funding)?;
            (!self.is_splice(transaction)).then_some((transaction, value_sats))
        })
    }

    fn is_splice(&self, transaction: &Transaction) -> bool {
        let prefix = format!("{}:", transaction.txid);
        self.record.splices.iter().any(|splice| splice.funding.starts_with(&prefix))
    }

    /// The opener pays the fee of the transaction.
    fn closed_by_agreement(&mut self, transaction: &Transaction, value_sats: Option<u64>) {
        let received_sats = transaction.received_sats;
        let fee_sats = if self.record.is_outbound {
            value_sats.and_then(|value_sats| value_sats.checked_sub(transaction.outputs_sats))
        } else {
            Some(0)
        };
        let balance_sats = fee_sats.map(|fee_sats| received_sats + fee_sats);
        self.found.final_balance_sats = balance_sats;
        self.found.returned_sats = received_sats;
        self.found.is_settled = true;
        let debit_sats = balance_sats.unwrap_or(received_sats);
        let left = entry(Account::Channels, Kind::ChannelClose, 0, debit_sats);
        self.add(on_chain(left, transaction, fee_sats));
        let came = entry(Account::Wallet, Kind::ChannelClose, received_sats, 0);
        self.add(on_chain(came, transaction, Some(0)));
    }

    /// The wallet has not seen the transaction, or it pays nothing to the wallet.
    fn closed_without_trace(&mut self, closing: &Closing) {
        self.found.final_balance_sats = closing.balance_sats;
        let Some(lost_sats) = closing.balance_sats.filter(|sats| *sats < DUST_SATS) else { return };
        self.found.is_settled = true;
        let lost = entry(Account::Channels, Kind::ChannelClose, 0, lost_sats);
        self.add(BooksEntry { time: closing.at, fee_msat: Some(1_000 * lost_sats), ..lost });
    }

    /// What the commitment transaction pays to us goes to an account of its own, until it is swept.
    fn closed_by_force(&mut self, closing: &Closing) {
        let Some(claimable_sats) = closing.claimable_sats else { return };
        let later_sats = self.came_back_sats(claimable_sats);
        self.found.final_balance_sats = closing.balance_sats.map(|sats| sats + later_sats);
        let debit_sats = closing.balance_sats.unwrap_or(claimable_sats);
        let fee_msat = closing.balance_sats.map(|sats| 1_000 * sats.saturating_sub(claimable_sats));
        let left = entry(Account::Channels, Kind::ChannelClose, 0, debit_sats);
        self.add(BooksEntry { time: closing.at, fee_msat, ..left });
        let owed = entry(Account::Closing, Kind::ChannelClose, claimable_sats, 0);
        self.add(BooksEntry { time: closing.at, fee_msat: Some(0), ..owed });
        if later_sats > 0 {
            let left = entry(Account::Channels, Kind::ChannelClose, 0, later_sats);
            let owed = entry(Account::Closing, Kind::ChannelClose, later_sats, 0);
            for entry in [left, owed] {
                self.add(BooksEntry { time: closing.at, fee_msat: Some(0), ..entry });
            }
        }
    }

    /// What was on its way when the channel was closed, and has become ours by a transaction of its own: a
    /// payment of ours that came to nothing, or one to us that was claimed on chain.
    fn came_back_sats(&self, claimable_sats: u64) -> u64 {
        let found_sats: u64 = self.record.outputs.iter().map(|output| output.value_sats).sum();
        found_sats.saturating_sub(claimable_sats)
    }

    fn add(&mut self, entry: BooksEntry) {
        self.found.entries.push(BooksEntry {
            channel_id: self.id.to_owned(),
            counterparty_node_id: self.record.counterparty_node_id.clone(),
            ..entry
        });
    }
}

/// An entry of this transaction.
pub(super) fn on_chain(
    entry: BooksEntry,
    transaction: &Transaction,
    fee_sats: Option<u64>,
) -> BooksEntry {
    BooksEntry {
        time: transaction.time,
        txid: transaction.txid.to_string(),
        block_height: transaction.height,
        fee_msat: fee_sats.map(|fee_sats| 1_000 * fee_sats),
        ..entry
    }
}

/// Whether both sides have agreed on the closure.
pub(super) fn is_by_agreement(closing: &Closing) -> bool {
    let kind = closing.reason.as_ref().map(ChannelStateChangeReason::kind);
    matches!(
        kind,
        Some(
            Reason::LegacyCooperativeClosure
                | Reason::CounterpartyInitiatedCooperativeClosure
                | Reason::LocallyInitiatedCooperativeClosure
        )
    )
}

fn signed(sats: u64) -> i64 {
    i64::try_from(sats).unwrap_or(i64::MAX)
}

fn added(sum: Option<i64>, sats: Option<i64>) -> Option<i64> {
    sum.zip(sats).map(|(sum, sats)| sum.saturating_add(sats))
}
