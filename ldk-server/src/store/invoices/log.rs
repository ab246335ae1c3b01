//! What becomes of invoices, for those who wait for it. The rows that changed last are kept in memory:
//! however many wait for the same payment, none of them reads the disk for it.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::io;
use tokio::time::Instant;

use crate::store::backend::Reads;
use crate::store::model::{InvoiceFilter, InvoiceNews, InvoiceRow};
use crate::waiters::Waiters;

/// How many rows are kept that changed, and how many that were paid.
const KEPT: usize = 256;

/// What is known of invoices in memory. Clones share it.
#[derive(Clone)]
pub struct InvoiceLog {
    waiters: Waiters<Awaited>,
    recent: Arc<Mutex<Recent>>,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Awaited {
    /// Any payment.
    Any,
    /// A new invoice, offer or receipt.
    Added,
    /// News of the invoice with this number.
    Invoice(u64),
}

/// An answer from memory.
#[derive(Debug, PartialEq, Eq)]
pub enum Remembered<T> {
    /// This is it.
    Known(T),
    /// Only the disk knows.
    OnDisk,
}

struct Recent {
    /// The number of the one that was made last.
    last_number: u64,
    /// The index of the one that was paid last.
    last_pay_index: u64,
    /// Those that were paid after the one with this index are in `paid`, unless they were deleted.
    complete_after: u64,
    paid: VecDeque<Arc<InvoiceRow>>,
    /// Those that changed last, by number, and in which order.
    changed: HashMap<u64, Arc<InvoiceRow>>,
    order: VecDeque<u64>,
}

impl InvoiceLog {
    pub(in crate::store) fn load(reads: &dyn Reads) -> io::Result<Self> {
        let last_pay_index = reads.last_pay_index()?;
        let newest = reads.invoices(&InvoiceFilter::default(), None, 1)?;
        let recent = Recent {
            last_number: newest.first().map_or(0, |newest| newest.number),
            last_pay_index,
            complete_after: last_pay_index,
            paid: VecDeque::new(),
            changed: HashMap::new(),
            order: VecDeque::new(),
        };
        Ok(Self { waiters: Waiters::default(), recent: Arc::new(Mutex::new(recent)) })
    }

    /// This is on disk: tells those who wait for it.
    pub(in crate::store) fn changed(&self, news: Vec<InvoiceNews>) {
        for news in news {
            if self.recent().is_new(&news) {
                self.waiters.wake(&Awaited::Added);
            }
            let (number, is_paid) = self.recent().note(news);
            self.waiters.wake(&Awaited::Invoice(number));
            if is_paid {
                self.waiters.wake(&Awaited::Any);
            }
        }
    }

    /// The index of the one that was paid last; 0 before the first.
    pub fn last_pay_index(&self) -> u64 {
        self.recent().last_pay_index
    }

    /// The number of the invoice, offer or receipt that was made last; 0 before the first.
    pub fn last_number(&self) -> u64 {
        self.recent().last_number
    }

    /// The one that was paid first after that with this index, if there is one.
    pub fn paid_after(&self, pay_index: u64) -> Remembered<Option<Arc<InvoiceRow>>> {
        self.recent().paid_after(pay_index)
    }

    /// The invoice with this number.
    pub fn invoice(&self, number: u64) -> Remembered<Arc<InvoiceRow>> {
        let known = self.recent().changed.get(&number).map(Arc::clone);
        known.map_or(Remembered::OnDisk, Remembered::Known)
    }

    /// Asks again after each payment that arrives, until there is an answer; `None` if it does not come
    /// in time.
    pub async fn until_any_is_paid<T, E, F>(
        &self,
        deadline: Instant,
        ask: impl FnMut() -> F,
    ) -> Result<Option<T>, E>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        self.waiters.until(Awaited::Any, deadline, ask).await
    }

    /// Waits until there is one with this number or a higher one; tells whether there is in time.
    pub async fn until_number(&self, number: u64, deadline: Instant) -> bool {
        let ask = || async { Ok::<_, Infallible>((self.last_number() >= number).then_some(())) };
        let Ok(found) = self.waiters.until(Awaited::Added, deadline, ask).await;
        found.is_some()
    }

    /// Asks again after all news of an invoice, until there is an answer; `None` if it does not come in
    /// time.
    pub async fn until_invoice<T, E, F>(
        &self,
        number: u64,
        deadline: Instant,
        ask: impl FnMut() -> F,
    ) -> Result<Option<T>, E>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        self.waiters.until(Awaited::Invoice(number), deadline, ask).await
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    /// Whether this is of one that was not there before.
    fn is_new(&mut self, news: &InvoiceNews) -> bool {
        let number = match news {
            InvoiceNews::Added(number) => *number,
            InvoiceNews::Changed(row) => row.number,
            InvoiceNews::Deleted(_) => return false,
        };
        let is_new = number > self.last_number;
        self.last_number = self.last_number.max(number);
        is_new
    }

    /// Returns the number of the invoice, and whether it was paid just now.
    fn note(&mut self, news: InvoiceNews) -> (u64, bool) {
        match news {
            InvoiceNews::Added(number) => (number, false),
            InvoiceNews::Deleted(number) => {
                self.paid.retain(|row| row.number != number);
                self.changed.remove(&number);
                (number, false)
            },
            InvoiceNews::Changed(row) => {
                let is_paid = row.pay_index.is_some_and(|index| index > self.last_pay_index);
                if is_paid {
                    self.is_paid(Arc::clone(&row));
                }
                let number = row.number;
                self.keep(row);
                (number, is_paid)
            },
        }
    }

    fn is_paid(&mut self, row: Arc<InvoiceRow>) {
        self.last_pay_index = row.pay_index.unwrap_or(self.last_pay_index);
        self.paid.push_back(row);
        if self.paid.len() > KEPT
            && let Some(oldest) = self.paid.pop_front()
        {
            self.complete_after = oldest.pay_index.unwrap_or(self.complete_after);
        }
    }

    fn keep(&mut self, row: Arc<InvoiceRow>) {
        let number = row.number;
        if self.changed.insert(number, row).is_none() {
            self.order.push_back(number);
        }
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.changed.remove(&oldest);
        }
    }

    fn paid_after(&self, pay_index: u64) -> Remembered<Option<Arc<InvoiceRow>>> {
        if pay_index >= self.last_pay_index {
            return Remembered::Known(None);
        }
        if pay_index < self.complete_after {
            return Remembered::OnDisk;
        }
        let later = self.paid.iter().find(|row| row.pay_index > Some(pay_index));
        Remembered::Known(later.map(Arc::clone))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ldk_server_grpc::types::InvoiceKind;

    use super::*;
    use crate::store::model::{InvoiceNotes, InvoiceStatus};

    fn paid(number: u64, pay_index: Option<u64>) -> InvoiceRow {
        InvoiceRow {
            number,
            created_at: 1,
            expires_at: None,
            kind: InvoiceKind::Bolt11,
            payment_hash: None,
            offer_id: None,
            notes: InvoiceNotes::default(),
            offer_label: None,
            request_digest: None,
            text: String::new(),
            description: String::new(),
            amount_msat: None,
            status: InvoiceStatus::Paid,
            amount_received_msat: None,
            paid_at: None,
            pay_index,
            payment_id: None,
        }
    }

    fn changed(number: u64, pay_index: Option<u64>) -> InvoiceNews {
        InvoiceNews::Changed(Arc::new(paid(number, pay_index)))
    }

    fn recent() -> Recent {
        Recent {
            last_number: 0,
            last_pay_index: 10,
            complete_after: 10,
            paid: VecDeque::new(),
            changed: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    fn index(answer: &Remembered<Option<Arc<InvoiceRow>>>) -> Option<Option<u64>> {
        match answer {
            Remembered::Known(row) => Some(row.as_ref().and_then(|row| row.pay_index)),
            Remembered::OnDisk => None,
        }
    }

    #[test]
    fn what_was_paid_before_the_start_or_long_ago_is_on_disk() {
        let mut recent = recent();
        assert_eq!(index(&recent.paid_after(9)), None);
        assert_eq!(index(&recent.paid_after(10)), Some(None));
        for pay_index in 11..=300 {
            let (number, is_paid) = recent.note(changed(1, Some(pay_index)));
            assert_eq!((number, is_paid), (1, true));
        }
        assert_eq!(index(&recent.paid_after(299)), Some(Some(300)));
        let first = 300 - KEPT as u64;
        assert_eq!(index(&recent.paid_after(first)), Some(Some(first + 1)));
        assert_eq!(index(&recent.paid_after(first - 1)), None);
        assert_eq!(index(&recent.paid_after(u64::MAX)), Some(None));
    }

    #[test]
    fn what_is_deleted_is_skipped() {
        let mut recent = recent();
        for (number, pay_index) in [(5, 11), (6, 12), (7, 13)] {
            recent.note(changed(number, Some(pay_index)));
        }
        assert_eq!(recent.note(InvoiceNews::Deleted(6)), (6, false));
        assert_eq!(index(&recent.paid_after(11)), Some(Some(13)));
        recent.note(InvoiceNews::Deleted(7));
        assert_eq!(index(&recent.paid_after(11)), Some(None));
        assert!(!recent.changed.contains_key(&7));
    }

    #[test]
    fn only_the_rows_that_changed_last_are_kept() {
        let mut recent = recent();
        for number in (0..1_000).chain(0..1_000) {
            let (_, is_paid) = recent.note(changed(number, None));
            assert!(!is_paid);
        }
        let kept: BTreeSet<_> = recent.changed.keys().copied().collect();
        assert_eq!(kept, (1_000 - KEPT as u64..1_000).collect());
        assert_eq!(recent.order.len(), KEPT);
    }

    #[test]
    fn what_is_new_is_told_once() {
        let mut recent = recent();
        assert!(recent.is_new(&InvoiceNews::Added(3)));
        assert!(!recent.is_new(&changed(3, None)));
        assert!(!recent.is_new(&InvoiceNews::Deleted(9)));
        assert!(recent.is_new(&changed(4, Some(11))));
        assert_eq!(recent.last_number, 4);
    }
}
