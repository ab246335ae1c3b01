//! Budgets: what was drawn on each, and what is reserved for payments whose outcome is not known.
//!
//! A reservation is queued before anything of its payment is, so that whatever has left the node was
//! reserved on disk. It is corrected in the transaction that writes down the outcome of the payment.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;

use super::Store;
use super::backend::Reads;
use super::change::{Change, Reply};
use super::model::{BudgetId, BudgetLimit, Purpose, Reservation, Settlement};
use super::writer::Writer;
use crate::clock::unix_secs;

/// What was drawn, as it is on disk or is going to be. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Drawn>>);

#[derive(Default)]
struct Drawn {
    last_number: u64,
    budgets: HashMap<BudgetId, Budget>,
}

/// What is drawn on one budget.
#[derive(Default)]
struct Budget {
    drawn_msat: u64,
    /// By number, and so the oldest first.
    reservations: BTreeMap<u64, Reservation>,
}

/// Amounts that are reserved for one payment. If nobody says what it is for, nothing was spent.
pub struct Reserved<'a> {
    store: &'a Store,
    /// `None` if nothing had to be reserved.
    number: Option<u64>,
}

/// Why nothing was reserved.
#[derive(Debug)]
pub struct NotReserved {
    /// The place of the budget that has too little left, among those that were asked for.
    pub index: usize,
    /// What is left of it, in millisatoshis.
    pub left_msat: u64,
}

impl Store {
    /// Reserves an amount on all of these budgets, or on none. It is queued before whatever is written
    /// from now on.
    pub fn reserve(
        &self,
        limits: &[BudgetLimit],
        amount_msat: u64,
        payment: Option<PaymentId>,
    ) -> Result<Reserved<'_>, NotReserved> {
        if limits.is_empty() {
            return Ok(Reserved { store: self, number: None });
        }
        let purpose = payment.map_or(Purpose::Unknown, Purpose::Payment);
        let mut drawn = self.ledger.drawn();
        let reservations = drawn.reserve(limits, amount_msat, unix_secs())?;
        let number = drawn.last_number;
        // Before anybody else reserves, so that they are written in the order of their numbers.
        self.submit_budget(Change::Reserve { reservations, purpose });
        drop(drawn);
        Ok(Reserved { store: self, number: Some(number) })
    }

    /// What is drawn on a budget now, in millisatoshis.
    pub fn drawn_msat(&self, limit: &BudgetLimit) -> u64 {
        self.ledger.drawn().of(&limit.budget, unix_secs())
    }

    fn submit_budget(&self, change: Change) {
        // If it is not written, nothing is any more, and the process ends.
        self.writer.submit(change, Box::new(|_| ()));
    }
}

impl Reserved<'_> {
    /// It is for this payment, whose outcome decides what is spent.
    pub fn is_for(mut self, payment: PaymentId) {
        if let Some(number) = self.number.take() {
            let purpose = Purpose::Payment(payment);
            self.store.submit_budget(Change::ReservationIsFor { number, purpose });
        }
    }

    /// It is spent, unless this is dropped.
    pub fn as_spent(self) -> Self {
        if let Some(number) = self.number {
            let purpose = Purpose::Spent;
            self.store.submit_budget(Change::ReservationIsFor { number, purpose });
        }
        self
    }

    /// What it is for was said before, or cannot be told: it stays reserved.
    pub fn stays(mut self) {
        self.number = None;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.store.ledger.settled(Settlement { number, amount_msat: 0 });
            self.store.submit_budget(Change::Release { number });
        }
    }
}

impl Ledger {
    /// Reads what was drawn, after what a crash has left is settled.
    pub(super) fn load(&self, reads: &dyn Reads, writer: &Writer) -> io::Result<()> {
        if reads.reservations()?.is_empty() {
            return Ok(());
        }
        let _: Reply = writer.write(Change::TidyReservations)?;
        let mut drawn = self.drawn();
        for reservation in reads.reservations()? {
            drawn.last_number = drawn.last_number.max(reservation.number);
            drawn.budgets.entry(reservation.budget).or_default().add(reservation);
        }
        Ok(())
    }

    /// What was reserved has come to this.
    pub(super) fn settled(&self, settlement: Settlement) {
        self.drawn().budgets.values_mut().for_each(|budget| budget.settle(settlement));
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drawn {
    fn reserve(
        &mut self,
        limits: &[BudgetLimit],
        amount_msat: u64,
        now_secs: u64,
    ) -> Result<Vec<Reservation>, NotReserved> {
        for (index, limit) in limits.iter().enumerate() {
            let left_msat = limit.amount_msat.saturating_sub(self.of(&limit.budget, now_secs));
            if amount_msat > left_msat {
                return Err(NotReserved { index, left_msat });
            }
        }
        self.last_number += 1;
        let reservation = |limit: &BudgetLimit| Reservation {
            number: self.last_number,
            budget: limit.budget,
            created_at: now_secs,
            counts_until: limit.window_secs.map(|window| now_secs.saturating_add(window)),
            amount_msat,
        };
        let reservations: Vec<_> = limits.iter().map(reservation).collect();
        for reservation in &reservations {
            self.budgets.entry(reservation.budget).or_default().add(reservation.clone());
        }
        Ok(reservations)
    }

    /// What is drawn on a budget. What counts no more is forgotten.
    fn of(&mut self, budget: &BudgetId, now_secs: u64) -> u64 {
        let Some(budget) = self.budgets.get_mut(budget) else { return 0 };
        budget.forget_past(now_secs);
        budget.drawn_msat
    }
}

impl Budget {
    fn add(&mut self, reservation: Reservation) {
        self.drawn_msat = self.drawn_msat.saturating_add(reservation.amount_msat);
        self.reservations.insert(reservation.number, reservation);
    }

    fn settle(&mut self, Settlement { number, amount_msat }: Settlement) {
        let Some(mut reservation) = self.remove(number) else { return };
        if amount_msat > 0 {
            reservation.amount_msat = amount_msat;
            self.add(reservation);
        }
    }

    fn forget_past(&mut self, now_secs: u64) {
        while let Some((&number, oldest)) = self.reservations.first_key_value() {
            if oldest.counts_until.is_none_or(|until| until > now_secs) {
                break;
            }
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) -> Option<Reservation> {
        let removed = self.reservations.remove(&number)?;
        self.drawn_msat = self.drawn_msat.saturating_sub(removed.amount_msat);
        Some(removed)
    }
}
