//! Why payments fail.

use ldk_node::lightning::events::PaymentFailureReason as LibraryReason;
use ldk_server_grpc::types::PaymentFailureReason as Reason;

/// The reason that the library gives.
pub fn reason(reason: Option<LibraryReason>) -> Reason {
    match reason {
        None => Reason::Unspecified,
        Some(LibraryReason::RecipientRejected) => Reason::RecipientRejected,
        Some(LibraryReason::UserAbandoned) => Reason::UserAbandoned,
        Some(LibraryReason::RetriesExhausted) => Reason::RetriesExhausted,
        Some(LibraryReason::PaymentExpired) => Reason::PaymentExpired,
        Some(LibraryReason::RouteNotFound) => Reason::RouteNotFound,
        Some(LibraryReason::UnexpectedError) => Reason::UnexpectedError,
        Some(LibraryReason::UnknownRequiredFeatures) => Reason::UnknownRequiredFeatures,
        Some(LibraryReason::InvoiceRequestExpired) => Reason::InvoiceRequestExpired,
        Some(LibraryReason::InvoiceRequestRejected) => Reason::InvoiceRequestRejected,
        Some(LibraryReason::BlindedPathCreationFailed) => Reason::BlindedPathCreationFailed,
    }
}

/// The reason for people to read.
pub fn text(reason: Option<Reason>) -> &'static str {
    match reason {
        None | Some(Reason::Unspecified) => "the reason is not known",
        Some(Reason::RecipientRejected) => {
            "the recipient refused it: it knows no such payment, or wants another amount"
        },
        Some(Reason::UserAbandoned) => "it was given up on request",
        Some(Reason::RetriesExhausted) => "all attempts failed on the way",
        Some(Reason::PaymentExpired) => "the invoice expired before an attempt succeeded",
        Some(Reason::RouteNotFound) => "no route was found, or no other one after failed attempts",
        Some(Reason::UnexpectedError) => "something went wrong in the library",
        Some(Reason::UnknownRequiredFeatures) => {
            "the invoice needs features that this node does not know"
        },
        Some(Reason::InvoiceRequestExpired) => "the maker of the offer sent no invoice in time",
        Some(Reason::InvoiceRequestRejected) => "the maker of the offer refused to make an invoice",
        Some(Reason::BlindedPathCreationFailed) => {
            "no path could be made by which the maker of the offer could answer"
        },
        Some(Reason::NotSent) => "the node ended before the payment had left it",
    }
}
