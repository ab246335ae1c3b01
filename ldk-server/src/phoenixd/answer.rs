//! Answers, and why there is none.

use http::StatusCode;
use serde::Serialize;

use crate::error::Error;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// JSON.
    Json(String),
    /// Text.
    Text(String),
}

impl Answer {
    pub(super) fn json(answer: &impl Serialize) -> Result<Self, Refusal> {
        Ok(Self::Json(serde_json::to_string(answer).map_err(Error::internal)?))
    }
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A parameter is missing or wrong.
    BadRequest(String),
    /// There is nothing of this name.
    NotFound,
    /// This node cannot do it; the text says why.
    Impossible(&'static str),
    /// It is not known what has come of a payment.
    OutcomeUnknown,
    /// A call of the API was refused.
    Api(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Api(error)
    }
}

impl Refusal {
    /// A parameter is missing.
    pub(super) fn missing(name: &str) -> Self {
        Self::BadRequest(format!("Request parameter {name} is missing"))
    }

    /// A parameter cannot be read as what it should be.
    pub(super) fn invalid(name: &str, expected: &str) -> Self {
        let reason = format!("Request parameter {name} couldn't be parsed/converted to {expected}");
        Self::BadRequest(reason)
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Impossible(_) => StatusCode::NOT_IMPLEMENTED,
            Self::OutcomeUnknown => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Api(error) => match error {
                Error::InvalidArgument { .. }
                | Error::FailedPrecondition(_)
                | Error::AlreadyExists(_)
                | Error::OutOfRange(_) => StatusCode::BAD_REQUEST,
                Error::NotFound(_) => StatusCode::NOT_FOUND,
                // phoenixd has no other for a password that does not allow it.
                Error::PermissionDenied(_) => StatusCode::UNAUTHORIZED,
                Error::ResourceExhausted(_) | Error::Unavailable(_) | Error::DeadlineExceeded => {
                    StatusCode::SERVICE_UNAVAILABLE
                },
                Error::Unimplemented(_) => StatusCode::NOT_IMPLEMENTED,
                Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// The text of the answer.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::BadRequest(reason) => reason.clone(),
            Self::NotFound => "Not found".to_owned(),
            Self::Impossible(reason) => (*reason).to_owned(),
            Self::OutcomeUnknown => {
                "the outcome of the payment is not known; ask payments/outgoingbyhash for it"
                    .to_owned()
            },
            Self::Api(error @ Error::Internal(_)) => {
                tracing::error!(%error, "a request to phoenixd's interface has failed");
                "internal error; the server's log has the details".to_owned()
            },
            Self::Api(error) => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_there_is_404() {
        for error in [
            Error::Unavailable("x".to_owned()),
            Error::DeadlineExceeded,
            Error::Internal("x".to_owned()),
            Error::ResourceExhausted("x".to_owned()),
            Error::FailedPrecondition("x".to_owned()),
            Error::PermissionDenied("x".to_owned()),
        ] {
            let refusal = Refusal::from(error);
            assert!(refusal.status().is_client_error() || refusal.status().is_server_error());
            assert_ne!(refusal.status(), StatusCode::NOT_FOUND, "{refusal:?}");
        }
    }

    #[test]
    fn internal_failures_are_not_told() {
        let refusal = Refusal::from(Error::Internal("the secret".to_owned()));
        assert_eq!(refusal.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!refusal.text().contains("secret"));
    }
}
