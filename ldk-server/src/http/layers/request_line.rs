//! The log line of a call, and its metrics. A call is logged when it ends; a stream also when it begins.
//!
//! The line is one text that operators search for, as docs/configuration.md describes it; request id,
//! method and caller are fields of its span.
//!
//! Anybody who reaches the port can make calls that need no key, or that are refused for lack of one. At
//! the usual levels these do not fill the log: one refusal a minute has a line, with their number.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::Frame;
use ldk_server_grpc::RPC_NAMES;
use tonic::{Code, Status};
use tracing::Span;
use tracing::field::Empty;

use super::super::request_id::RequestId;
use crate::cln;
use crate::clock::LogThrottle;
use crate::error::code_name;
use crate::metrics::{Counted, Requests};
use crate::rest;

/// Methods of other services, which need no key.
const OPEN_METHODS: [&str; 3] = ["Check", "Watch", "ServerReflectionInfo"];
/// Methods whose answer is a stream, besides subscriptions.
const STREAMS: [&str; 2] = ["Watch", "ServerReflectionInfo"];

/// Logs `GetNodeInfo OK in 97 µs` in the span of the call when it ends, and counts it. Dropping it before
/// means that the caller has disconnected.
pub(super) struct RequestLine {
    span: Span,
    method: &'static str,
    begun: Instant,
    counted: Counted,
    has_ended: bool,
}

impl RequestLine {
    /// A call that begins now.
    pub(super) fn begin(id: RequestId, path: &str, requests: &Requests) -> Self {
        let method = known_method(path);
        let counted = requests.begin(method);
        // At the highest level, so that the span is enabled whenever a line is.
        let span = tracing::error_span!("call", request_id = %id, method, caller = Empty);
        Self { span, method, begun: Instant::now(), counted, has_ended: false }
    }

    /// The span of the call.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Logs how the call ended; for a stream, that it begins, and how it ended when it has.
    pub(super) fn answer(mut self, response: Response<Body>) -> Response<Body> {
        self.counted.answered(self.begun.elapsed());
        match Status::from_header_map(response.headers()) {
            Some(status) => self.end(&status),
            None if self.is_stream() => {
                self.span.in_scope(|| self.log_begin());
                return response.map(|body| Body::new(LoggedBody { body, line: self }));
            },
            None => self.end(&Status::ok("")),
        }
        response
    }

    fn log_begin(&self) {
        let method = self.method;
        if self.is_open() {
            tracing::trace!("{method} begins");
        } else {
            tracing::debug!("{method} begins");
        }
    }

    fn end(&mut self, status: &Status) {
        self.has_ended = true;
        self.counted.ended(code_name(status.code()));
        self.span.in_scope(|| self.log_end(status));
    }

    fn log_end(&self, status: &Status) {
        let ended = Ended { line: self, status };
        if status.code() == Code::Unauthenticated {
            ended.log_seldom();
        } else if self.is_open() {
            tracing::trace!("{ended}");
        } else {
            tracing::debug!("{ended}");
        }
    }

    fn is_stream(&self) -> bool {
        self.method.starts_with("Subscribe") || STREAMS.contains(&self.method)
    }

    /// Whether the method needs no key.
    fn is_open(&self) -> bool {
        OPEN_METHODS.contains(&self.method)
    }
}

/// A call and its status, as the log shows it.
struct Ended<'a> {
    line: &'a RequestLine,
    status: &'a Status,
}

impl Ended<'_> {
    /// Logs a call that was refused for lack of a key.
    fn log_seldom(&self) {
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
        let (code, micros) = (code_name(self.status.code()), begun.elapsed().as_micros());
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

/// The method of a path, or a placeholder, because any other text does not belong into the log.
fn known_method(path: &str) -> &'static str {
    if let Some(of_cln) = cln::grpc_call_at(path) {
        return of_cln;
    }
    let method = path.rsplit('/').next().unwrap_or_default();
    let known = RPC_NAMES.iter().chain(&OPEN_METHODS).find(|known| **known == method);
    known.copied().or_else(|| rest::name_in(path)).unwrap_or("(unknown method)")
}

/// The status that the body of an answer failed with.
fn status(error: &axum::Error) -> Status {
    let status = error.source().and_then(<dyn Error>::downcast_ref);
    status.cloned().unwrap_or_else(|| Status::unknown(error.to_string()))
}

/// The body of a stream, which logs its end.
struct LoggedBody {
    body: Body,
    line: RequestLine,
}

impl http_body::Body for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                    self.line.end(&status);
                }
            },
            Some(Err(error)) => self.line.end(&status(error)),
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
