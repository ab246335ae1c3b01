//! Detects whether a client has begun to speak HTTP. hyper limits the time for the headers of an HTTP/1
//! request, but not the time for the preface of HTTP/2.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The header of the frame that must follow.
const FRAME_HEADER_BYTES: usize = 9;

/// A stream that reports when its client has begun to speak HTTP.
pub(super) struct PrefaceTimeout<S> {
    stream: S,
    /// The bytes that were read until then.
    read_bytes: usize,
    begun: Option<oneshot::Sender<()>>,
}

impl<S> PrefaceTimeout<S> {
    /// The stream, and a receiver of the report.
    pub(super) fn new(stream: S) -> (Self, oneshot::Receiver<()>) {
        let (begun, has_begun) = oneshot::channel();
        (Self { stream, read_bytes: 0, begun: Some(begun) }, has_begun)
    }

    /// Inspects what was read: the whole preface and more, or something else, which is HTTP/1.
    fn inspect(&mut self, read: &[u8]) {
        let expected = PREFACE.get(self.read_bytes..).unwrap_or_default();
        self.read_bytes += read.len();
        let is_preface = expected.iter().zip(read).all(|(one, other)| one == other);
        if !read.is_empty()
            && (!is_preface || self.read_bytes >= PREFACE.len() + FRAME_HEADER_BYTES)
            && let Some(begun) = self.begun.take()
        {
            // There is no receiver any more when the connection ends.
            let _ = begun.send(());
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PrefaceTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if self.begun.is_some() {
            self.inspect(buffer.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PrefaceTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many of these bytes HTTP has begun.
    fn begins_after(bytes: &[u8]) -> Option<usize> {
        let (mut stream, mut has_begun) = PrefaceTimeout::new(());
        (1..=bytes.len()).find(|end| {
            stream.inspect(&bytes[end - 1..*end]);
            has_begun.try_recv().is_ok()
        })
    }

    #[test]
    fn http_2_begins_with_the_preface_and_a_frame() {
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let opening = [PREFACE, &settings].concat();
        assert_eq!(begins_after(&opening), Some(opening.len()));
        assert_eq!(begins_after(&opening[..opening.len() - 1]), None);
        assert_eq!(begins_after(b""), None);
    }

    #[test]
    fn anything_else_is_left_to_http_1() {
        assert_eq!(begins_after(b"GET / HTTP/1.1\r\n"), Some(1));
        assert_eq!(begins_after(b"POST / HTTP/1.1\r\n"), Some(2));
        assert_eq!(begins_after(b"PRI * HTTP/1.1\r\n"), Some(12));
    }
}
