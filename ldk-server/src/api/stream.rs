//! Answers that are streams.

use std::iter;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream, FuturesUnordered};
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::error::Error;

/// A stream of messages. If it ends early, the last item is an error with the reason.
pub struct Stream<T> {
    /// Values that are known before the first message, by name.
    pub head: Vec<(&'static str, u64)>,
    /// The messages.
    pub messages: BoxStream<'static, Result<T, Error>>,
}

impl<T: Send + 'static> Stream<T> {
    /// The same stream, which ends when the server stops, the deadline of the caller has passed, or the
    /// caller may no longer have it.
    pub(super) fn until(self, stopping: CancellationToken, caller: Caller) -> Self {
        let Self { head, messages } = self;
        let ends = async move {
            tokio::select! {
                biased;
                () = stopping.cancelled() => {
                    Error::Unavailable("the server is stopping".to_owned())
                },
                () = Deadline::expired(caller.deadline()) => Error::DeadlineExceeded,
                withdrawn = caller.permission_withdrawn() => withdrawn,
            }
        };
        // Polled only when it is woken, not once for each message: what it waits for is shared by all
        // streams, behind locks.
        let ends: FuturesUnordered<_> = iter::once(ends).collect();
        let state = Some((messages, ends));
        let messages = stream::unfold(state, |state| async move {
            let (mut messages, mut ends) = state?;
            let message = tokio::select! {
                biased;
                Some(end) = ends.next() => Some(Err(end)),
                message = messages.next() => message,
            }?;
            let state = message.is_ok().then_some((messages, ends));
            Some((message, state))
        });
        Self { head, messages: messages.boxed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endless() -> Stream<u64> {
        Stream { head: Vec::new(), messages: stream::iter(1..).map(Ok).boxed() }
    }

    #[tokio::test]
    async fn a_stream_ends_when_the_server_stops() {
        let stopping = CancellationToken::new();
        let mut messages = endless().until(stopping.clone(), Caller::default()).messages;
        assert_eq!(messages.next().await.unwrap().unwrap(), 1);
        stopping.cancel();
        let end = messages.next().await.unwrap().unwrap_err();
        assert!(matches!(end, Error::Unavailable(_)), "{end:?}");
        assert!(messages.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stream_ends_at_its_deadline() {
        let mut headers = http::HeaderMap::new();
        headers.insert("grpc-timeout", "0m".parse().unwrap());
        let mut caller = Caller::default();
        caller.has_sent(None, Deadline::of(&headers, tokio::time::Instant::now()).unwrap());
        let mut messages = endless().until(CancellationToken::new(), caller).messages;
        let end = messages.next().await.unwrap().unwrap_err();
        assert!(matches!(end, Error::DeadlineExceeded), "{end:?}");
        assert!(messages.next().await.is_none());
    }

    #[tokio::test]
    async fn the_error_of_a_stream_is_its_last_message() {
        let failing = stream::iter([Ok(1), Err(Error::internal("gone")), Ok(2)]).boxed();
        let failing = Stream { head: Vec::new(), messages: failing };
        let messages = failing.until(CancellationToken::new(), Caller::default()).messages;
        assert_eq!(messages.count().await, 2);
    }
}
