//! The other side of a connection: a stranger until a call is signed with the key, and what a stranger
//! may have under way at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tonic::Status;

use super::places::Place;
use super::rate::Rate;
use super::strangers::{Stranger, Strangers};
use crate::config::LimitsConfig;

/// Requests at once on the connection of a stranger.
const MAX_REQUESTS: usize = 16;
/// Calls of all strangers at once whose signature was not checked yet.
const MAX_CALLS: usize = 512;
/// Answers to all strangers at once …
const MAX_SMALL_ANSWERS: usize = 512;
/// … and those that take memory as long as they are not taken. So many are made or held at once, …
const MAX_LARGE_ANSWERS: usize = 16;
/// … and with them, so many requests for such answers wait.
const MAX_LARGE_REQUESTS: usize = 64;

/// What all strangers together have under way.
#[derive(Clone)]
pub(super) struct Budget {
    calls: Arc<Strangers>,
    small_answers: Arc<Strangers>,
    large_requests: Arc<Strangers>,
    large_answers: Arc<Semaphore>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            calls: Strangers::new(MAX_CALLS),
            small_answers: Strangers::new(MAX_SMALL_ANSWERS),
            large_requests: Strangers::new(MAX_LARGE_REQUESTS),
            large_answers: Arc::new(Semaphore::new(MAX_LARGE_ANSWERS)),
        }
    }
}

/// Where the other side of a connection stands.
pub(super) struct Standing {
    place: Arc<Place>,
    rate: Rate,
    budget: Budget,
    requests: Arc<Semaphore>,
    /// How many more a caller who is known may have.
    more_requests: usize,
    patience: Duration,
}

/// How much an answer that is open to all takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Small,
    Large,
}

impl Standing {
    pub(super) fn new(place: Arc<Place>, budget: Budget, limits: &LimitsConfig) -> Self {
        let most = usize::try_from(limits.max_streams_per_connection).unwrap_or(usize::MAX);
        Self {
            place,
            rate: Rate::new(limits.max_calls_per_second_per_connection),
            budget,
            requests: Arc::new(Semaphore::new(MAX_REQUESTS.min(most))),
            more_requests: most.saturating_sub(MAX_REQUESTS),
            patience: limits.request_timeout,
        }
    }

    /// Where the other side of the connection stands that a request came on, as the listener put it into
    /// the extensions.
    pub(super) fn of<B>(request: &Request<B>) -> Result<&Arc<Self>, Status> {
        let standing = request.extensions().get();
        standing.ok_or_else(|| Status::internal("the request came on no connection"))
    }

    /// The other side is known, and no stranger any more.
    pub(super) fn prove(&self) {
        if self.place.keep() {
            self.requests.add_permits(self.more_requests);
        }
    }

    /// Whether one call more may be made in this second.
    pub(super) fn rate(&self) -> &Rate {
        &self.rate
    }

    /// Lets in a request that is open to all. The connection of a stranger with too many is given up.
    pub(super) async fn admit_open(&self, size: Size) -> Result<Admitted, Status> {
        let Ok(permit) = Arc::clone(&self.requests).try_acquire_owned() else {
            // Nobody needs so many. What HTTP/2 keeps of each is only given back with the connection.
            self.place.evict();
            return Err(too_many());
        };
        if self.place.is_kept() {
            return Ok(Admitted { _permit: permit, _stranger: None, _large: None });
        }
        let Budget { small_answers, large_requests, large_answers, calls: _ } = &self.budget;
        let (stranger, large) = match size {
            Size::Small => (small_answers.enter(), None),
            Size::Large => {
                let stranger = large_requests.enter();
                // Those before end when their answers are taken, or make room for whoever comes later.
                let large = timeout(self.patience, Arc::clone(large_answers).acquire_owned()).await;
                (stranger, Some(large.map_err(|_| too_many())?.map_err(|_| too_many())?))
            },
        };
        Ok(Admitted { _permit: permit, _stranger: Some(stranger), _large: large })
    }

    /// Lets in a call that needs the key: one of a stranger as soon as not too many are under way on the
    /// connection.
    pub(super) async fn admit_call(self: &Arc<Self>) -> Result<Unproven, Status> {
        let held = if self.place.is_kept() {
            None
        } else {
            let stranger = self.budget.calls.enter();
            let permit = timeout(self.patience, Arc::clone(&self.requests).acquire_owned()).await;
            let permit = permit.map_err(|_| too_many())?.map_err(|_| too_many())?;
            Some(Admitted { _permit: permit, _stranger: Some(stranger), _large: None })
        };
        Ok(Unproven { standing: Arc::clone(self), held: Arc::new(Mutex::new(held)) })
    }
}

fn too_many() -> Status {
    Status::resource_exhausted(format!(
        "a connection may have {MAX_REQUESTS} requests at once until a call on it was signed with the \
         API key; try again later"
    ))
}

/// What a stranger's request holds.
pub(super) struct Admitted {
    _permit: OwnedSemaphorePermit,
    _stranger: Option<Stranger>,
    _large: Option<OwnedSemaphorePermit>,
}

/// A call whose signature is still to be checked.
#[derive(Clone)]
pub(super) struct Unproven {
    standing: Arc<Standing>,
    held: Arc<Mutex<Option<Admitted>>>,
}

impl Unproven {
    /// It was signed with the key: its caller is no stranger any more.
    pub(super) fn prove(&self) {
        self.standing.prove();
        drop(self.held.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tonic::Code;

    use super::super::places::Places;
    use super::*;

    fn standing() -> Arc<Standing> {
        standing_in(&Budget::default())
    }

    fn standing_in(budget: &Budget) -> Arc<Standing> {
        let place = Places::new(10).take().unwrap();
        let patience = Duration::from_secs(30);
        let limits = LimitsConfig {
            max_connections: 10,
            max_streams_per_connection: 256,
            max_calls_in_flight: 4096,
            max_calls_per_second_per_connection: None,
            handshake_timeout: patience,
            header_timeout: patience,
            request_timeout: patience,
            write_timeout: patience,
            keep_alive_interval: patience,
            keep_alive_timeout: patience,
        };
        Arc::new(Standing::new(Arc::new(place), budget.clone(), &limits))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_has_few_requests_at_once() {
        let standing = standing();
        let open = futures_util::future::try_join_all(
            (0..MAX_REQUESTS).map(|_| standing.admit_open(Size::Small)),
        );
        let open = open.await.unwrap();
        // One that may be signed waits, but not for ever.
        let refused = standing.admit_call().await.err().unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(standing.place.evicted().now_or_never().is_none());
        let refused = standing.admit_open(Size::Large).await.err().unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(standing.place.evicted().now_or_never().is_some());
        drop(open);
        assert!(standing.admit_call().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_the_key_is_no_stranger() {
        let standing = standing();
        standing.admit_call().await.unwrap().prove();
        let calls: Vec<_> =
            futures_util::future::join_all((0..200).map(|_| standing.admit_call())).await;
        assert!(calls.iter().all(Result::is_ok));
        let open = (0..200).map(|_| standing.admit_open(Size::Large));
        assert!(futures_util::future::try_join_all(open).await.is_ok());
        assert_eq!(standing.budget.calls.number(), 0);
        assert_eq!(standing.budget.small_answers.number(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn few_large_answers_are_made_at_once() {
        let budget = Budget::default();
        let standings: Vec<_> = (0..=MAX_LARGE_ANSWERS).map(|_| standing_in(&budget)).collect();
        let mut held = Vec::new();
        for standing in &standings[1..] {
            held.push(standing.admit_open(Size::Large).await.unwrap());
        }
        let mut next = Box::pin(standings[0].admit_open(Size::Large));
        assert!(next.as_mut().now_or_never().is_none());
        held.pop();
        assert!(next.now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn what_is_not_proven_counts_until_its_end() {
        let standing = standing();
        let call = standing.admit_call().await.unwrap();
        assert_eq!(standing.budget.calls.number(), 1);
        drop(call);
        assert_eq!(standing.budget.calls.number(), 0);
        let (_first, second) =
            (standing.admit_call().await.unwrap(), standing.admit_call().await.unwrap());
        let answers =
            tokio::try_join!(standing.admit_open(Size::Small), standing.admit_open(Size::Large));
        let Budget { calls, small_answers, large_requests, large_answers } = &standing.budget;
        let numbers = || [calls.number(), small_answers.number(), large_requests.number()];
        assert_eq!(numbers(), [2, 1, 1]);
        assert_eq!(large_answers.available_permits(), MAX_LARGE_ANSWERS - 1);
        drop(answers.unwrap());
        assert_eq!(numbers(), [2, 0, 0]);
        assert_eq!(large_answers.available_permits(), MAX_LARGE_ANSWERS);
        second.prove();
        assert_eq!(numbers(), [1, 0, 0]);
    }
}
