//! The errors of calls, and the gRPC status of each.

use ldk_node::NodeError;
use tonic::{Code, Status};

/// How much of an unusable value is quoted back.
const QUOTED_CHARS: usize = 80;

/// Why a call failed. The variant states what the caller can do about it. The text is for the caller,
/// unless the variant says otherwise.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field of the request is wrong: correct it.
    #[error("{field}: {reason}")]
    InvalidArgument {
        /// The field, as the proto file names it.
        field: &'static str,
        /// What was wrong with which value, and what is accepted.
        reason: String,
    },
    /// The request is fine, but not in the state the node, the peer or the network is in.
    #[error("{0}")]
    FailedPrecondition(String),
    /// The thing with this name does not exist.
    #[error("{0}")]
    NotFound(String),
    /// There is something of this name already.
    #[error("{0}")]
    AlreadyExists(String),
    /// What was asked for lies before or after what there is.
    #[error("{0}")]
    OutOfRange(String),
    /// Too much is under way: ask again later.
    #[error("{0}")]
    ResourceExhausted(String),
    /// The caller has no access to this call.
    #[error("{0}")]
    PermissionDenied(String),
    /// The caller stopped waiting: look up what came of it.
    #[error("the deadline has passed; the outcome of the call is unknown")]
    DeadlineExceeded,
    /// The server is starting or stopping: ask again later.
    #[error("{0}")]
    Unavailable(String),
    /// This server cannot do it.
    #[error("{0}")]
    Unimplemented(&'static str),
    /// An internal failure. The text is for the log only.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// An unusable request field.
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidArgument { field, reason: reason.into() }
    }

    /// An internal failure.
    pub fn internal(error: impl ToString) -> Self {
        Self::Internal(error.to_string())
    }

    /// The gRPC status.
    pub fn code(&self) -> Code {
        match self {
            Self::InvalidArgument { .. } => Code::InvalidArgument,
            Self::FailedPrecondition(_) => Code::FailedPrecondition,
            Self::NotFound(_) => Code::NotFound,
            Self::AlreadyExists(_) => Code::AlreadyExists,
            Self::OutOfRange(_) => Code::OutOfRange,
            Self::ResourceExhausted(_) => Code::ResourceExhausted,
            Self::PermissionDenied(_) => Code::PermissionDenied,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Unimplemented(_) => Code::Unimplemented,
            Self::Internal(_) => Code::Internal,
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if matches!(error, Error::Internal(_)) {
            return Self::internal("internal error; the server's log has the details");
        }
        Self::new(error.code(), error.to_string())
    }
}

impl From<NodeError> for Error {
    /// The table of the contract. It has no wildcard, so that an error that the library adds does not
    /// compile until somebody has classified it.
    fn from(error: NodeError) -> Self {
        let text = || error.to_string();
        let invalid = |field| Self::invalid(field, "is not what the node library takes here");
        match error {
            NodeError::InvalidAddress | NodeError::InvalidSocketAddress => invalid("address"),
            NodeError::InvalidPublicKey => invalid("public_key"),
            NodeError::InvalidSecretKey => invalid("secret_key"),
            NodeError::InvalidOfferId => invalid("offer_id"),
            NodeError::InvalidNodeId => invalid("node_id"),
            NodeError::InvalidPaymentId => invalid("payment_id"),
            NodeError::InvalidPaymentHash => invalid("payment_hash"),
            NodeError::InvalidPaymentPreimage => invalid("preimage"),
            NodeError::InvalidPaymentSecret => invalid("payment_secret"),
            NodeError::InvalidAmount => invalid("amount"),
            NodeError::InvalidInvoice => invalid("invoice"),
            NodeError::InvalidOffer => invalid("offer"),
            NodeError::InvalidRefund => invalid("refund"),
            NodeError::InvalidChannelId => invalid("channel_id"),
            NodeError::InvalidNetwork => invalid("network"),
            NodeError::InvalidUri | NodeError::UriParameterParsingFailed => invalid("uri"),
            NodeError::InvalidQuantity => invalid("quantity"),
            NodeError::InvalidNodeAlias => invalid("node_alias"),
            NodeError::InvalidDateTime => invalid("expiry_secs"),
            NodeError::InvalidFeeRate => invalid("fee_rate_sat_per_vb"),
            NodeError::InvalidBlindedPaths => invalid("paths"),
            NodeError::AsyncPaymentServicesDisabled => invalid("async_payments_role"),

            NodeError::ConnectionFailed
            | NodeError::InvoiceCreationFailed
            | NodeError::InvoiceRequestCreationFailed
            | NodeError::OfferCreationFailed
            | NodeError::RefundCreationFailed
            | NodeError::PaymentSendingFailed
            | NodeError::InvalidCustomTlvs
            | NodeError::ProbeSendingFailed
            | NodeError::ChannelCreationFailed
            | NodeError::ChannelClosingFailed
            | NodeError::ChannelSplicingFailed
            | NodeError::ChannelConfigUpdateFailed
            | NodeError::DuplicatePayment
            | NodeError::InsufficientFunds
            | NodeError::UnsupportedCurrency
            | NodeError::LiquidityFeeTooHigh => Self::FailedPrecondition(cause(error).to_owned()),

            NodeError::AlreadyRunning
            | NodeError::NotRunning
            | NodeError::PersistenceFailed
            | NodeError::FeerateEstimationUpdateFailed
            | NodeError::FeerateEstimationUpdateTimeout
            | NodeError::WalletOperationFailed
            | NodeError::WalletOperationTimeout
            | NodeError::GossipUpdateFailed
            | NodeError::GossipUpdateTimeout
            | NodeError::LiquiditySourceUnavailable
            | NodeError::LiquidityRequestFailed
            | NodeError::OnchainTxCreationFailed
            | NodeError::OnchainTxSigningFailed
            | NodeError::TxSyncFailed
            | NodeError::TxSyncTimeout => Self::Internal(text()),
        }
    }
}

/// The name of a status code in the gRPC specification.
pub fn code_name(code: Code) -> &'static str {
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

/// Quotes a value in a message, truncated if it is long.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_CHARS).collect();
    let ellipsis = if short.len() < text.len() { "…" } else { "" };
    format!("{:?}", format!("{short}{ellipsis}"))
}

/// The likely cause of a library error, if the call itself does not know better. The library's own
/// texts say what failed, but not why.
fn cause(error: NodeError) -> &'static str {
    match error {
        NodeError::ConnectionFailed => "the peer does not answer; see ListPeers",
        NodeError::InvoiceCreationFailed => {
            "the invoice cannot be made as asked for: its amount or expiry is beyond what an invoice \
             can have"
        },
        NodeError::InvoiceRequestCreationFailed => {
            "the offer cannot be asked for an invoice: this node has no peer that passes messages on"
        },
        NodeError::OfferCreationFailed | NodeError::RefundCreationFailed => {
            "payers could not reach this node: it has no peer that passes messages on"
        },
        NodeError::PaymentSendingFailed => {
            "no route to the payee is known within the limits; ListChannels tells what can be sent"
        },
        NodeError::InvalidCustomTlvs => "the payment cannot carry these TLVs",
        NodeError::ProbeSendingFailed => "no route is known to probe",
        NodeError::ChannelCreationFailed => {
            "the channel cannot be opened: its amount does not cover reserve and fee, or the peer is \
             away"
        },
        NodeError::ChannelClosingFailed => {
            "the channel cannot be closed now: its peer is away, or it is being closed already"
        },
        NodeError::ChannelSplicingFailed => {
            "the channel cannot be spliced: the money does not cover amount and fee, another splice \
             is pending, or the peer cannot splice"
        },
        NodeError::ChannelConfigUpdateFailed => "the channel does not take these settings",
        NodeError::DuplicatePayment => {
            "the payment is under way or done; see GetPaymentDetails and ListPayments"
        },
        NodeError::InsufficientFunds => {
            "the wallet's spendable funds do not cover the amount, the fee and the reserve that is \
             kept for closing channels; see GetBalances"
        },
        NodeError::UnsupportedCurrency => "the amount is in another currency than bitcoin",
        NodeError::LiquidityFeeTooHigh => "the liquidity provider's fee is above the limit",
        _ => "the state of the node does not allow it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_inside_stays_inside() {
        let status = Status::from(Error::Internal("/data/keys_seed is gone".to_owned()));
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("keys_seed"));
    }

    #[test]
    fn long_values_are_cut() {
        assert!(quoted(&"é".repeat(1_000_000)).chars().count() < 100);
    }

    #[test]
    fn an_invalid_argument_names_its_field() {
        let status = Status::from(Error::invalid("payment_id", "has 3 hex digits; expected 64"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "payment_id: has 3 hex digits; expected 64");
    }

    #[test]
    fn no_sentence_of_the_library_is_handed_through() {
        for error in [
            NodeError::ConnectionFailed,
            NodeError::PaymentSendingFailed,
            NodeError::ChannelCreationFailed,
            NodeError::ChannelClosingFailed,
            NodeError::ChannelSplicingFailed,
            NodeError::DuplicatePayment,
            NodeError::InsufficientFunds,
        ] {
            let status = Status::from(Error::from(error));
            assert_ne!(status.message(), error.to_string());
            assert!(status.message().len() > 30, "{}", status.message());
        }
    }

    #[test]
    fn library_errors_have_the_status_of_the_contract() {
        for (error, code) in [
            (NodeError::InvalidInvoice, Code::InvalidArgument),
            (NodeError::DuplicatePayment, Code::FailedPrecondition),
            (NodeError::InsufficientFunds, Code::FailedPrecondition),
            (NodeError::PersistenceFailed, Code::Internal),
        ] {
            assert_eq!(Status::from(Error::from(error)).code(), code, "{error}");
        }
    }
}
