//! Request bodies: collected up to the limit, and checked to be one gRPC frame.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use ldk_server_grpc::MAX_MESSAGE_BYTES;
use tokio::sync::Semaphore;
use tonic::Status;
use tower::{Layer, Service};

use super::Answering;

/// One byte of flags and four bytes of length.
pub(super) const FRAME_HEADER_BYTES: usize = 5;

/// The size up to which a body is small. Nearly all calls have less.
const SMALL_BYTES: usize = 16 * 1024;
/// How many large bodies are collected at once, so that strangers cannot fill the memory. Further ones
/// wait, within their time limit.
const MAX_LARGE: usize = 16;

/// Collects the bodies of requests, whose signatures are not verified yet.
#[derive(Clone)]
pub(in crate::http) struct BodyLayer {
    timeout: Duration,
    large: Arc<Semaphore>,
}

impl BodyLayer {
    /// Gives each body `timeout` to arrive.
    pub(in crate::http) fn new(timeout: Duration) -> Self {
        Self { timeout, large: Arc::new(Semaphore::new(MAX_LARGE)) }
    }

    /// Collects a body within the time limit.
    pub(in crate::http) async fn read<B>(&self, body: B) -> Result<Bytes, Status>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let secs = self.timeout.as_secs();
        tokio::time::timeout(self.timeout, self.collect(body)).await.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!(
                "limits.request_timeout_secs: the request body was not sent within {secs} s"
            )))
        })
    }

    async fn collect<B>(&self, body: B) -> Result<Bytes, Status>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut body = std::pin::pin!(Limited::new(body, MAX_MESSAGE_BYTES));
        let (mut read, mut permit) = (BytesMut::new(), None);
        while let Some(frame) = body.frame().await {
            // Trailers have no meaning here.
            let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
            if permit.is_none() && read.len() + data.remaining() > SMALL_BYTES {
                let stopping = |_| Status::unavailable("the server is stopping");
                permit = Some(self.large.acquire().await.map_err(stopping)?);
            }
            read.put(data);
        }
        Ok(read.freeze())
    }
}

/// A service that takes whole bodies.
#[derive(Clone)]
pub(in crate::http) struct ReadBody<S> {
    bodies: BodyLayer,
    inner: S,
}

impl<S> Layer<S> for BodyLayer {
    type Service = ReadBody<S>;

    fn layer(&self, inner: S) -> ReadBody<S> {
        ReadBody { bodies: self.clone(), inner }
    }
}

impl<S, B> Service<Request<B>> for ReadBody<S>
where
    S: Service<Request<Bytes>, Response = Response<tonic::body::Body>, Error = Status>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    type Response = S::Response;
    type Error = Status;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        let Self { bodies, mut inner } = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = bodies.read(body).await?;
            inner.call(Request::from_parts(parts, body)).await
        })
    }
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> Status {
    if error.is::<LengthLimitError>() {
        Status::invalid_argument(format!("the request body is over {MAX_MESSAGE_BYTES} bytes"))
    } else {
        Status::cancelled("the request body was not sent completely")
    }
}

/// Encodes a message as an uncompressed frame.
pub(super) fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(FRAME_HEADER_BYTES + message.len());
    frame.put_u8(0);
    // It comes from a frame, so its length fits.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// Checks that `body` is exactly one uncompressed frame.
pub(in crate::http) fn check_frame(body: &[u8]) -> Result<(), Status> {
    let Some((&[flags, length @ ..], message)) = body.split_first_chunk::<FRAME_HEADER_BYTES>()
    else {
        let found = body.len();
        return Err(Status::invalid_argument(format!(
            "the body has {found} bytes; a gRPC frame has at least {FRAME_HEADER_BYTES}"
        )));
    };
    if flags != 0 {
        return Err(Status::unimplemented("compressed messages are not supported; send identity"));
    }
    let (announced, found) = (u32::from_be_bytes(length) as usize, message.len());
    if announced == found {
        Ok(())
    } else {
        Err(Status::invalid_argument(format!(
            "the gRPC frame announces {announced} bytes, but {found} follow; send exactly one frame"
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::pin;

    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};
    use proptest::prelude::*;
    use tonic::Code;

    use super::*;

    #[test]
    fn one_whole_frame_is_accepted() {
        assert!(check_frame(&[0, 0, 0, 0, 0]).is_ok());
        assert!(check_frame(&[0, 0, 0, 0, 2, 8, 1]).is_ok());
    }

    #[test]
    fn anything_else_is_refused() {
        for (body, code) in [
            (&[][..], Code::InvalidArgument),
            (&[0, 0, 0, 0], Code::InvalidArgument),
            (&[0, 0, 0, 0, 3, 8, 1], Code::InvalidArgument),
            (&[0, 0, 0, 0, 1, 8, 1], Code::InvalidArgument),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Code::InvalidArgument),
            (&[0, 255, 255, 255, 255], Code::InvalidArgument),
            (&[1, 0, 0, 0, 0], Code::Unimplemented),
        ] {
            assert_eq!(check_frame(body).unwrap_err().code(), code, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_accepted_or_refused(body: Vec<u8>) {
            let _ = check_frame(&body);
        }
    }

    fn bodies() -> BodyLayer {
        BodyLayer::new(Duration::from_secs(30))
    }

    /// A body that begins with `begin` and never ends.
    fn trickle(begin: &'static [u8]) -> impl Body<Data = Bytes, Error = Infallible> {
        let frame = Ok(Frame::data(Bytes::from_static(begin)));
        StreamBody::new(stream::iter([frame]).chain(stream::pending()))
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let at_limit = Bytes::from(vec![0; MAX_MESSAGE_BYTES]);
        assert_eq!(bodies().read(Full::new(at_limit.clone())).await.unwrap(), at_limit);
        let over = Bytes::from(vec![0; MAX_MESSAGE_BYTES + 1]);
        let refused = bodies().read(Full::new(over)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_refused_in_time() {
        for begin in [&[][..], &[0, 0]] {
            let refused = bodies().read(trickle(begin)).await.unwrap_err();
            assert_eq!(refused.code(), Code::DeadlineExceeded);
            assert!(refused.message().contains("limits.request_timeout_secs"), "{refused}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_and_small_ones_do_not() {
        static LARGE: [u8; SMALL_BYTES + 1] = [0; SMALL_BYTES + 1];
        let bodies = bodies();
        let slow: Vec<_> = (0..MAX_LARGE)
            .map(|_| {
                let bodies = bodies.clone();
                tokio::spawn(async move { bodies.read(trickle(&LARGE)).await })
            })
            .collect();
        let begun = std::time::Instant::now();
        while bodies.large.available_permits() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "they are not begun");
            tokio::task::yield_now().await;
        }
        let small = bodies.read(Full::new(Bytes::from_static(&LARGE[1..]))).now_or_never();
        assert_eq!(small.unwrap().unwrap().len(), SMALL_BYTES);
        let mut large = pin!(bodies.read(Full::new(Bytes::from_static(&LARGE))));
        assert!((&mut large).now_or_never().is_none());
        for read in slow {
            assert_eq!(read.await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        }
        assert_eq!(large.await.unwrap().len(), LARGE.len());
    }
}
