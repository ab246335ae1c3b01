//! What is known of each payment: what its two ends have told, and what their books say.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ldk_server_client::types::PaymentStatus;

use super::summary::Summary;
use super::violation::{Kind, Violation};

/// How the call that began a payment ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sending {
    /// It was not made, or its answer was lost.
    #[default]
    Unknown,
    /// The payment has begun.
    Accepted,
    /// It was refused.
    Refused,
}

/// One payment.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// Which of the nodes pays, and which is paid.
    pub(super) payer: usize,
    pub(super) payee: usize,
    pub(super) amount_msat: u64,
    /// What the one between them gets, as the payer says.
    pub(super) fee_msat: u64,
    /// In which round it began.
    pub(super) round: u32,
    /// Whether the payee has given out an invoice for it.
    pub(super) has_invoice: bool,
    pub(super) sending: Sending,
    /// What was told by an answer or by an event. It has to stay true.
    pub(super) payer_told_success: bool,
    pub(super) payer_told_failure: bool,
    pub(super) payee_told_success: bool,
    /// What the books said when they were last looked at; `None` if they did not have it.
    pub(super) payer_says: Option<PaymentStatus>,
    pub(super) payee_says: Option<PaymentStatus>,
    /// Whether the balances that were last checked include it.
    pub(super) is_booked: bool,
}

impl Entry {
    pub(super) fn has_arrived(&self) -> bool {
        self.payee_says == Some(PaymentStatus::Succeeded)
    }

    /// What it has moved in a channel, from the node with the lower number to the next.
    fn moved_msat(&self, channel: usize) -> i64 {
        let is_upwards = self.payer < self.payee;
        let (low, high) = (self.payer.min(self.payee), self.payer.max(self.payee));
        if !(low..high).contains(&channel) {
            return 0;
        }
        let first = if is_upwards { low } else { high - 1 };
        let fee_msat = if channel == first { self.fee_msat } else { 0 };
        let msat = (self.amount_msat + fee_msat).cast_signed();
        if is_upwards { msat } else { -msat }
    }

    /// Whether it can still change, or is of this round.
    fn is_open(&self, round: u32) -> bool {
        let is_done = self.payer_says == Some(PaymentStatus::Failed)
            || self.payer_says.is_none()
            || (self.payer_says == Some(PaymentStatus::Succeeded) && self.is_booked);
        self.round == round || !is_done
    }

    /// What must hold whenever nothing is on its way.
    pub(super) fn violations(&self, id: &str) -> Vec<Violation> {
        let payer_says_success = self.payer_says == Some(PaymentStatus::Succeeded);
        let payer_says_failure = self.payer_says == Some(PaymentStatus::Failed);
        let claims = [
            (
                self.sending == Sending::Accepted && self.payer_says.is_none(),
                Kind::Missing,
                "its sending was accepted, and the payer does not have it",
            ),
            (
                self.has_arrived() && self.payer_says.is_none(),
                Kind::Missing,
                "it has arrived, and the payer does not have it",
            ),
            (
                self.has_invoice && self.payee_says.is_none(),
                Kind::Missing,
                "its invoice was given out, and the payee does not have it",
            ),
            (
                self.payee_told_success && !self.has_arrived(),
                Kind::State,
                "the payee told that it was received, and says otherwise now",
            ),
            (
                self.payer_told_success && !payer_says_success,
                Kind::State,
                "the payer told that it succeeded, and says otherwise now",
            ),
            (
                (self.payer_told_success || payer_says_success) && !self.has_arrived(),
                Kind::State,
                "it succeeded for the payer, and has not arrived",
            ),
            (
                (self.payer_told_failure || payer_says_failure) && self.has_arrived(),
                Kind::State,
                "it failed for the payer, and has arrived",
            ),
        ];
        claims
            .into_iter()
            .filter(|(is_violated, ..)| *is_violated)
            .map(|(_, kind, what)| Violation::new(kind, format!("payment {id}: {what}: {self:?}")))
            .collect()
    }
}

/// The payments of a group of nodes, by their id.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<BTreeMap<String, Entry>>);

impl Ledger {
    pub(super) fn add(&self, id: &str, entry: Entry) {
        self.lock().insert(id.to_owned(), entry);
    }

    /// Changes a payment. One that is not known is none of those that are counted here.
    pub(super) fn change(&self, id: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.lock().get_mut(id) {
            change(entry);
        }
    }

    /// The payments of the round, and the earlier ones whose outcome is not known yet.
    pub(super) fn open(&self, round: u32) -> Vec<(String, Entry)> {
        let mut entries = self.all();
        entries.retain(|(_, entry)| entry.is_open(round));
        entries
    }

    pub(super) fn all(&self) -> Vec<(String, Entry)> {
        self.lock().iter().map(|(id, entry)| (id.clone(), entry.clone())).collect()
    }

    /// What has arrived and is not booked yet has moved so many millisatoshis in a channel, from the
    /// node with the lower number to the next.
    pub(super) fn unbooked_msat(&self, channel: usize) -> i64 {
        let new = |entry: &&Entry| entry.has_arrived() && !entry.is_booked;
        self.lock().values().filter(new).map(|entry| entry.moved_msat(channel)).sum()
    }

    /// Takes what has arrived as part of the balances.
    pub(super) fn book(&self) {
        for entry in self.lock().values_mut() {
            entry.is_booked |= entry.has_arrived();
        }
    }

    pub(super) fn count(&self, summary: &mut Summary) {
        for entry in self.lock().values() {
            summary.payments += 1;
            summary.arrived += u32::from(entry.has_arrived());
            match entry.payer_says {
                Some(PaymentStatus::Succeeded) => summary.succeeded += 1,
                Some(PaymentStatus::Failed) => summary.failed += 1,
                Some(PaymentStatus::Pending) if entry.has_arrived() => {
                    summary.arrived_and_pending += 1;
                },
                Some(PaymentStatus::Pending) => summary.pending += 1,
                // One that has arrived is a violation.
                None => summary.unknown += u32::from(!entry.has_arrived()),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
