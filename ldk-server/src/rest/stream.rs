//! Streams as the Connect protocol has them: each message in an envelope, and in the last one, how the
//! stream has ended.

use std::error::Error as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;
use prost_reflect::MessageDescriptor;
use serde::Serialize;
use tonic::Status;

use super::codec::{ENVELOPE_HEADER_BYTES, internal, put_envelope};
use super::shared::envelope;
use super::status::{ErrorBody, failed};

/// The flag of the last envelope.
const END: u8 = 2;

/// How a stream has ended.
#[derive(Serialize)]
struct End<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody<'a>>,
}

/// The body of a stream, made of that of a gRPC answer.
pub(super) struct JsonStream {
    /// `None` if it has ended.
    source: Option<Source>,
    /// What was read of a message that is not complete, or what ends a stream that never began.
    read: BytesMut,
}

struct Source {
    message: MessageDescriptor,
    body: Body,
}

impl JsonStream {
    /// The messages in the body of a gRPC answer.
    pub(super) fn new(message: &MessageDescriptor, body: Body) -> Self {
        let source = Source { message: message.clone(), body };
        Self { source: Some(source), read: BytesMut::new() }
    }

    /// A stream that has ended with this status before it began.
    pub(super) fn failed(status: &Status) -> Self {
        Self { source: None, read: end(Some(status)) }
    }

    /// Ends the stream after what was written.
    fn end(&mut self, mut written: BytesMut, status: Option<&Status>) -> Bytes {
        self.source = None;
        self.read.clear();
        written.unsplit(end(status));
        written.freeze()
    }

    /// Translates the messages that are complete.
    fn whole_messages(&mut self) -> Result<Bytes, Status> {
        let mut written = Bytes::new();
        let Some(Source { message, .. }) = &self.source else { return Ok(written) };
        while let Some((&[_, length @ ..], rest)) =
            self.read.split_first_chunk::<ENVELOPE_HEADER_BYTES>()
        {
            let length = u32::from_be_bytes(length) as usize;
            let Some(binary) = rest.get(..length) else { break };
            written = joined(written, envelope(message, binary)?);
            self.read.advance(ENVELOPE_HEADER_BYTES + length);
        }
        Ok(written)
    }

    /// What follows from a part of the gRPC answer; empty if it completes nothing.
    fn translate(&mut self, frame: Option<Result<Frame<Bytes>, axum::Error>>) -> Bytes {
        let nothing = BytesMut::new();
        let frame = match frame {
            None => return self.end(nothing, None),
            Some(Err(error)) => return self.end(nothing, Some(&status_of(&error))),
            Some(Ok(frame)) => frame,
        };
        match frame.into_data() {
            Ok(data) => {
                self.read.extend_from_slice(&data);
                match self.whole_messages() {
                    Ok(written) => written,
                    Err(status) => self.end(nothing, Some(&status)),
                }
            },
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_else(|_| HeaderMap::new());
                self.end(nothing, failed(&trailers).as_ref())
            },
        }
    }
}

impl http_body::Body for JsonStream {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            let Some(source) = &mut self.source else {
                let rest = std::mem::take(&mut self.read).freeze();
                return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
            };
            let frame = ready!(Pin::new(&mut source.body).poll_frame(context));
            let written = self.translate(frame);
            if !written.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(written))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_none() && self.read.is_empty()
    }
}

/// One after the other. A single envelope, which most parts of an answer are, stays shared.
fn joined(written: Bytes, next: Bytes) -> Bytes {
    if written.is_empty() {
        return next;
    }
    let mut both = BytesMut::from(written);
    both.extend_from_slice(&next);
    both.freeze()
}

/// The last envelope of a stream.
fn end(status: Option<&Status>) -> BytesMut {
    let mut envelope = BytesMut::new();
    let end = End { error: status.map(ErrorBody::of) };
    let text = serde_json::to_vec(&end).map_err(internal).unwrap_or_default();
    // It is short.
    let _ = put_envelope(&mut envelope, END, &text);
    envelope
}

/// The status that the body of an answer failed with.
pub(super) fn status_of(error: &axum::Error) -> Status {
    let status = error.source().and_then(|source| source.downcast_ref::<Status>());
    status.cloned().unwrap_or_else(|| internal(error))
}
