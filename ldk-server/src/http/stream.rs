//! The streams of an HTTP/2 connection, each of which hyper runs as a task. A stream is reset when the
//! client does not read the answer, and when strangers have too many requests.
//!
//! With HTTP/1 the connection itself is the stream.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;
use tokio::task::futures::TaskLocalFuture;

use super::slots::Slot;

tokio::task_local! {
    /// The stream that the current task serves.
    static CURRENT: Arc<Stream>;
}

/// How often within the write timeout an answer is checked for progress.
const CHECKS: u32 = 4;

/// The state of the answer on one stream.
#[derive(Default)]
pub(super) struct Stream {
    /// The number of parts of the answer that were handed to hyper.
    parts: AtomicU64,
    /// Whether hyper holds a part that the client has not read: it asks for the next one afterwards.
    is_unread: AtomicBool,
    reset: Notify,
}

impl Stream {
    /// The stream of the current task; a new one in a task without a stream.
    pub(super) fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }

    /// Ends the stream, even if a call is under way on it.
    pub(super) fn reset(&self) {
        self.reset.notify_one();
    }

    /// Waits for a reset.
    pub(super) async fn was_reset(&self) {
        self.reset.notified().await;
    }

    /// Waits until the stream must end, and returns why.
    pub(super) async fn ended(&self, write_timeout: Duration) -> &'static str {
        tokio::select! {
            () = self.was_reset() => "strangers have too many requests",
            () = self.stalled(write_timeout) => "the client does not read the answer",
        }
    }

    /// Waits until the client has read no part of the answer for `write_timeout`.
    async fn stalled(&self, write_timeout: Duration) {
        let (mut parts, mut checks) = (0, 0);
        while checks < CHECKS {
            tokio::time::sleep(write_timeout / CHECKS).await;
            let now = self.parts.load(Ordering::Relaxed);
            let is_stuck = self.is_unread.load(Ordering::Relaxed) && now == parts;
            checks = if is_stuck { checks + 1 } else { 0 };
            parts = now;
        }
    }

    /// Runs a future as the task of this stream.
    pub(super) fn run<F: Future>(self: &Arc<Self>, future: F) -> TaskLocalFuture<Arc<Self>, F> {
        CURRENT.scope(Arc::clone(self), future)
    }
}

/// Runs the streams of one connection.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    slot: Arc<Slot>,
    write_timeout: Duration,
}

impl StreamExecutor {
    /// Gives the client `write_timeout` to read each part of an answer.
    pub(super) fn new(slot: Arc<Slot>, write_timeout: Duration) -> Self {
        Self { slot, write_timeout }
    }
}

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let (call, write_timeout) = (self.slot.begin_call(), self.write_timeout);
        let stream = Arc::new(Stream::default());
        // On the heap, because each future that takes it by value would have room for it once more.
        let running = Box::pin(stream.run(future));
        TokioExecutor::new().execute(async move {
            let _call = call;
            tokio::select! {
                biased;
                _ = running => {},
                why = stream.ended(write_timeout) => tracing::trace!(reason = why, "a stream was reset"),
            }
        });
    }
}

/// The body of an answer, which records whether the client reads it, and owns a value until it has.
pub(super) struct TrackedBody<B, T> {
    body: B,
    stream: Arc<Stream>,
    /// What the body has yielded and hyper has not been given.
    rest: Bytes,
    /// Whether the client may be a stranger.
    is_strangers: bool,
    _held: T,
}

/// The size of the parts, so that slow reading is told from none.
const PART_BYTES: usize = 16 * 1024;

impl<B, T> TrackedBody<B, T>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
    T: Send + Unpin + 'static,
{
    /// The answer, which owns `held` until the client has read it.
    pub(super) fn of(answer: Response<B>, is_strangers: bool, held: T) -> Response<Body> {
        // An answer without a body, such as a refusal, ends with its headers.
        if answer.body().is_end_stream() {
            return answer.map(Body::new);
        }
        answer.map(|body| Body::new(Self::new(body, is_strangers, held)))
    }
}

impl<B, T> TrackedBody<B, T> {
    /// The body of the answer on the current stream.
    fn new(body: B, is_strangers: bool, held: T) -> Self {
        let stream = Stream::current();
        Self { body, stream, rest: Bytes::new(), is_strangers, _held: held }
    }

    /// The next part of the rest. A stranger's last byte is a part by itself: hyper takes a whole part as
    /// soon as one byte of it may be sent, and asks for the next one when there is room for it.
    fn part(&mut self) -> Bytes {
        let length = self.rest.len();
        let most = if self.is_strangers && length > 1 { length - 1 } else { length };
        self.rest.split_to(most.min(PART_BYTES))
    }
}

impl<B, T> Drop for TrackedBody<B, T> {
    fn drop(&mut self) {
        // Nothing of it is unread any more. With HTTP/1 the connection goes on, and hyper does not ask for
        // more than the content length.
        self.stream.is_unread.store(false, Ordering::Relaxed);
    }
}

impl<B, T> http_body::Body for TrackedBody<B, T>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    T: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.stream.is_unread.store(false, Ordering::Relaxed);
        if self.rest.is_empty() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        self.stream.parts.fetch_add(1, Ordering::Relaxed);
        self.stream.is_unread.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.part()))))
    }

    fn is_end_stream(&self) -> bool {
        // A stranger's answer ends when hyper asks for more, which is when it was read.
        self.rest.is_empty()
            && self.body.is_end_stream()
            && !(self.is_strangers && self.stream.is_unread.load(Ordering::Relaxed))
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_empty() { self.body.size_hint() } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::{BodyExt as _, Full};
    use tokio::time::timeout;

    use super::*;

    const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
    const LONG: usize = 2 * PART_BYTES + 7;

    /// An answer on a stream.
    fn answer(length: usize, is_strangers: bool) -> (Arc<Stream>, TrackedBody<Body, ()>) {
        let stream = Arc::new(Stream::default());
        let body = Body::new(Full::new(Bytes::from(vec![7; length])));
        let taken =
            CURRENT.sync_scope(Arc::clone(&stream), || TrackedBody::new(body, is_strangers, ()));
        (stream, taken)
    }

    async fn stalls(stream: &Stream) -> bool {
        timeout(3 * WRITE_TIMEOUT, stream.stalled(WRITE_TIMEOUT)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_read_ends_its_stream() {
        let (stream, mut taken) = answer(LONG, false);
        assert!(!stalls(&stream).await, "nothing was given yet");
        taken.frame().await.unwrap().unwrap();
        assert!(stalls(&stream).await);
        taken.frame().await.unwrap().unwrap();
        drop(taken);
        assert!(!stalls(&stream).await, "it is over, and the connection is idle");
    }

    #[tokio::test]
    async fn an_answer_comes_in_parts_and_whole() {
        for (is_strangers, expected) in
            [(false, &[PART_BYTES, PART_BYTES, 7][..]), (true, &[PART_BYTES, PART_BYTES, 6, 1])]
        {
            let (_, mut taken) = answer(LONG, is_strangers);
            let mut parts = Vec::new();
            while let Some(frame) = taken.frame().await {
                parts.push(frame.unwrap().into_data().unwrap().len());
                assert!(!is_strangers || !taken.is_end_stream(), "it may be unread");
            }
            assert_eq!(parts, expected);
        }
    }
}
