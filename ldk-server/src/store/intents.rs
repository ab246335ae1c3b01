//! What callers have asked for under a key, so that it is done once.
//!
//! With consistent cuts nothing is written before a call is carried out. What it has led to is written
//! in the same change as the record of the payment or the transaction, or before anything that
//! follows from a channel or a splice can be. So a key without a row is that of a call of which nothing
//! has left the node, whenever the process was killed.
//!
//! Without cuts the library lets things out that it has not written down yet. Then a row without an
//! answer is written first, and is on disk before the call is carried out. If it is all that a crash
//! leaves, nobody knows what came of the call.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::payment::{PaymentDetails, PaymentKind};

use super::Store;
use super::change::{Change, IntentChange, Reply};
use super::model::payments::is_on_its_way_out;
use super::model::{IntentOutcome, IntentRow, NewIntent, RequestDigest};
use super::writer::unexpected;
use crate::wire;

/// Encodes the answer to a call by what it has led to, and what was known of the answer before.
pub type EncodeAnswer = fn(&IntentOutcome, &AnswerDraft) -> Vec<u8>;

/// What is known of an answer before the call is carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerDraft {
    /// The ways to pay that were left out before the one that is tried now.
    pub left_out: Vec<String>,
    /// All of the answer but what the call has led to, encoded.
    pub rest: Vec<u8>,
}

/// A call under a key that is being carried out. Clones are the same.
#[derive(Clone)]
pub struct Intent(Arc<Inner>);

struct Inner {
    key: String,
    method: &'static str,
    digest: RequestDigest,
    created_at: u64,
    encode: EncodeAnswer,
    draft: Mutex<AnswerDraft>,
}

thread_local! {
    /// The call that is being carried out on this thread.
    static DISPATCHING: RefCell<Option<Intent>> = const { RefCell::new(None) };
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Intent").field(&self.0.key).finish()
    }
}

impl Intent {
    /// A call of this method under a key, at a time in Unix seconds.
    pub fn new(
        key: String,
        (method, digest): (&'static str, RequestDigest),
        created_at: u64,
        encode: EncodeAnswer,
    ) -> Self {
        let draft = Mutex::default();
        Self(Arc::new(Inner { key, method, digest, created_at, encode, draft }))
    }

    /// Its key.
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// What it is told apart by from other calls under the same key.
    pub fn request(&self) -> (&'static str, &RequestDigest) {
        (self.0.method, &self.0.digest)
    }

    /// When it was made, in Unix seconds.
    pub fn created_at(&self) -> u64 {
        self.0.created_at
    }

    /// What is answered if it has led to this.
    pub fn answer(&self, outcome: &IntentOutcome) -> Vec<u8> {
        (self.0.encode)(outcome, &self.draft())
    }

    /// The ways to pay that were left out before the one that is tried now.
    pub fn leaves_out(&self, left_out: Vec<String>) {
        self.draft().left_out = left_out;
    }

    /// What is answered beside what the call leads to, encoded.
    pub fn answers_with(&self, rest: Vec<u8>) {
        self.draft().rest = rest;
    }

    fn draft(&self) -> MutexGuard<'_, AnswerDraft> {
        self.0.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is written when it has led to this.
    pub(super) fn came_to(&self, outcome: &IntentOutcome) -> IntentChange {
        self.written(Some(self.answer(outcome)), None)
    }

    fn written(&self, answer: Option<Vec<u8>>, payment: Option<PaymentId>) -> IntentChange {
        let Inner { key, method, digest, created_at, .. } = &*self.0;
        let (method, digest, created_at) = ((*method).to_owned(), *digest, *created_at);
        let row = IntentRow { method, digest, created_at, answer, payment };
        IntentChange::Put(Box::new(NewIntent { key: key.clone(), row }))
    }
}

/// What is known of the call that is being carried out on this thread, if it has a key, when the library
/// writes this payment. One that it writes down as failed was not sent.
pub(super) fn came_to_payment(details: &PaymentDetails) -> Option<IntentChange> {
    // The answer to a call that makes a refund has the text of it, which the record has not.
    let is_refund = matches!(details.kind, PaymentKind::Bolt12Refund { .. });
    if is_refund || !is_on_its_way_out(details) {
        return None;
    }
    let method = wire::payment::payment_method(&details.kind);
    let outcome = IntentOutcome::Payment(details.id, method);
    DISPATCHING.with_borrow(|intent| Some(intent.as_ref()?.came_to(&outcome)))
}

/// Until this is dropped, what is written on this thread is of a call under a key.
struct Dispatch {
    outer: Option<Intent>,
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        DISPATCHING.set(self.outer.take());
    }
}

impl Store {
    /// What came of the call under this key, as far as it is on disk.
    pub fn intent(&self, key: &str) -> io::Result<Option<IntentRow>> {
        self.reads.intent(key)
    }

    /// Carries out a call on this thread. If it has a key, the record of the payment that it makes is
    /// written together with the answer. `has_sent_nothing` tells of an error whether that is certain.
    pub fn dispatch<T, E>(
        &self,
        intent: Option<&Intent>,
        payment: Option<PaymentId>,
        send: impl FnOnce() -> Result<T, E>,
        has_sent_nothing: impl FnOnce(&E) -> bool,
    ) -> io::Result<Result<T, E>> {
        let Some(intent) = intent else { return Ok(send()) };
        let unknown = || intent.written(None, payment);
        let needs_row = !self.cuts_begun();
        if needs_row {
            self.change_intent(unknown())?;
        }
        let dispatch = Dispatch { outer: DISPATCHING.replace(Some(intent.clone())) };
        let sent = send();
        drop(dispatch);
        match &sent {
            Err(error) if !has_sent_nothing(error) => self.submit_intent(unknown()),
            Err(_) if needs_row => self.submit_intent(IntentChange::Drop(intent.key().to_owned())),
            _ => {},
        }
        Ok(sent)
    }

    /// A call has led to this, which no record of the library's tells. To be called while managers are
    /// held back ([`Store::pin_send`]): nothing that follows from it is then on disk before.
    pub fn intent_came_to(
        &self,
        intent: Option<&Intent>,
        outcome: &IntentOutcome,
    ) -> io::Result<()> {
        let Some(intent) = intent else { return Ok(()) };
        if !self.cuts_begun() {
            return self.change_intent(intent.came_to(outcome));
        }
        self.writer.submit_first(Change::Intent(intent.came_to(outcome)), Box::new(drop));
        Ok(())
    }

    /// Removes rows that were written before this time, in Unix seconds; not all at once, so call it
    /// until none is removed. Returns how many were.
    pub fn remove_old_intents(&self, created_before: u64) -> io::Result<u64> {
        let change = IntentChange::RemoveOld { created_before };
        match self.writer.write(Change::Intent(change))? {
            Reply::IntentsRemoved(removed) => Ok(removed),
            _ => Err(unexpected()),
        }
    }

    /// On disk once this returns.
    fn change_intent(&self, change: IntentChange) -> io::Result<()> {
        self.writer.write(Change::Intent(change)).map(drop)
    }

    fn submit_intent(&self, change: IntentChange) {
        // If it is not written, nothing is any more, and the process ends.
        self.writer.submit(Change::Intent(change), Box::new(drop));
    }
}
