//! What calls are refused with, in the numbers of Core Lightning.

use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

/// The numbers, by the names that Core Lightning's `common/jsonrpc_errors.h` has for them.
pub(crate) mod code {
    pub(crate) const INVALID_REQUEST: i64 = -32600;
    pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
    pub(crate) const INVALID_PARAMS: i64 = -32602;
    pub(crate) const INTERNAL: i64 = -32603;
    /// Anything else.
    pub(crate) const GENERIC: i64 = -1;
    pub(crate) const PLUGIN_ERROR: i64 = -3;
    pub(crate) const PLUGIN_TERMINATED: i64 = -4;
    pub(crate) const PAY_DESTINATION_PERM_FAIL: i64 = 203;
    pub(crate) const PAY_ROUTE_NOT_FOUND: i64 = 205;
    pub(crate) const PAY_INVOICE_EXPIRED: i64 = 207;
    pub(crate) const PAY_UNSPECIFIED_ERROR: i64 = 209;
    pub(crate) const PAY_STOPPED_RETRYING: i64 = 210;
    pub(crate) const PAY_INJECTPAYMENTONION_ALREADY_PAID: i64 = 219;
    pub(crate) const FUND_CANNOT_AFFORD: i64 = 301;
    pub(crate) const CONNECT_NO_KNOWN_ADDRESS: i64 = 400;
    pub(crate) const CONNECT_ALL_ADDRESSES_FAILED: i64 = 401;
    pub(crate) const INVOICE_LABEL_ALREADY_EXISTS: i64 = 900;
    pub(crate) const INVOICE_PREIMAGE_ALREADY_EXISTS: i64 = 901;
    pub(crate) const INVOICE_EXPIRED_DURING_WAIT: i64 = 903;
    pub(crate) const INVOICE_WAIT_TIMED_OUT: i64 = 904;
    pub(crate) const INVOICE_NOT_FOUND: i64 = 905;
    pub(crate) const INVOICE_STATUS_UNEXPECTED: i64 = 906;
    pub(crate) const OFFER_TIMEOUT: i64 = 1005;
    pub(crate) const DATASTORE_DEL_DOES_NOT_EXIST: i64 = 1200;
    pub(crate) const DATASTORE_DEL_WRONG_GENERATION: i64 = 1201;
    pub(crate) const DATASTORE_UPDATE_ALREADY_EXISTS: i64 = 1202;
    pub(crate) const DATASTORE_UPDATE_DOES_NOT_EXIST: i64 = 1203;
    pub(crate) const DATASTORE_UPDATE_WRONG_GENERATION: i64 = 1204;
    pub(crate) const DATASTORE_UPDATE_HAS_CHILDREN: i64 = 1205;
    pub(crate) const DATASTORE_UPDATE_NO_CHILDREN: i64 = 1206;
    pub(crate) const SIGNMESSAGE_PUBKEY_NOT_FOUND: i64 = 1301;
    pub(crate) const RUNE_NOT_AUTHORIZED: i64 = 1501;
    pub(crate) const RUNE_NOT_PERMITTED: i64 = 1502;
    pub(crate) const RUNE_BLACKLISTED: i64 = 1503;
    pub(crate) const WAIT_TIMEOUT: i64 = 2000;
}

/// Why a call failed, as the member `error` of the answer has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Value>,
}

impl RpcError {
    /// An error with this number.
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// A parameter is missing, unknown or wrong.
    pub(super) fn params(message: impl Into<String>) -> Self {
        Self::new(code::INVALID_PARAMS, message)
    }

    /// A failure that has no number of its own.
    pub(super) fn generic(message: impl Into<String>) -> Self {
        Self::new(code::GENERIC, message)
    }

    /// Its number.
    pub(crate) fn code(&self) -> i64 {
        self.code
    }

    /// Its text.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn with_data(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }
}

/// Where a method knows no better number. Clients take some numbers for a payment that has certainly
/// failed; none of them is here.
impl From<Error> for RpcError {
    fn from(error: Error) -> Self {
        match &error {
            Error::InvalidArgument { .. } => Self::params(error.to_string()),
            Error::PermissionDenied(reason) => {
                Self::new(code::RUNE_NOT_PERMITTED, format!("Not permitted: {reason}"))
            },
            Error::Internal(_) => Self::internal(&error),
            _ => Self::generic(error.to_string()),
        }
    }
}

impl RpcError {
    /// A failure of this server, which only its log explains.
    pub(super) fn internal(error: &impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a call of Core Lightning's interface has failed");
        Self::new(code::INTERNAL, "internal error; the server's log has the details")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_failures_are_not_told() {
        let told = RpcError::from(Error::Internal("the secret".to_owned()));
        assert_eq!(told.code, code::INTERNAL);
        assert!(!told.message.contains("secret"));
    }

    #[test]
    fn what_may_have_been_paid_has_no_number_of_a_failed_payment() {
        for error in [
            Error::Unavailable("x".to_owned()),
            Error::DeadlineExceeded,
            Error::Internal("x".to_owned()),
            Error::ResourceExhausted("x".to_owned()),
            Error::FailedPrecondition("x".to_owned()),
        ] {
            let code = RpcError::from(error).code;
            assert!([code::GENERIC, code::INTERNAL].contains(&code));
        }
    }
}
