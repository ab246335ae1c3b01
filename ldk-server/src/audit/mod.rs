//! The audit: every call that changes or signs something is recorded, with who made it and what came of it, and so
//! is every call that was refused for lack of permission.
//!
//! Nothing of a request is kept but the amounts that it names. Calls that certainly changed nothing are
//! recorded as long as they are few; of the others of a caller only the number is.

mod amounts;
mod refusals;

use std::sync::Arc;

use ldk_node::lightning::io;
use prost::Message;
use tonic::Code;

use crate::caller::{Caller, Identity};
use crate::clock::unix_secs;
use crate::error::Error;
use crate::store::{AuditRecord, AuditResult, NewAuditEntry, Store};
use amounts::Amounts;
use refusals::Refusals;

/// The longest text that a caller is recorded with: certificates may have names of any length.
const MAX_CALLER_CHARS: usize = 128;

/// Records calls.
pub struct Audit {
    store: Arc<Store>,
    refusals: Arc<Refusals>,
}

/// A call that is under way, if it is recorded.
pub struct Recorded {
    store: Arc<Store>,
    refusals: Arc<Refusals>,
    caller: Caller,
    record: Option<AuditRecord>,
}

/// The entry of a call that has ended, if it is recorded.
pub struct Written {
    store: Arc<Store>,
    record: Option<AuditRecord>,
}

/// What is to be recorded of a call before it is made.
pub fn entry_of<M: Message>(caller: &Caller, method: &'static str, request: &M) -> NewAuditEntry {
    let Amounts { msat, sats } = amounts::named(method, request);
    NewAuditEntry {
        created_at: unix_secs(),
        caller: bounded(&caller.identity().to_string()),
        method: method.to_owned(),
        request_id: caller.request_id().map(|id| format!("{id:x}")).unwrap_or_default(),
        amount_msat: msat,
        amount_sats: sats,
        not_recorded: 0,
    }
}

impl Audit {
    /// Records calls in this store.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, refusals: Arc::default() }
    }

    /// Records that a call begins, if there is an entry for it. It must not be made if that fails.
    pub fn begin(&self, entry: Option<NewAuditEntry>, caller: &Caller) -> Result<Recorded, Error> {
        let full =
            || Error::Unavailable("the disk does not keep up with what is written".to_owned());
        let record = |entry| self.store.record_call(entry, AuditResult::UnderWay).ok_or_else(full);
        Ok(self.recorded(entry.map(record).transpose()?, caller))
    }

    /// The same, and waits on this thread until the entry is on disk: for a call that changes something
    /// outside of the database.
    pub fn begin_on_disk(
        &self,
        entry: Option<NewAuditEntry>,
        caller: &Caller,
    ) -> Result<Recorded, Error> {
        let record = |entry| self.store.record_call_at_once(entry, AuditResult::UnderWay);
        let record = entry.map(record).transpose().map_err(Error::internal)?;
        Ok(self.recorded(record, caller))
    }

    fn recorded(&self, record: Option<AuditRecord>, caller: &Caller) -> Recorded {
        let (store, refusals) = (Arc::clone(&self.store), Arc::clone(&self.refusals));
        Recorded { store, refusals, caller: caller.clone(), record }
    }

    /// Records that a call was refused, unless too many were.
    pub fn refused<M: Message>(
        &self,
        caller: &Caller,
        method: &'static str,
        request: &M,
        refusal: &Error,
    ) {
        // Strangers are not recorded: there is any number of them.
        if *caller.identity() == Identity::Unknown {
            return;
        }
        let who = bounded(&caller.identity().to_string());
        let Some(not_recorded) = self.refusals.admit(&who) else { return };
        let entry = NewAuditEntry { not_recorded, ..entry_of(caller, method, request) };
        self.store.record_call(entry, answered(refusal.code()));
    }

    /// Records how many calls of each caller were refused and have no entry, when no more come.
    pub fn record_counted(&self) {
        for (caller, not_recorded) in self.refusals.take_counted() {
            let entry = NewAuditEntry {
                created_at: unix_secs(),
                caller,
                not_recorded,
                ..NewAuditEntry::default()
            };
            self.store.record_call(entry, answered(Code::PermissionDenied));
        }
    }

    /// Removes some of the entries that were recorded before this time, in Unix seconds. Returns how many
    /// were.
    pub fn remove_old(&self, recorded_before: u64) -> io::Result<u64> {
        self.store.remove_old_audit_entries(recorded_before)
    }
}

impl Recorded {
    /// The call has ended like this.
    pub fn ended<T>(mut self, result: &Result<T, Error>) -> Written {
        let code = result.as_ref().err().map_or(Code::Ok, Error::code);
        let record = self.record.take();
        if let Some(AuditRecord { number, .. }) = &record {
            if self.is_recorded(code) {
                let amount_msat = self.caller.amount_msat();
                self.store.record_result(*number, answered(code), amount_msat);
            } else {
                self.store.drop_record(*number);
            }
        }
        Written { store: Arc::clone(&self.store), record }
    }

    /// Of calls that certainly changed nothing, only some are.
    fn is_recorded(&self, code: Code) -> bool {
        !matches!(code, Code::PermissionDenied | Code::InvalidArgument)
            || self.refusals.admit_one(&bounded(&self.caller.identity().to_string()))
    }
}

impl Drop for Recorded {
    /// The call was given up, or has failed without an answer.
    fn drop(&mut self) {
        if let Some(AuditRecord { number, .. }) = self.record.take() {
            self.store.record_result(number, AuditResult::Unknown, self.caller.amount_msat());
        }
    }
}

impl Written {
    /// Waits until the entry of the call is on disk. It is already if the call has written anything that
    /// was waited for.
    pub async fn on_disk(self) -> Result<(), Error> {
        let Some(record) = self.record else { return Ok(()) };
        let recorded = self.store.call_recorded(record).await;
        recorded.map_err(|error| Error::Unavailable(error.to_string()))
    }
}

fn answered(code: Code) -> AuditResult {
    AuditResult::Answered(code.into())
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_CALLER_CHARS).collect()
}

#[cfg(test)]
mod tests;
