//! What is said of a request: one line in the log when it has ended, and one more when a stream
//! begins; and its place in the metrics.
//!
//! Anybody who reaches the port can make requests that are open to all, or that are refused for want of
//! a key. At the usual levels these fill no log: there is a line for the first of the refused in each
//! minute, which tells how many there were.

use std::fmt::{self, Display, Formatter};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use ldk_server_grpc::RPC_NAMES;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::Span;
use tracing::field::Empty;

use super::super::request_id::RequestId;
use crate::clock::LogThrottle;
use crate::metrics::{Counted, Requests};

/// Methods that are not of our own service, and need no key.
const OPEN_METHODS: [&str; 3] = ["Check", "Watch", "ServerReflectionInfo"];
/// Methods whose answer goes on after it has begun.
const STREAMS: [&str; 3] = ["SubscribeEvents", "Watch", "ServerReflectionInfo"];

/// Writes `GetNodeInfo OK in 97 µs` in the span of the request, and counts it; if it is dropped before,
/// that the caller has given up.
pub(super) struct RequestLine {
    span: Span,
    method: &'static str,
    begun: Instant,
    counted: Counted,
    has_ended: bool,
}

impl RequestLine {
    /// Of a request that begins now.
    pub(super) fn begin(id: RequestId, path: &str, requests: &Requests) -> Self {
        let method = known_method(path);
        let counted = requests.begin(method);
        // Of the highest level, so that there is one for every line that is written.
        let span = tracing::error_span!("call", request_id = %id, method, caller = Empty);
        Self { span, method, begun: Instant::now(), counted, has_ended: false }
    }

    /// The span of the request.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Says how the request ended; for a stream, that it begins, and how it ends when it does.
    pub(super) fn answer(mut self, response: Response<Body>) -> Response<Body> {
        self.counted.answered(self.begun.elapsed());
        match Status::from_header_map(response.headers()) {
            Some(status) => self.end(&status),
            None if STREAMS.contains(&self.method) => {
                self.span.in_scope(|| self.say_begin());
                return response.map(|body| Body::new(Watched { body, line: self }));
            },
            None => self.end(&Status::ok("")),
        }
        response
    }

    fn say_begin(&self) {
        let method = self.method;
        if self.is_open() {
            tracing::trace!("{method} begins");
        } else {
            tracing::debug!("{method} begins");
        }
    }

    fn end(&mut self, status: &Status) {
        self.has_ended = true;
        self.counted.ended(name(status.code()));
        self.span.in_scope(|| self.say_end(status));
    }

    fn say_end(&self, status: &Status) {
        let ended = Ended { line: self, status };
        if status.code() == Code::Unauthenticated {
            ended.say_seldom();
        } else if self.is_open() {
            tracing::trace!("{ended}");
        } else {
            tracing::debug!("{ended}");
        }
    }

    /// Whether it may be made without a key.
    fn is_open(&self) -> bool {
        OPEN_METHODS.contains(&self.method)
    }
}

/// A request and how it ended, as the log has it.
struct Ended<'a> {
    line: &'a RequestLine,
    status: &'a Status,
}

impl Ended<'_> {
    /// One that was refused for want of a key.
    fn say_seldom(&self) {
        static REFUSED: LogThrottle = LogThrottle::new();
        match REFUSED.count() {
            Some(refused) => tracing::info!("{self}; requests that were refused so: {refused}"),
            None => tracing::trace!("{self}"),
        }
    }
}

impl Display for Ended<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let RequestLine { method, begun, .. } = self.line;
        let (code, micros) = (name(self.status.code()), begun.elapsed().as_micros());
        write!(out, "{method} {code} in {micros} µs")?;
        match self.status.message() {
            "" => Ok(()),
            reason => write!(out, ": {reason:?}"),
        }
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end(&Status::cancelled("the caller has gone"));
        }
    }
}

/// The last part of the path, or a placeholder, because anything else is not fit for a line.
fn known_method(path: &str) -> &'static str {
    let method = path.rsplit('/').next().unwrap_or_default();
    RPC_NAMES
        .iter()
        .chain(&OPEN_METHODS)
        .find(|known| **known == method)
        .map_or("(unknown method)", |known| *known)
}

/// The name of the gRPC specification.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The body of a stream, whose end is logged.
struct Watched {
    body: Body,
    line: RequestLine,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                    self.line.end(&status);
                }
            },
            Some(Err(status)) => self.line.end(status),
            None if !self.line.has_ended => self.line.end(&Status::ok("")),
            None => {},
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
