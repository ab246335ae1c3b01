//! What is checked about an answer before it is taken for one of the server: a proxy may have
//! answered in its place, or cut it short.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::clock;

const GRPC_STATUS: &str = "grpc-status";
const GRPC_CONTENT_TYPE: &str = "application/grpc";
const NO_CONTENT_TYPE: &str = "no content type";

/// Passes on an answer that is gRPC. Of any other, the error is what its HTTP status means to gRPC.
pub(crate) fn checked(answer: Response<Body>) -> Result<Response<Body>, Status> {
    let (head, body) = answer.into_parts();
    if let Some(status) = head.headers.get(GRPC_STATUS) {
        return match Code::from_bytes(status.as_bytes()) {
            Code::Unauthenticated => Err(unauthenticated(&head)),
            _ => Ok(Response::from_parts(head, body)),
        };
    }
    if head.status != StatusCode::OK || !is_grpc(&head.headers) {
        return Err(not_grpc(&head));
    }
    Ok(Response::from_parts(head, Body::new(WithStatus { body, ended: false })))
}

/// The gRPC status that an HTTP status stands for where there is no other, as
/// "HTTP to gRPC Status Code Mapping" of the gRPC documentation has it.
pub(crate) fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_some_and(|value| value.starts_with(GRPC_CONTENT_TYPE.as_bytes()))
}

fn not_grpc(head: &response::Parts) -> Status {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = text(header::CONTENT_TYPE).unwrap_or(NO_CONTENT_TYPE);
    let from = text(header::SERVER).map(|server| format!(" from {server}")).unwrap_or_default();
    Status::new(
        code_of(head.status),
        format!(
            "the answer{from} is not gRPC: HTTP status {}, {content_type}; something between this \
             client and the server, such as a proxy, has answered, and whether the server was asked \
             is unknown",
            head.status
        ),
    )
}

/// The server's refusal of a key, with what the clocks have to do with it.
fn unauthenticated(head: &response::Parts) -> Status {
    let status = Status::from_header_map(&head.headers)
        .unwrap_or_else(|| Status::unauthenticated("no reason was given"));
    match clock::skew(&head.headers) {
        Some(skew) => Status::unauthenticated(format!("{}; {skew}", status.message())),
        None => status,
    }
}

/// Says of an answer that ends without a gRPC status that it was cut short. hyper takes some ways in
/// which a proxy ends a stream for an end in order.
struct WithStatus {
    body: Body,
    ended: bool,
}

/// An answer, or a stream, ended without a gRPC status.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut short, by the server or something in between")]
struct CutShort;

impl http_body::Body for WithStatus {
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(match next {
            Some(Ok(frame)) => {
                let trailers = frame.trailers_ref();
                self.ended |= trailers.is_some_and(|trailers| trailers.contains_key(GRPC_STATUS));
                Some(Ok(frame))
            },
            None if !self.ended => {
                self.ended = true;
                Some(Err(CutShort.into()))
            },
            other => other.map(|result| result.map_err(Into::into)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)]) -> Response<Body> {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        answer.body(Body::empty()).unwrap()
    }

    #[test]
    fn an_http_status_alone_means_what_the_mapping_of_grpc_says() {
        for (status, code) in [
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
            (200, Code::Unknown),
            (301, Code::Unknown),
            (418, Code::Unknown),
            (500, Code::Unknown),
        ] {
            let page = answer(status, &[("content-type", "text/html"), ("server", "nginx")]);
            let error = checked(page).map(drop).unwrap_err();
            assert_eq!(error.code(), code, "{status}");
            for words in [&status.to_string(), "text/html", "nginx"] {
                assert!(error.message().contains(words), "{error}");
            }
        }
    }

    #[test]
    fn a_grpc_status_counts_more_than_that_of_http() {
        let refusal = answer(502, &[("grpc-status", "9"), ("content-type", "application/grpc")]);
        assert!(checked(refusal).is_ok());
    }

    #[test]
    fn what_is_grpc_passes() {
        for content_type in ["application/grpc", "application/grpc+proto"] {
            assert!(checked(answer(200, &[("content-type", content_type)])).is_ok());
        }
        // Without one it is not told to be gRPC.
        assert!(checked(answer(200, &[])).is_err());
    }
}
