//! The streams of an HTTP/2 connection, each of which hyper runs as a task: one whose answer nobody
//! takes is reset, and one of a stranger when it must make room for others.
//!
//! With HTTP/1 the connection itself takes the place of the stream.

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

use super::slots::Place;

tokio::task_local! {
    /// The stream whose task this is.
    static CURRENT: Arc<Stream>;
}

/// How often within its time an answer is looked at.
const LOOKS: u32 = 4;

/// What is known of the answer on one stream.
#[derive(Default)]
pub(super) struct Stream {
    /// How many parts of the answer were handed to hyper.
    parts: AtomicU64,
    /// Whether hyper holds a part that the caller has not taken: it asks for the next one when it has.
    is_with_caller: AtomicBool,
    reset: Notify,
}

impl Stream {
    /// The stream that this is called on; a new one outside of all.
    pub(super) fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }

    /// Ends the stream, whatever is on it.
    pub(super) fn reset(&self) {
        self.reset.notify_one();
    }

    /// Waits until the stream is to end.
    pub(super) async fn was_reset(&self) {
        self.reset.notified().await;
    }

    /// Waits until the stream is to end, because others need the room or because nobody takes the answer.
    pub(super) async fn ended(&self, patience: Duration) -> &'static str {
        tokio::select! {
            () = self.was_reset() => "others need the room",
            () = self.stalled(patience) => "nobody takes the answer",
        }
    }

    /// Waits until nobody has taken a part of the answer for so long.
    async fn stalled(&self, patience: Duration) {
        let (mut parts, mut looks) = (0, 0);
        while looks < LOOKS {
            tokio::time::sleep(patience / LOOKS).await;
            let now = self.parts.load(Ordering::Relaxed);
            let is_stuck = self.is_with_caller.load(Ordering::Relaxed) && now == parts;
            looks = if is_stuck { looks + 1 } else { 0 };
            parts = now;
        }
    }

    /// Runs something as what happens on this stream.
    pub(super) fn run<F: Future>(self: &Arc<Self>, future: F) -> TaskLocalFuture<Arc<Self>, F> {
        CURRENT.scope(Arc::clone(self), future)
    }
}

/// Runs the streams of one connection.
#[derive(Clone)]
pub(super) struct Streams {
    place: Arc<Place>,
    patience: Duration,
}

impl Streams {
    /// Gives each caller so much time to take each part of an answer.
    pub(super) fn new(place: Arc<Place>, patience: Duration) -> Self {
        Self { place, patience }
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let (call, patience) = (self.place.call(), self.patience);
        let stream = Arc::new(Stream::default());
        // On the heap, because each future that takes it by value would have room for it once more.
        let running = Box::pin(stream.run(future));
        TokioExecutor::new().execute(async move {
            let _call = call;
            tokio::select! {
                biased;
                _ = running => {},
                why = stream.ended(patience) => tracing::trace!("a stream was reset: {why}"),
            }
        });
    }
}

/// The body of an answer, which tells whether the caller takes it, and holds something until it has.
pub(super) struct Taken<B, T> {
    body: B,
    stream: Arc<Stream>,
    /// Given out already by the body, and not yet to hyper.
    left: Bytes,
    /// Whether it answers somebody who need not hold the key.
    is_strangers: bool,
    _held: T,
}

/// What is given at once, so that the slow are told from those who take nothing.
const PART_BYTES: usize = 16 * 1024;

impl<B, T> Taken<B, T>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
    T: Send + Unpin + 'static,
{
    /// The answer, which holds something until the caller has taken it.
    pub(super) fn of(answer: Response<B>, is_strangers: bool, held: T) -> Response<Body> {
        // One without a body, which is refused, is over with its headers.
        if answer.body().is_end_stream() {
            return answer.map(Body::new);
        }
        answer.map(|body| Body::new(Self::new(body, is_strangers, held)))
    }
}

impl<B, T> Taken<B, T> {
    /// The body of the current stream. Of that of a stranger, the end is given when all before it was
    /// taken.
    fn new(body: B, is_strangers: bool, held: T) -> Self {
        let stream = Stream::current();
        Self { body, stream, left: Bytes::new(), is_strangers, _held: held }
    }

    /// The next part of what is left. A stranger's last byte comes by itself: hyper takes a part whole as
    /// soon as one byte of it may be sent, and asks for the next when there is room for that.
    fn part(&mut self) -> Bytes {
        let length = self.left.len();
        let most = if self.is_strangers && length > 1 { length - 1 } else { length };
        self.left.split_to(most.min(PART_BYTES))
    }
}

impl<B, T> Drop for Taken<B, T> {
    fn drop(&mut self) {
        // Nothing of it waits to be taken any more. With HTTP/1 the connection goes on, and hyper does
        // not ask for more than the length that it was told.
        self.stream.is_with_caller.store(false, Ordering::Relaxed);
    }
}

impl<B, T> http_body::Body for Taken<B, T>
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
        self.stream.is_with_caller.store(false, Ordering::Relaxed);
        if self.left.is_empty() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.left = data,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        self.stream.parts.fetch_add(1, Ordering::Relaxed);
        self.stream.is_with_caller.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.part()))))
    }

    fn is_end_stream(&self) -> bool {
        // A stranger's answer is over when hyper asks for more, which is when it was taken.
        self.left.is_empty()
            && self.body.is_end_stream()
            && !(self.is_strangers && self.stream.is_with_caller.load(Ordering::Relaxed))
    }

    fn size_hint(&self) -> SizeHint {
        if self.left.is_empty() { self.body.size_hint() } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::{BodyExt as _, Full};
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);
    const LONG: usize = 2 * PART_BYTES + 7;

    /// An answer on a stream.
    fn answer(length: usize, is_strangers: bool) -> (Arc<Stream>, Taken<Body, ()>) {
        let stream = Arc::new(Stream::default());
        let body = Body::new(Full::new(Bytes::from(vec![7; length])));
        let taken = CURRENT.sync_scope(Arc::clone(&stream), || Taken::new(body, is_strangers, ()));
        (stream, taken)
    }

    async fn stalls(stream: &Stream) -> bool {
        timeout(3 * PATIENCE, stream.stalled(PATIENCE)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_its_stream() {
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
                assert!(!is_strangers || !taken.is_end_stream(), "it may not be taken");
            }
            assert_eq!(parts, expected);
        }
    }
}
