//! What can go wrong with a call.

use std::error::Error as StdError;

use ldk_server_grpc::places::PlacesError;
use tonic::{Code, Status, TimeoutExpired};

use crate::connect_failure::is_not_pinned;

/// Declares [`Error`]: the variants for the statuses a server answers with, each with its code, and
/// those for what goes wrong on this side.
macro_rules! errors {
    ($($(#[$doc:meta])+ $variant:ident = $code:ident),+ $(,)?) => {
        /// Why a call failed. Where the server answered, the text is the server's message. Where a
        /// proxy answered that speaks no gRPC, the variant is what its HTTP status means to gRPC,
        /// and the text has that status.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Error {
            $(
                $(#[$doc])+
                #[error("{0}")]
                $variant(String),
            )+
            /// The server answered with a status that has no variant of its own.
            #[error("{message}")]
            Other {
                /// The gRPC status code.
                code: Code,
                /// The server's message.
                message: String,
            },
            /// No answer was had: the server could not be reached, or the connection broke. If it
            /// broke during a call, the outcome of that call is unknown.
            #[error("{0}")]
            Transport(String),
            /// Nothing was asked: the server's TLS certificate is not a pinned one, nor issued by one.
            #[error("{0}")]
            NotPinned(String),
            /// The address, the API key, the certificate or the place where they should be is wrong.
            #[error("{0}")]
            Configuration(String),
        }

        impl Error {
            /// The gRPC status code, or `None` where it was not a status that ended the call.
            pub fn code(&self) -> Option<Code> {
                match self {
                    $(Self::$variant(_) => Some(Code::$code),)+
                    Self::Other { code, .. } => Some(*code),
                    Self::Transport(_) | Self::NotPinned(_) | Self::Configuration(_) => None,
                }
            }

            fn answered(code: Code, message: String) -> Self {
                match code {
                    $(Code::$code => Self::$variant(message),)+
                    code => Self::Other { code, message },
                }
            }
        }
    };
}

errors! {
    /// `INVALID_ARGUMENT` (3): the request is wrong, and will be tomorrow.
    InvalidRequest = InvalidArgument,
    /// `DEADLINE_EXCEEDED` (4): no answer in time. The outcome of the call is unknown: a payment may
    /// still succeed, so look it up before paying again.
    DeadlineExceeded = DeadlineExceeded,
    /// `NOT_FOUND` (5): what the request names does not exist.
    NotFound = NotFound,
    /// `ALREADY_EXISTS` (6): what the request would make exists.
    AlreadyExists = AlreadyExists,
    /// `PERMISSION_DENIED` (7): this key may not do that.
    PermissionDenied = PermissionDenied,
    /// `RESOURCE_EXHAUSTED` (8): the server has too much to do; try later.
    ResourceExhausted = ResourceExhausted,
    /// `FAILED_PRECONDITION` (9): the node cannot do it now, for example for want of funds, a route
    /// or a connection.
    Lightning = FailedPrecondition,
    /// `OUT_OF_RANGE` (11): a position that is gone, or a message larger than allowed.
    OutOfRange = OutOfRange,
    /// `UNIMPLEMENTED` (12): this server cannot do it.
    Unimplemented = Unimplemented,
    /// `INTERNAL` (13): the server failed; its log says why.
    Internal = Internal,
    /// `UNAVAILABLE` (14): the server answered that it cannot serve now, for example because it is
    /// shutting down, or a proxy in front of it that it cannot be reached (HTTP status 502, 503, 504
    /// or 429). After a proxy's answer the outcome of the call is unknown.
    Unavailable = Unavailable,
    /// `DATA_LOSS` (15): events were lost to this subscriber.
    DataLoss = DataLoss,
    /// `UNAUTHENTICATED` (16): the key is wrong, or the clocks are more than a minute apart. The text
    /// says which clock is ahead, and by how much, if that is the cause.
    Auth = Unauthenticated,
}

impl Error {
    /// Whether the same call may succeed a moment later: the server could not be reached, is
    /// starting or stopping, has too much to do, or did not answer in time.
    ///
    /// This does not say that nothing was done. Before a payment is repeated, look up what became of
    /// the first.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Transport(_)
                | Self::Unavailable(_)
                | Self::DeadlineExceeded(_)
                | Self::ResourceExhausted(_)
        )
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        // A status that came over the wire has no source; one made on this side has.
        let Some(source) = status.source() else {
            return Self::answered(status.code(), status.message().to_owned());
        };
        // What stands for an answer that was not gRPC.
        if let Some(status) = chain(source).find_map(<dyn StdError>::downcast_ref::<Status>) {
            return Self::answered(status.code(), status.message().to_owned());
        }
        if chain(source).any(<dyn StdError>::is::<TimeoutExpired>) {
            return Self::DeadlineExceeded(
                "no answer in time; the outcome of the call is unknown".to_owned(),
            );
        }
        if chain(source).any(is_not_pinned) {
            return Self::NotPinned(chain_text(source));
        }
        Self::Transport(chain_text(source))
    }
}

impl From<PlacesError> for Error {
    fn from(error: PlacesError) -> Self {
        Self::Configuration(error.to_string())
    }
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The whole chain in one line, less what says nothing: tonic's own "transport error", and what a
/// library repeats of its source.
fn chain_text(error: &(dyn StdError + 'static)) -> String {
    let telling = chain(error).filter(|part| !part.is::<tonic::transport::Error>());
    let mut text = String::new();
    for part in telling.map(ToString::to_string) {
        if text.is_empty() {
            text = part;
        } else if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_status_from_the_server_keeps_code_and_message() {
        for (code, expected) in [
            (Code::InvalidArgument, Error::InvalidRequest("m".to_owned())),
            (Code::FailedPrecondition, Error::Lightning("m".to_owned())),
            (Code::Unavailable, Error::Unavailable("m".to_owned())),
            (Code::Unauthenticated, Error::Auth("m".to_owned())),
            (Code::Aborted, Error::Other { code: Code::Aborted, message: "m".to_owned() }),
        ] {
            let error = Error::from(Status::new(code, "m"));
            assert_eq!(error, expected);
            assert_eq!(error.code(), Some(code));
            assert_eq!(error.to_string(), "m");
        }
    }

    #[test]
    fn a_failure_on_this_side_is_not_taken_for_an_answer() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let connect = tonic::ConnectError(refused.into());
        let error = Error::from(Status::from_error(connect.into()));
        assert_eq!(error, Error::Transport("connection refused".to_owned()));
        assert_eq!(error.code(), None);
    }

    #[test]
    fn a_local_timeout_says_that_the_outcome_is_unknown() {
        let error = Error::from(Status::from_error(TimeoutExpired(()).into()));
        assert_eq!(error.code(), Some(Code::DeadlineExceeded));
        assert!(error.to_string().contains("outcome of the call is unknown"));
    }
}
