//! The audit: who has called what, with which result.
//!
//! The entry of a call is queued before anything that the call changes, and so no change is on disk whose
//! entry is not. Entries have no commit of their own, as long as anything else is written soon: a call is
//! not made slower by being recorded.

use std::future::ready;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use ldk_node::lightning::io;

use super::Store;
use super::backend::Reads;
use super::change::{Change, Outcome, Reply};
use super::model::{
    AuditChange, AuditEntry, AuditFilter, AuditPlace, AuditResult, NewAuditEntry, Page,
};
use super::writer::{Ticket, unexpected, wait, wait_async};

/// So many entries may wait to be written.
const MAX_WAITING: usize = 4096;

/// The numbers of the entries.
pub(super) struct AuditNumbers {
    last: Mutex<u64>,
    /// The last one of earlier runs.
    last_of_before: u64,
}

/// The entry of a call that is under way.
pub struct AuditRecord {
    /// Its number.
    pub number: u64,
    ticket: Ticket,
    written: Pin<Box<dyn Future<Output = io::Result<Outcome>> + Send>>,
}

impl AuditNumbers {
    pub(super) fn load(reads: &dyn Reads) -> io::Result<Self> {
        let last = reads.last_audit_number()?;
        Ok(Self { last: Mutex::new(last), last_of_before: last })
    }
}

impl Store {
    /// Records a call. Whatever is written from now on is not on disk before it. `None` if too much waits
    /// to be written.
    pub fn record_call(&self, call: NewAuditEntry, result: AuditResult) -> Option<AuditRecord> {
        if self.writer.queued() >= MAX_WAITING {
            return None;
        }
        let (mut number, mut ticket) = (0, Ticket::default());
        let written = wait_async(|answer| {
            number = self.add_entry(call, result, |change| {
                ticket = self.writer.submit_deferred(change, answer);
            });
        });
        Some(AuditRecord { number, ticket, written })
    }

    /// Records a call, and waits on this thread until the entry is on disk.
    pub fn record_call_at_once(
        &self,
        call: NewAuditEntry,
        result: AuditResult,
    ) -> io::Result<AuditRecord> {
        let mut number = 0;
        let outcome = wait(|answer| {
            number = self.add_entry(call, result, |change| self.writer.submit(change, answer));
        })?;
        let written = Box::pin(ready(Ok(outcome)));
        Ok(AuditRecord { number, ticket: Ticket::default(), written })
    }

    fn add_entry(
        &self,
        call: NewAuditEntry,
        result: AuditResult,
        submit: impl FnOnce(Change),
    ) -> u64 {
        let mut last = self.audit_numbers.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let entry = AuditEntry { number: *last, call, result };
        // Before anybody else has a number, so that they are written in their order.
        submit(Change::Audit(AuditChange::Add(Box::new(entry))));
        *last
    }

    /// Records what came of a call, and the amount that it turned out to be about.
    pub fn record_result(&self, number: u64, result: AuditResult, amount_msat: Option<u64>) {
        self.submit_audit(AuditChange::End { number, result, amount_msat });
    }

    /// Removes the entry of a call.
    pub fn drop_record(&self, number: u64) {
        self.submit_audit(AuditChange::Drop { number });
    }

    fn submit_audit(&self, change: AuditChange) {
        // If it is not written, nothing is any more, and the process ends.
        self.writer.submit_deferred(Change::Audit(change), Box::new(drop));
    }

    /// Waits until an entry is on disk.
    pub async fn call_recorded(&self, record: AuditRecord) -> io::Result<()> {
        self.writer.hurry(record.ticket);
        record.written.await.map(drop)
    }

    /// The entries after this place, or from the newest on, with all that was recorded by now.
    pub fn audit_entries(
        &self,
        filter: &AuditFilter,
        after: Option<AuditPlace>,
        page_size: usize,
    ) -> io::Result<Page<AuditEntry>> {
        let _: Reply = self.writer.write(Change::Audit(AuditChange::Nothing))?;
        // One more than a page holds tells whether another follows.
        let limit = page_size.saturating_add(1);
        let last_of_before = self.audit_numbers.last_of_before;
        let rows = self.reads.audit_entries(filter, after, limit, last_of_before)?;
        Ok(Page::of(rows, page_size))
    }

    /// Removes the oldest of the entries that were recorded before this time, in Unix seconds; not all at
    /// once, so call it until none is removed. Returns how many were.
    pub fn remove_old_audit_entries(&self, recorded_before: u64) -> io::Result<u64> {
        let change = Change::Audit(AuditChange::RemoveOld { recorded_before });
        match self.writer.write(change)? {
            Reply::AuditEntriesRemoved(removed) => Ok(removed),
            _ => Err(unexpected()),
        }
    }
}
