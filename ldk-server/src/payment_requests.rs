//! Payment requests with several payment methods, of which only one may be paid: the parts of a URI.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ldk_node::bitcoin::Txid;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;

use crate::error::Error;

/// How many invoices that were paid by another method are remembered, latest first.
const MAX_REMEMBERED: usize = 4_096;

/// The payment that has paid a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaidBy {
    /// Over Lightning.
    Payment(PaymentId),
    /// On chain.
    Transaction(Txid),
}

impl fmt::Display for PaidBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payment(PaymentId(id)) => write!(formatter, "payment {}", hex::encode(id)),
            Self::Transaction(txid) => write!(formatter, "transaction {txid}"),
        }
    }
}

/// The payment requests that are being paid, and those that were.
#[derive(Default)]
pub struct PaymentRequests {
    under_way: Mutex<HashSet<Vec<u8>>>,
    paid: Mutex<Paid>,
}

impl PaymentRequests {
    /// Starts paying a request with these parts, unless another call is paying one of them.
    pub(crate) fn turn(&self, parts: impl Iterator<Item = Vec<u8>>) -> Result<Turn<'_>, Error> {
        let parts: Vec<_> = parts.collect();
        let mut under_way = lock(&self.under_way);
        if parts.iter().any(|part| under_way.contains(part)) {
            let reason = "the uri, or a part of it, is being paid by another call";
            return Err(Error::FailedPrecondition(reason.to_owned()));
        }
        under_way.extend(parts.iter().cloned());
        Ok(Turn { requests: self, parts })
    }

    /// Records that the request with these invoices is being paid.
    pub(crate) fn paid(&self, invoices: &[PaymentHash], by: PaidBy) {
        let mut paid = lock(&self.paid);
        for invoice in invoices {
            paid.remember(*invoice, by);
        }
    }

    /// The payment that has paid the request with this invoice.
    pub(crate) fn paid_by(&self, invoice: PaymentHash) -> Option<PaidBy> {
        lock(&self.paid).by.get(&invoice).copied()
    }
}

/// The right to pay a request. Its parts are free again when this is dropped.
pub(crate) struct Turn<'a> {
    requests: &'a PaymentRequests,
    parts: Vec<Vec<u8>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.requests.under_way);
        for part in &self.parts {
            under_way.remove(part);
        }
    }
}

#[derive(Default)]
struct Paid {
    by: HashMap<PaymentHash, PaidBy>,
    oldest_first: VecDeque<PaymentHash>,
}

impl Paid {
    fn remember(&mut self, invoice: PaymentHash, by: PaidBy) {
        if self.by.insert(invoice, by).is_none() {
            self.oldest_first.push_back(invoice);
        }
        if self.oldest_first.len() > MAX_REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by.remove(&oldest);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> PaymentHash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        PaymentHash(hash)
    }

    #[test]
    fn a_request_is_paid_by_one_call_at_a_time() {
        let requests = PaymentRequests::default();
        let parts = |parts: &[u8]| parts.iter().map(|part| vec![*part]).collect::<Vec<_>>();
        let first = requests.turn(parts(&[1, 2]).into_iter());
        assert!(first.is_ok());
        let refused = requests.turn(parts(&[2, 3]).into_iter()).err().unwrap();
        assert!(matches!(refused, Error::FailedPrecondition(_)), "{refused:?}");
        assert!(requests.turn(parts(&[3]).into_iter()).is_ok(), "a refused call leaves nothing");
        drop(first);
        assert!(requests.turn(parts(&[2, 3]).into_iter()).is_ok());
    }

    #[test]
    fn the_latest_invoices_are_remembered() {
        let requests = PaymentRequests::default();
        let by = PaidBy::Payment(PaymentId([7; 32]));
        for number in 0..=MAX_REMEMBERED as u64 {
            requests.paid(&[hash(number)], by);
        }
        assert_eq!(requests.paid_by(hash(0)), None);
        assert_eq!(requests.paid_by(hash(1)), Some(by));
        assert_eq!(requests.paid_by(hash(MAX_REMEMBERED as u64)), Some(by));
        assert_eq!(lock(&requests.paid).by.len(), MAX_REMEMBERED);
    }
}
