//! The caller of a call: its identity, its permissions, and whether it is still waiting for the answer.
//! A call checks the latter right before a step that cannot be undone: a caller who was told that the
//! call failed, or who has disconnected, must not find the money spent.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tonic::Status;

use crate::access::{DemandedBudget, ForeignCall, Grant};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::intents::Claim;
use crate::store::Intent;

/// How long after the deadline the outcome of a committed call may be returned.
const LATENESS: Duration = Duration::from_secs(10);

/// How long a stream may go on after the permission for it was withdrawn.
const RECHECK_INTERVAL: Duration = Duration::from_secs(2);

const WAITS: u8 = 0;
const GAVE_UP: u8 = 1;
const COMMITTED: u8 = 2;

/// Who a caller is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// Not authenticated.
    #[default]
    Unknown,
    /// Whoever holds the API key of this name.
    ApiKey(Arc<str>),
    /// Whoever holds a rune.
    Rune {
        /// Its id, which those share that were made of it by restricting.
        id: u64,
        /// What it is for.
        label: Arc<str>,
    },
    /// Whoever has the private key of a certificate.
    ClientCertificate {
        /// The name in it.
        name: Arc<str>,
    },
    /// Whoever knows a password.
    Password {
        /// What it is for.
        name: &'static str,
    },
    /// A user of this machine.
    LocalUser {
        /// The number of the user.
        uid: u32,
    },
}

impl Identity {
    /// What conditions on the `id` of a caller are compared with.
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::ApiKey(name) | Self::ClientCertificate { name } => Some(name),
            Self::Rune { label, .. } => {
                Some(label).filter(|label| !label.is_empty()).map(|label| &**label)
            },
            Self::Password { name } => Some(name),
            Self::Unknown | Self::LocalUser { .. } => None,
        }
    }
}

/// As the log and the audit name it, without anything secret.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::ApiKey(name) => write!(f, "API key {name}"),
            Self::Rune { id, .. } => write!(f, "rune {id}"),
            Self::ClientCertificate { name } => write!(f, "certificate {name}"),
            Self::Password { name } => write!(f, "password {name}"),
            Self::LocalUser { uid } => write!(f, "user {uid}"),
        }
    }
}

/// Says why a permission was withdrawn, if it was.
#[derive(Clone, Default)]
struct Recheck(Option<Arc<dyn Fn() -> Option<Error> + Send + Sync>>);

impl fmt::Debug for Recheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Recheck" } else { "NoRecheck" })
    }
}

/// The caller of a call; by default one without identity and permissions. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    identity: Identity,
    grant: Grant,
    budgets: Arc<[DemandedBudget]>,
    deadline: Option<Deadline>,
    recheck: Recheck,
    request_id: Option<u64>,
    other_name: Option<&'static str>,
    foreign_call: Option<Arc<ForeignCall>>,
    claim: Option<Arc<Claim>>,
    state: Arc<State>,
}

/// How far a call is.
#[derive(Debug, Default)]
struct State {
    /// Whether the caller waits.
    patience: AtomicU8,
    /// What the call turned out to be about, in millisatoshis; 0 if that is not known.
    amount_msat: AtomicU64,
}

impl Caller {
    /// Somebody who is known, may do this, and waits for ever.
    pub(crate) fn known(identity: Identity, grant: Grant) -> Self {
        Self { identity, grant, ..Self::default() }
    }

    /// Whoever holds the first API key, and so may do everything; waits for ever.
    #[cfg(test)]
    pub(crate) fn with_api_key() -> Self {
        Self::known(Identity::ApiKey(Arc::from("api_key")), Grant::Everything)
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it may do.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The caller's deadline, if there is one.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Fails unless the caller may do everything: what is asked for would give it that.
    pub(crate) fn must_be_unrestricted(&self) -> Result<(), Error> {
        if matches!(self.grant, Grant::Everything) {
            return Ok(());
        }
        Err(Error::PermissionDenied(format!(
            "{}: whoever is restricted cannot give access to others; a rune can be restricted further \
             without asking the server",
            self.identity
        )))
    }

    /// The same, who is asked again and again during a stream whether it may still have it.
    pub(crate) fn with_recheck(
        self,
        recheck: impl Fn() -> Option<Error> + Send + Sync + 'static,
    ) -> Self {
        Self { recheck: Recheck(Some(Arc::new(recheck))), ..self }
    }

    /// Waits until the caller may no longer have what it was given, and says why.
    pub(crate) async fn permission_withdrawn(&self) -> Error {
        let Recheck(Some(recheck)) = &self.recheck else { return std::future::pending().await };
        loop {
            tokio::time::sleep(RECHECK_INTERVAL).await;
            if let Some(withdrawn) = recheck() {
                return withdrawn;
            }
        }
    }

    /// The same, whose call may also be allowed under this name, which other software has for it.
    pub(crate) fn calls_it_also(self, method: &'static str) -> Self {
        Self { other_name: Some(method), ..self }
    }

    /// Another name of the call.
    pub(crate) fn other_name(&self) -> Option<&'static str> {
        self.other_name
    }

    /// The same, whose calls are parts of one that other software makes.
    pub(crate) fn with_foreign_call(self, call: ForeignCall) -> Self {
        Self { foreign_call: Some(Arc::new(call)), ..self }
    }

    /// The call of other software that the call is part of.
    pub(crate) fn foreign_call(&self) -> Option<&ForeignCall> {
        self.foreign_call.as_deref()
    }

    /// The id of the request.
    pub(crate) fn request_id(&self) -> Option<u64> {
        self.request_id
    }

    /// The call is about this amount, which its request need not name.
    pub(crate) fn names_amount_msat(&self, amount_msat: u64) {
        self.state.amount_msat.store(amount_msat, Ordering::Relaxed);
    }

    /// What the call is about, if the operation said so.
    pub(crate) fn amount_msat(&self) -> Option<u64> {
        Some(self.state.amount_msat.load(Ordering::Relaxed)).filter(|amount| *amount > 0)
    }

    /// What this call may spend.
    pub(crate) fn budgets(&self) -> &[DemandedBudget] {
        &self.budgets
    }

    /// The same, for a call that must keep these budgets.
    pub(crate) fn with_budgets(self, budgets: Vec<DemandedBudget>) -> Self {
        // Most have none, and it is none already.
        if budgets.is_empty() { self } else { Self { budgets: budgets.into(), ..self } }
    }

    /// The same, for a call under a key. The key is claimed until the last clone of this is dropped.
    pub(crate) fn with_claim(self, claim: Claim) -> Self {
        Self { claim: Some(Arc::new(claim)), ..self }
    }

    /// The call under a key, if it has one.
    pub(crate) fn intent(&self) -> Option<&Intent> {
        self.claim.as_deref().map(Claim::intent)
    }

    /// The request has this id, and the caller waits until this deadline.
    pub(crate) fn has_sent(&mut self, request_id: Option<u64>, deadline: Option<Deadline>) {
        (self.request_id, self.deadline) = (request_id, deadline);
    }

    /// Fails if the caller has given up. From now on the caller is told the outcome, even if the
    /// deadline passes meanwhile.
    pub(crate) fn commit(&self) -> Result<(), Error> {
        self.become_state(COMMITTED)
    }

    /// Fails if the caller has given up.
    pub(crate) fn still_waits(&self) -> Result<(), Error> {
        self.become_state(WAITS)
    }

    fn become_state(&self, next: u8) -> Result<(), Error> {
        if self.deadline.is_some_and(Deadline::has_passed) {
            self.give_up();
        }
        let change =
            self.state.patience.compare_exchange(WAITS, next, Ordering::SeqCst, Ordering::SeqCst);
        match change {
            Ok(_) | Err(COMMITTED) => Ok(()),
            // Nobody reads it.
            Err(_) => Err(Error::Unavailable("the caller has given up".to_owned())),
        }
    }

    /// Returns whether the caller has given up, which it cannot once the call is committed.
    fn give_up(&self) -> bool {
        let change = self.state.patience.compare_exchange(
            WAITS,
            GAVE_UP,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        matches!(change, Ok(_) | Err(GAVE_UP))
    }

    /// Returns the result of `work`, or DEADLINE_EXCEEDED if the deadline comes first. If this is
    /// dropped, the caller has given up.
    pub(crate) async fn answer<T>(
        &self,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let _present = Present(self);
        tokio::select! {
            biased;
            () = self.loses_patience() => Err(Deadline::status()),
            done = work => done,
        }
    }

    async fn loses_patience(&self) {
        Deadline::expired(self.deadline).await;
        if !self.give_up() {
            tokio::time::sleep(LATENESS).await;
        }
    }
}

/// While this exists, the caller is waiting.
struct Present<'a>(&'a Caller);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use http::HeaderMap;
    use tokio::time::Instant;
    use tonic::Code;

    use super::*;

    fn within(timeout: &str) -> Caller {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", timeout.parse().unwrap());
        let mut caller = Caller::default();
        caller.has_sent(None, Deadline::of(&headers, Instant::now()).unwrap());
        caller
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_caller_was_told_has_failed_is_not_done() {
        let caller = within("50m");
        let told = caller.answer(pending::<Result<(), Status>>()).await.unwrap_err();
        assert_eq!(told.code(), Code::DeadlineExceeded);
        assert!(caller.still_waits().is_err());
        assert!(caller.commit().is_err());
    }

    #[tokio::test]
    async fn a_deadline_that_has_passed_wins_over_work_that_is_done() {
        let told = within("0m").answer(async { Ok(()) }).await.unwrap_err();
        assert_eq!(told.code(), Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_deadline_that_has_passed_counts_even_if_nobody_was_told() {
        let caller = within("0m");
        assert!(caller.commit().is_err());
        assert!(Caller::default().commit().is_ok());
    }

    #[tokio::test]
    async fn a_caller_who_hangs_up_has_given_up() {
        let caller = Caller::default();
        let answer = caller.answer(pending::<Result<(), Status>>());
        caller.still_waits().unwrap();
        drop(Box::pin(answer));
        // It was never looked at, so that nobody was there.
        caller.still_waits().unwrap();
        let mut answer = Box::pin(caller.answer(pending::<Result<(), Status>>()));
        assert!(futures_util::poll!(&mut answer).is_pending());
        drop(answer);
        assert!(caller.commit().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_is_answered_after_the_deadline() {
        let caller = within("50m");
        let work = async {
            caller.commit().unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok("a txid")
        };
        assert_eq!(caller.answer(work).await.unwrap(), "a txid");
        caller.commit().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_what_was_begun() {
        let caller = within("50m");
        caller.commit().unwrap();
        let told = caller.answer(pending::<Result<(), Status>>()).await.unwrap_err();
        assert_eq!(told.code(), Code::DeadlineExceeded);
    }
}
