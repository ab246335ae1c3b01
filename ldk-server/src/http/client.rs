//! The client of a connection, and how many requests it may have at once. It is a stranger until one of
//! its calls is signed with the API key.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::{Code, Status};

use super::failures::Failures;
use super::rate::Rate;
use super::slots::{ActiveCall, Slot};
use super::strangers::{Stranger, Strangers};
use crate::config::LimitsConfig;
use crate::feeds::Writes;

/// The largest headers of one request.
pub(super) const MAX_HEADER_BYTES: u32 = 8 * 1024;
/// Requests at once on the connection of a stranger.
const MAX_STRANGER_REQUESTS: usize = 16;
/// The memory of calls of all strangers at once whose signature is not verified yet: 512 of them with as
/// many headers as there may be, or about 1,300 with few, which is what known callers send on several new
/// connections at the same time.
const MAX_CALL_BYTES: usize = 512 * (MAX_HEADER_BYTES as usize + CALL_BYTES);
/// The memory of such a call beside its headers.
const CALL_BYTES: usize = 4096;
/// Small public answers to all strangers at once.
const MAX_SMALL_ANSWERS: usize = 512;
/// Large public answers to all strangers that are made at once, or are in memory until they are read.
const MAX_LARGE_ANSWERS: usize = 16;
/// Requests of all strangers at once for large answers, those that wait included.
const MAX_LARGE_REQUESTS: usize = 64;

/// The requests that all strangers together have under way.
#[derive(Clone)]
pub(super) struct Budget {
    calls: Arc<Strangers>,
    small_answers: Arc<Strangers>,
    large_requests: Arc<Strangers>,
    large_answers: Arc<Semaphore>,
    failures: Arc<Failures>,
}

impl Budget {
    /// Nothing is under way. The refusal of a wrong credential waits for `max_failure_delay` at most.
    pub(super) fn new(max_failure_delay: Duration) -> Self {
        Self {
            calls: Strangers::new(MAX_CALL_BYTES),
            small_answers: Strangers::new(MAX_SMALL_ANSWERS),
            large_requests: Strangers::new(MAX_LARGE_REQUESTS),
            large_answers: Arc::new(Semaphore::new(MAX_LARGE_ANSWERS)),
            failures: Arc::new(Failures::new(max_failure_delay)),
        }
    }
}

/// The client of one connection.
pub(super) struct Client {
    slot: Arc<Slot>,
    /// `None` on the Unix socket.
    address: Option<IpAddr>,
    rate: Rate,
    budget: Budget,
    requests: Arc<Semaphore>,
    /// How many more requests a known caller may have.
    more_requests: usize,
    wait_timeout: Duration,
    ended: CancellationToken,
    writes: Writes,
    upgraded: TaskTracker,
}

/// What a request holds of its connection, which may cease to be one of HTTP meanwhile.
pub(super) struct Held {
    _call: ActiveCall,
    _upgraded: TaskTrackerToken,
}

/// How much memory a public answer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerSize {
    Small,
    Large,
}

impl Client {
    /// The client of the connection in `slot`: a stranger.
    pub(super) fn new(
        slot: Arc<Slot>,
        address: Option<IpAddr>,
        budget: Budget,
        limits: &LimitsConfig,
    ) -> Self {
        let most = usize::try_from(limits.max_streams_per_connection).unwrap_or(usize::MAX);
        Self {
            slot,
            address,
            rate: Rate::new(limits.max_calls_per_second_per_connection),
            budget,
            requests: Arc::new(Semaphore::new(MAX_STRANGER_REQUESTS.min(most))),
            more_requests: most.saturating_sub(MAX_STRANGER_REQUESTS),
            wait_timeout: limits.request_timeout,
            ended: CancellationToken::new(),
            writes: Writes::default(),
            upgraded: TaskTracker::new(),
        }
    }

    /// Is cancelled when the connection has to end, whatever it is used for by then.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// What is written to the connection.
    pub(super) fn writes(&self) -> &Writes {
        &self.writes
    }

    /// Keeps the slot until the result is dropped.
    pub(super) fn hold(&self) -> Held {
        Held { _call: self.slot.begin_call(), _upgraded: self.upgraded.token() }
    }

    /// Waits until nothing is held, once the connection has ceased to be one of HTTP.
    pub(super) async fn left(&self) {
        self.upgraded.close();
        self.upgraded.wait().await;
    }

    /// Waits before a wrong credential is refused, if many came from the same address.
    pub(super) async fn delay_refusal(&self, refusal: &Status) {
        if let (Code::Unauthenticated, Some(address)) = (refusal.code(), self.address) {
            tokio::time::sleep(self.budget.failures.count(address)).await;
        }
    }

    /// The client that sent a request, which is in the request's extensions.
    pub(super) fn of<B>(request: &Request<B>) -> Result<&Arc<Self>, Status> {
        let client = request.extensions().get();
        client.ok_or_else(|| Status::internal("the request came on no connection"))
    }

    /// Records that the client is no stranger any more.
    pub(super) fn mark_known(&self) {
        if self.slot.mark_known() {
            self.requests.add_permits(self.more_requests);
        }
    }

    /// The rate of calls on the connection.
    pub(super) fn rate(&self) -> &Rate {
        &self.rate
    }

    /// Admits a request that needs no key. Ends the connection of a stranger with too many requests.
    pub(super) async fn admit_public(&self, size: AnswerSize) -> Result<Admission, Status> {
        let Ok(permit) = Arc::clone(&self.requests).try_acquire_owned() else {
            // No honest client has so many. HTTP/2 frees what it keeps of each with the connection only.
            self.slot.evict();
            return Err(too_many());
        };
        if self.slot.is_known() {
            return Ok(Admission { _permit: permit, _stranger: None, _large: None });
        }
        let Budget { small_answers, large_requests, large_answers, .. } = &self.budget;
        let (stranger, large) = match size {
            AnswerSize::Small => (small_answers.enter(1), None),
            AnswerSize::Large => {
                let stranger = large_requests.enter(1);
                // Earlier ones end when their answers are read, or are reset when further ones arrive.
                let large =
                    timeout(self.wait_timeout, Arc::clone(large_answers).acquire_owned()).await;
                (stranger, Some(large.map_err(|_| too_many())?.map_err(|_| too_many())?))
            },
        };
        Ok(Admission { _permit: permit, _stranger: Some(stranger), _large: large })
    }

    /// Admits a call that needs the key. The call of a stranger waits while the connection has too many
    /// requests.
    pub(super) async fn admit_call(
        self: &Arc<Self>,
        headers: &HeaderMap,
    ) -> Result<UnverifiedCall, Status> {
        let held = if self.slot.is_known() {
            None
        } else {
            let stranger = self.budget.calls.enter(CALL_BYTES + size(headers));
            let permit =
                timeout(self.wait_timeout, Arc::clone(&self.requests).acquire_owned()).await;
            let permit = permit.map_err(|_| too_many())?.map_err(|_| too_many())?;
            let held = Admission { _permit: permit, _stranger: Some(stranger), _large: None };
            Some(Arc::new(Mutex::new(Some(held))))
        };
        Ok(UnverifiedCall { client: Arc::clone(self), held })
    }
}

/// The size of headers, as HTTP/2 counts it (RFC 9113, section 6.5.2).
fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

fn too_many() -> Status {
    Status::resource_exhausted(format!(
        "a connection may have {MAX_STRANGER_REQUESTS} requests at once until a call on it was signed \
         with the API key; try again later"
    ))
}

/// Counts a request as under way until it is dropped.
pub(super) struct Admission {
    _permit: OwnedSemaphorePermit,
    _stranger: Option<Stranger>,
    _large: Option<OwnedSemaphorePermit>,
}

/// A call whose signature is not verified yet.
#[derive(Clone)]
pub(super) struct UnverifiedCall {
    client: Arc<Client>,
    held: Option<Arc<Mutex<Option<Admission>>>>,
}

impl UnverifiedCall {
    /// Records that the call was signed with the key: its client is no stranger any more.
    pub(super) fn mark_verified(&self) {
        self.client.mark_known();
        if let Some(held) = &self.held {
            drop(held.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    /// Whether its client may be a stranger.
    pub(super) fn is_strangers(&self) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| held.lock().unwrap_or_else(PoisonError::into_inner).is_some())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use futures_util::FutureExt as _;
    use tonic::Code;

    use tokio::time::Instant;

    use super::super::slots::Slots;
    use super::super::stream::Stream;
    use super::*;

    const MAX_FAILURE_DELAY: Duration = Duration::from_secs(3);

    /// A client with usual limits.
    pub(in crate::http) fn client() -> Arc<Client> {
        client_in(&Budget::new(MAX_FAILURE_DELAY))
    }

    fn client_in(budget: &Budget) -> Arc<Client> {
        let slot = Slots::new(10).take().unwrap();
        let patience = Duration::from_secs(30);
        let limits = LimitsConfig {
            max_connections: 10,
            max_streams_per_connection: 256,
            max_calls_in_flight: 4096,
            max_waiting_calls: 16_384,
            max_calls_per_second_per_connection: None,
            handshake_timeout: patience,
            header_timeout: patience,
            request_timeout: patience,
            write_timeout: patience,
            keep_alive_interval: patience,
            keep_alive_timeout: patience,
            max_auth_failure_delay: MAX_FAILURE_DELAY,
        };
        let address = Some("1.2.3.4".parse().unwrap());
        Arc::new(Client::new(Arc::new(slot), address, budget.clone(), &limits))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_has_few_requests_at_once() {
        let client = client();
        let open = futures_util::future::try_join_all(
            (0..MAX_STRANGER_REQUESTS).map(|_| client.admit_public(AnswerSize::Small)),
        );
        let open = open.await.unwrap();
        // One that may be signed waits, but not for ever.
        let refused = client.admit_call(&HeaderMap::new()).await.err().unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(client.slot.evicted().now_or_never().is_none());
        let refused = client.admit_public(AnswerSize::Large).await.err().unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(client.slot.evicted().now_or_never().is_some());
        drop(open);
        assert!(client.admit_call(&HeaderMap::new()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_with_the_key_is_no_stranger() {
        let (client, none) = (client(), HeaderMap::new());
        client.admit_call(&none).await.unwrap().mark_verified();
        let calls: Vec<_> =
            futures_util::future::join_all((0..200).map(|_| client.admit_call(&none))).await;
        assert!(calls.iter().all(Result::is_ok));
        let open = (0..200).map(|_| client.admit_public(AnswerSize::Large));
        assert!(futures_util::future::try_join_all(open).await.is_ok());
        assert_eq!(client.budget.calls.number(), 0);
        assert_eq!(client.budget.small_answers.number(), 0);
    }

    /// What known callers send on new connections before the first call of each is verified.
    #[tokio::test(start_paused = true)]
    async fn small_calls_on_several_connections_wait_for_their_turn() {
        let budget = Budget::new(MAX_FAILURE_DELAY);
        let stream = Arc::new(Stream::default());
        let first = stream.run(async { client_in(&budget).admit_call(&HeaderMap::new()).await });
        let _first = first.await.unwrap();
        let clients: Vec<_> = (0..4).map(|_| client_in(&budget)).collect();
        let calls = clients.iter().flat_map(|client| std::iter::repeat_n(client, 256));
        let headers =
            HeaderMap::from_iter([(http::header::COOKIE, "c".repeat(600).parse().unwrap())]);
        let waiting =
            futures_util::future::join_all(calls.map(|client| client.admit_call(&headers)));
        assert!(waiting.now_or_never().is_none());
        assert!(stream.was_reset().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn only_refusals_of_wrong_credentials_are_delayed() {
        let client = client();
        let begun = Instant::now();
        for _ in 0..100 {
            client.delay_refusal(&Status::permission_denied("no")).await;
        }
        assert!(begun.elapsed().is_zero());
        for _ in 0..150 {
            client.delay_refusal(&Status::unauthenticated("no")).await;
        }
        // A hundred are refused at once, and one is forgotten each second.
        assert!(begun.elapsed() >= Duration::from_secs(49), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn few_large_answers_are_made_at_once() {
        let budget = Budget::new(MAX_FAILURE_DELAY);
        let clients: Vec<_> = (0..=MAX_LARGE_ANSWERS).map(|_| client_in(&budget)).collect();
        let mut held = Vec::new();
        for client in &clients[1..] {
            held.push(client.admit_public(AnswerSize::Large).await.unwrap());
        }
        let mut next = Box::pin(clients[0].admit_public(AnswerSize::Large));
        assert!(next.as_mut().now_or_never().is_none());
        held.pop();
        assert!(next.now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn an_unverified_call_counts_until_its_end() {
        let client = client();
        let call = client.admit_call(&HeaderMap::new()).await.unwrap();
        assert_eq!(client.budget.calls.number(), 1);
        drop(call);
        assert_eq!(client.budget.calls.number(), 0);
        let (_first, second) = (
            client.admit_call(&HeaderMap::new()).await.unwrap(),
            client.admit_call(&HeaderMap::new()).await.unwrap(),
        );
        let answers = tokio::try_join!(
            client.admit_public(AnswerSize::Small),
            client.admit_public(AnswerSize::Large)
        );
        let Budget { calls, small_answers, large_requests, large_answers, .. } = &client.budget;
        let numbers = || [calls.number(), small_answers.number(), large_requests.number()];
        assert_eq!(numbers(), [2, 1, 1]);
        assert_eq!(large_answers.available_permits(), MAX_LARGE_ANSWERS - 1);
        drop(answers.unwrap());
        assert_eq!(numbers(), [2, 0, 0]);
        assert_eq!(large_answers.available_permits(), MAX_LARGE_ANSWERS);
        second.mark_verified();
        assert_eq!(numbers(), [1, 0, 0]);
    }
}
