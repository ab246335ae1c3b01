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

use crate::clock::Seldom;
use crate::metrics::{Counted, Requests};
use crate::request_id::RequestId;

/// Methods that are not of our own service, and need no key.
const OPEN_METHODS: [&str; 3] = ["Check", "Watch", "ServerReflectionInfo"];
/// Methods whose answer goes on after it has begun.
const STREAMS: [&str; 3] = ["SubscribeEvents", "Watch", "ServerReflectionInfo"];

/// Writes `request 1f3a GetNodeInfo OK in 97 µs`, and counts it; if it is dropped before, that the
/// caller has given up.
pub(in crate::http) struct RequestLine {
    id: RequestId,
    method: &'static str,
    begun: Instant,
    counted: Counted,
    has_ended: bool,
}

impl RequestLine {
    /// Of a request that begins now.
    pub(in crate::http) fn begin(id: RequestId, path: &str, requests: &Requests) -> Self {
        let method = known_method(path);
        let counted = requests.begin(method);
        Self { id, method, begun: Instant::now(), counted, has_ended: false }
    }

    /// Says how the request ended; for a stream, that it begins, and how it ends when it does.
    pub(in crate::http) fn answer(mut self, response: Response<Body>) -> Response<Body> {
        self.counted.answered(self.begun.elapsed());
        match Status::from_header_map(response.headers()) {
            Some(status) => self.end(&status),
            None if STREAMS.contains(&self.method) => {
                let Self { id, method, .. } = &self;
                if self.is_open() {
                    tracing::trace!("request {id} {method} begins");
                } else {
                    tracing::debug!("request {id} {method} begins");
                }
                return response.map(|body| Body::new(Watched { body, line: self }));
            },
            None => self.end(&Status::ok("")),
        }
        response
    }

    fn end(&mut self, status: &Status) {
        self.has_ended = true;
        self.counted.ended(name(status.code()));
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
        static REFUSED: Seldom = Seldom::new();
        match REFUSED.count() {
            Some(refused) => tracing::info!("{self}; requests that were refused so: {refused}"),
            None => tracing::trace!("{self}"),
        }
    }
}

impl Display for Ended<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let RequestLine { id, method, begun, .. } = self.line;
        let (code, micros) = (name(self.status.code()), begun.elapsed().as_micros());
        write!(out, "request {id} {method} {code} in {micros} µs")?;
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
