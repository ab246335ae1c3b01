//! One connection to the socket: its requests in the order in which they come, and the answers in the
//! order in which there are any.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::error::{RpcError, code};
use super::framing::Framing;
use super::methods;
use super::request::{self, Request};
use super::{Cln, LocalClient};

/// The calls of one connection at once; what more it sends is not read until one has ended.
const MAX_CALLS: usize = 32;
/// The long answers of one connection that are made before they are written; what more it asks for waits.
const MAX_LONG_ANSWERS: usize = 2;
/// How long a client may say nothing, while it waits for no answer, and stay when others find no place.
const MAX_SILENCE: Duration = Duration::from_secs(10);

/// An answer, and the place that it takes if it is long.
type Answer = (Vec<u8>, Option<OwnedSemaphorePermit>);

/// A connection. Answers are written one after the other; a client that does not read them is not read
/// either.
pub(super) struct Connection<S> {
    stream: S,
    cln: Cln,
    client: LocalClient,
    framing: Framing,
    calls: FuturesUnordered<BoxFuture<'static, Answer>>,
    long_answers: Arc<Semaphore>,
    /// Is told when others find no place.
    crowd: Arc<Notify>,
    /// When something was last read or written.
    heard_at: Instant,
    /// Since when nothing is read any more.
    closed_at: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection that makes room, if it is not used, when `crowd` is told that others find none.
    pub(super) fn new(stream: S, cln: Cln, client: LocalClient, crowd: Arc<Notify>) -> Self {
        Self {
            stream,
            cln,
            client,
            framing: Framing::default(),
            calls: FuturesUnordered::new(),
            long_answers: Arc::new(Semaphore::new(MAX_LONG_ANSWERS)),
            crowd,
            heard_at: Instant::now(),
            closed_at: None,
        }
    }

    /// Answers requests until the client is gone or `stop` is cancelled. Calls that are under way then may
    /// take `grace` more.
    pub(super) async fn serve(
        mut self,
        stop: CancellationToken,
        grace: Duration,
    ) -> io::Result<()> {
        loop {
            self.begin_calls();
            let is_open = self.closed_at.is_none();
            if !is_open && self.calls.is_empty() {
                return self.stream.shutdown().await;
            }
            let may_read = is_open && self.calls.len() < MAX_CALLS;
            let is_idle = is_open && self.calls.is_empty();
            let last = self.closed_at.map(|closed_at| closed_at + grace);
            tokio::select! {
                biased;
                Some((answer, _place)) = self.calls.next() => {
                    tokio::select! {
                        written = write(&mut self.stream, &answer) => written?,
                        () = overdue(&stop, grace) => return Ok(()),
                    }
                    self.heard_at = Instant::now();
                },
                () = stop.cancelled(), if is_open => self.close(),
                read = self.stream.read_buf(self.framing.buffer()), if may_read => {
                    if read? == 0 {
                        self.close();
                    }
                    self.heard_at = Instant::now();
                },
                () = self.crowd.notified(), if is_idle => {
                    if self.heard_at.elapsed() >= MAX_SILENCE {
                        return self.stream.shutdown().await;
                    }
                },
                () = reached(last), if !is_open => return Ok(()),
            }
        }
    }

    fn close(&mut self) {
        self.closed_at = Some(Instant::now());
    }

    /// Begins the calls whose requests are there.
    fn begin_calls(&mut self) {
        while self.closed_at.is_none() && self.calls.len() < MAX_CALLS {
            match self.framing.next() {
                Ok(Some(text)) => self.begin_call(&text),
                Ok(None) => return,
                Err(refusal) => {
                    let refusal = RpcError::new(code::INVALID_REQUEST, refusal.to_string());
                    self.refuse(Value::Null, refusal);
                    self.close();
                },
            }
        }
        // What is left of a stream that nobody reads any more.
        if self.closed_at.is_some() {
            *self.framing.buffer() = BytesMut::new();
        }
    }

    fn begin_call(&mut self, text: &Bytes) {
        match Request::parse(text) {
            Ok(request) => {
                let (cln, client) = (self.cln.clone(), self.client.clone());
                let long_answers = Arc::clone(&self.long_answers);
                self.calls.push(Box::pin(async move {
                    let Request { id, method, params, filter } = request;
                    let place = match methods::is_long(&method) {
                        true => long_answers.acquire_owned().await.ok(),
                        false => None,
                    };
                    let call = (&id, method.as_str(), params);
                    let answer = cln.answer(client, call, filter.as_ref()).await;
                    (written(id, answer).await, place)
                }));
            },
            Err(malformed) => {
                self.refuse(malformed.id, malformed.error);
                if malformed.is_last {
                    self.close();
                }
            },
        }
    }

    fn refuse(&self, id: Value, refusal: RpcError) {
        let reply = request::reply(&id, Err(refusal));
        self.calls.push(Box::pin(async move { (reply, None) }));
    }
}

/// The reply as bytes. A long one is written where nobody else waits for the thread.
async fn written(id: Value, answer: Result<Value, RpcError>) -> Vec<u8> {
    const LONG_LIST: usize = 1_000;
    let is_long = |member: &Value| member.as_array().is_some_and(|items| items.len() > LONG_LIST);
    let members = answer.as_ref().ok().and_then(Value::as_object);
    if !members.is_some_and(|members| members.values().any(is_long)) {
        return request::reply(&id, answer);
    }
    let writing = spawn_blocking(move || request::reply(&id, answer));
    match writing.await {
        Ok(reply) => reply,
        Err(error) => request::reply(&Value::Null, Err(RpcError::internal(&error))),
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), answer: &[u8]) -> io::Result<()> {
    stream.write_all(answer).await?;
    stream.flush().await
}

/// Waits until `stop` has been cancelled for so long.
async fn overdue(stop: &CancellationToken, grace: Duration) {
    stop.cancelled().await;
    sleep(grace).await;
}

/// Waits until this time, or for ever.
async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
