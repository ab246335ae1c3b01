//! Calls under keys, of which each key has one at a time. Others with the same key wait for what comes of
//! it.
//!
//! A key belongs to the node, not to who calls: an integrator whose credential has been replaced finds
//! its outcomes all the same.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::types::{PaymentMethod, payment_kind};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::error::Error;
use crate::store::{
    Intent, IntentOutcome, IntentRow, Payment, PaymentStatus, Position, RequestDigest, Store,
};
use crate::waiters::Waiters;

/// How long a call waits for the one that has its key.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many wait at most.
const MAX_WAITING: usize = 1_024;

/// The calls that are being carried out. Clones are the same.
#[derive(Clone)]
pub struct Intents(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    claims: Mutex<Claims>,
    waiters: Waiters<String>,
}

#[derive(Default)]
struct Claims {
    /// What is being carried out, by key.
    claimed: HashMap<String, (&'static str, RequestDigest)>,
    /// Keys of calls that have ended a moment ago: what came of them is written by this position.
    settling: HashMap<String, Position>,
}

/// What is to be done for a call.
pub enum Begun {
    /// It is to be carried out.
    New(Claim),
    /// This was answered to it before.
    Before(Vec<u8>),
}

/// The right to carry out the call under a key. The key is free again when this is dropped.
pub struct Claim {
    intents: Intents,
    intent: Intent,
}

impl Intents {
    /// None is being carried out. What came of earlier ones is in this store.
    pub fn new(store: Arc<Store>) -> Self {
        let (claims, waiters) = (Mutex::default(), Waiters::default());
        Self(Arc::new(Inner { store, claims, waiters }))
    }

    /// Claims the key of a call, if nothing has come of one with this key. Waits for one that is being
    /// carried out.
    pub async fn begin(&self, intent: Intent) -> Result<Begun, Error> {
        let key = intent.key().to_owned();
        if self.0.waiters.count() >= MAX_WAITING {
            let reason = format!("{MAX_WAITING} calls wait for others with the same key");
            return Err(Error::ResourceExhausted(reason));
        }
        let deadline = Instant::now() + PATIENCE;
        let begun = self.0.waiters.until(key, deadline, || self.try_begin(&intent)).await?;
        begun.ok_or_else(|| {
            Error::Unavailable("another call with the same idempotency_key is under way".to_owned())
        })
    }

    /// `None` if another call has the key now.
    async fn try_begin(&self, intent: &Intent) -> Result<Option<Begun>, Error> {
        let Some((claim, written)) = self.claim(intent)? else { return Ok(None) };
        if let Some(position) = written {
            let reached = self.0.store.durability().reached(position).await;
            reached.map_err(|error| Error::Unavailable(error.to_string()))?;
        }
        let (store, intent) = (Arc::clone(&self.0.store), intent.clone());
        let before = spawn_blocking(move || before(&store, &intent));
        match before.await.map_err(Error::internal)?? {
            Some(answer) => Ok(Some(Begun::Before(answer))),
            None => Ok(Some(Begun::New(claim))),
        }
    }

    /// Claims a key, and tells when what came of the last call with it is on disk.
    fn claim(&self, intent: &Intent) -> Result<Option<(Claim, Option<Position>)>, Error> {
        let (key, (method, digest)) = (intent.key(), intent.request());
        let mut claims = self.claims();
        match claims.claimed.get(key) {
            Some((claimed, _)) if *claimed != method => Err(used(key, claimed)),
            Some((_, claimed)) if claimed != digest => Err(used(key, method)),
            Some(_) => Ok(None),
            None => {
                claims.claimed.insert(key.to_owned(), (method, *digest));
                let claim = Claim { intents: self.clone(), intent: intent.clone() };
                Ok(Some((claim, claims.settling.get(key).copied())))
            },
        }
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.0.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// The call.
    pub fn intent(&self) -> &Intent {
        &self.intent
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claim").field(&self.intent).finish()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let durability = self.intents.0.store.durability();
        let key = self.intent.key().to_owned();
        let mut claims = self.intents.claims();
        claims.claimed.remove(&key);
        claims.settling.retain(|_, position| !durability.is_reached(*position));
        claims.settling.insert(key.clone(), durability.accepted());
        drop(claims);
        self.intents.0.waiters.wake(&key);
    }
}

/// What was answered to an earlier call with this key.
fn before(store: &Store, intent: &Intent) -> Result<Option<Vec<u8>>, Error> {
    let Some(row) = store.intent(intent.key()).map_err(Error::internal)? else { return Ok(None) };
    let IntentRow { method, digest, created_at, answer, payment } = row;
    if (&*method, &digest) != intent.request() {
        return Err(used(intent.key(), &method));
    }
    if answer.is_some() {
        return Ok(answer);
    }
    let payment = payment.map(|id| store.payment(id)).transpose().map_err(Error::internal)?;
    let outcome = payment.flatten().and_then(|payment| outcome(&payment, created_at));
    match outcome {
        Some(outcome) => Ok(Some(intent.answer(&outcome))),
        None => Err(unknown(intent.key())),
    }
}

/// What a call of this time has led to, if its payment is in the history. One that had failed before was
/// that of another call.
fn outcome(payment: &Payment, created_at: u64) -> Option<IntentOutcome> {
    let is_before = payment.latest_update_timestamp < created_at;
    if payment.status() == PaymentStatus::Failed && is_before {
        return None;
    }
    let mut id = [0; 32];
    hex::decode_to_slice(&payment.id, &mut id).ok()?;
    let method = match payment.kind.as_ref()?.kind.as_ref()? {
        payment_kind::Kind::Bolt12Offer(_) => PaymentMethod::Bolt12Offer,
        payment_kind::Kind::Spontaneous(_) => PaymentMethod::Spontaneous,
        _ => PaymentMethod::Bolt11,
    };
    Some(IntentOutcome::Payment(PaymentId(id), method))
}

fn used(key: &str, method: &str) -> Error {
    Error::AlreadyExists(format!(
        "idempotency_key: {key:?} was used for another request, of {method}; a new request needs a \
         new key"
    ))
}

fn unknown(key: &str) -> Error {
    Error::FailedPrecondition(format!(
        "idempotency_key: it is not known what came of the call with the key {key:?}: the server ended \
         while it was carried out and made no consistent cuts (storage.consistent_cuts). The same call \
         tells it as soon as the payment is in the history; look at ListPayments, ListChannels and the \
         chain before you use another key"
    ))
}

#[cfg(test)]
mod tests;
