//! Why a command failed, in the words that are printed. Every failure means exit status 1.

use std::convert::Infallible;

use ldk_server_client::Error;
use ldk_server_grpc::places::PlacesError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The call failed, on the server's side or on the way.
    #[error("Error ({}): {_0}", kind(_0))]
    Call(#[from] Error),
    /// The arguments contradict each other, so that nothing was sent.
    #[error("Error (Invalid Request): {0}")]
    InvalidRequest(String),
    /// Something else was wrong on this side.
    #[error("Error: {0}")]
    Local(String),
    /// There is no client: the configuration, the key or the certificate is missing or wrong.
    #[error("{0}")]
    Setup(String),
}

impl From<Infallible> for Failure {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<PlacesError> for Failure {
    fn from(error: PlacesError) -> Self {
        Self::Setup(error.to_string())
    }
}

/// The kinds of error that scripts tell apart.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::InvalidRequest(_) => "Invalid Request",
        Error::Lightning(_) => "Lightning Error",
        Error::Internal(_) => "Internal Server Error",
        Error::Auth(_) => "Authentication Error",
        _ => "Internal Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_is_printed_with_its_kind() {
        let message = || "m".to_owned();
        for (error, expected) in [
            (Error::InvalidRequest(message()), "Error (Invalid Request): m"),
            (Error::Lightning(message()), "Error (Lightning Error): m"),
            (Error::Internal(message()), "Error (Internal Server Error): m"),
            (Error::Auth(message()), "Error (Authentication Error): m"),
            (Error::Unimplemented(message()), "Error (Internal Error): m"),
            (Error::Unavailable(message()), "Error (Internal Error): m"),
            (Error::Transport(message()), "Error (Internal Error): m"),
        ] {
            assert_eq!(Failure::Call(error).to_string(), expected);
        }
    }
}
