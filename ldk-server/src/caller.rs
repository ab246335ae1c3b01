//! The caller of a call: its identity, its permissions, and whether it is still waiting for the answer.
//! A call checks the latter right before a step that cannot be undone: a caller who was told that the
//! call failed, or who has disconnected, must not find the money spent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tonic::Status;

use crate::access::{Access, Permissions};
use crate::deadline::Deadline;
use crate::error::Error;

/// How long after the deadline the outcome of a committed call may be returned.
const LATENESS: Duration = Duration::from_secs(10);

const WAITS: u8 = 0;
const GAVE_UP: u8 = 1;
const COMMITTED: u8 = 2;

/// The identity of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// Not authenticated.
    #[default]
    Unknown,
    /// A holder of the API key.
    ApiKey,
}

/// The caller of a call; by default one without identity and permissions. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    identity: Identity,
    permissions: Permissions,
    deadline: Option<Deadline>,
    state: Arc<AtomicU8>,
}

impl Caller {
    /// A holder of the API key, with all permissions and without a deadline.
    pub(crate) fn with_api_key() -> Self {
        Self { identity: Identity::ApiKey, permissions: Permissions::ALL, ..Self::default() }
    }

    /// Its identity.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Fails with PERMISSION_DENIED unless the caller has access to this group.
    pub(crate) fn must_have(&self, group: Access) -> Result<(), Error> {
        if self.permissions.allow(group) {
            return Ok(());
        }
        Err(Error::PermissionDenied(format!("this caller has no access to the group {group:?}")))
    }

    /// The caller's deadline, if there is one.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// The same caller, with this deadline.
    pub(crate) fn with_deadline(self, deadline: Deadline) -> Self {
        Self { deadline: Some(deadline), ..self }
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
        let change = self.state.compare_exchange(WAITS, next, Ordering::SeqCst, Ordering::SeqCst);
        match change {
            Ok(_) | Err(COMMITTED) => Ok(()),
            // Nobody reads it.
            Err(_) => Err(Error::Unavailable("the caller has given up".to_owned())),
        }
    }

    /// Returns whether the caller has given up, which it cannot once the call is committed.
    fn give_up(&self) -> bool {
        let change =
            self.state.compare_exchange(WAITS, GAVE_UP, Ordering::SeqCst, Ordering::SeqCst);
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
        let deadline = Deadline::of(&headers, Instant::now()).unwrap();
        Caller::default().with_deadline(deadline.unwrap())
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

    #[test]
    fn a_call_of_a_group_without_access_is_refused() {
        let caller = Caller { permissions: Permissions::of(&[Access::Read]), ..Caller::default() };
        caller.must_have(Access::Read).unwrap();
        let refused = caller.must_have(Access::Pay).unwrap_err();
        assert!(matches!(refused, Error::PermissionDenied(_)), "{refused:?}");
        Caller::with_api_key().must_have(Access::Admin).unwrap();
        assert!(Caller::default().must_have(Access::Info).is_err());
    }
}
