//! The stream of a connection as HTTP and what may come after it use it: its writes are told of, and it ends
//! when the connection has to, whoever has it by then.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::feeds::Writes;

/// A stream that tells of what is written to it.
pub(super) struct Watched<S> {
    stream: S,
    writes: Writes,
    has_failed: bool,
    end: CancellationToken,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> Watched<S> {
    /// The stream, until `end` is cancelled, which a write that fails does.
    pub(super) fn new(stream: S, writes: Writes, end: CancellationToken) -> Self {
        let ended = Box::pin(end.clone().cancelled_owned());
        Self { stream, writes, has_failed: false, end, ended }
    }

    /// Refuses to write once that has failed: some go on as if it had not.
    fn check(&self) -> io::Result<()> {
        if self.has_failed { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn written<T>(&mut self, written: io::Result<T>) -> io::Result<T> {
        if written.is_ok() {
            self.writes.happened();
        } else {
            self.has_failed = true;
            self.end.cancel();
        }
        written
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        self.writes.end();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        Poll::Ready(self.written(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, parts));
        Poll::Ready(self.written(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        Poll::Ready(self.written(flushed))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_is_left_of_a_connection_ends_with_it() {
        let (stream, mut client) = duplex(64);
        let ended = CancellationToken::new();
        let mut watched = Watched::new(stream, Writes::default(), ended.clone());
        client.write_all(b"abc").await.unwrap();
        let mut read = [0; 3];
        watched.read_exact(&mut read).await.unwrap();
        watched.write_all(&read).await.unwrap();
        assert!(watched.read_exact(&mut read).now_or_never().is_none());
        ended.cancel();
        assert!(watched.read_exact(&mut read).await.is_err());
        watched.write_all(b"the last words").await.unwrap();
    }

    #[tokio::test]
    async fn after_a_write_that_has_failed_nothing_is_read_or_written() {
        let (stream, client) = duplex(64);
        let mut watched = Watched::new(stream, Writes::default(), CancellationToken::new());
        drop(client);
        assert!(watched.write_all(b"abc").await.is_err());
        assert!(watched.read_exact(&mut [0]).now_or_never().unwrap().is_err());
        assert!(watched.flush().await.is_err());
    }
}
