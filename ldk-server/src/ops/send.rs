//! Sending money: what was sent before, and what a failure says about it.

use ldk_node::NodeError;
use ldk_node::lightning::ln::channelmanager::PaymentId;

use super::budgets;
use crate::app::App;
use crate::error::Error;
use crate::executor::WorkError;
use crate::store::Reserved;
use crate::store::{PaymentDirection, PaymentStatus};

/// Why money was not sent, as far as that is known.
#[derive(Debug)]
pub enum SendError {
    /// Nothing was sent: the same may be paid in another way.
    NotSent(Error),
    /// It was sent before, is being sent, or that cannot be told: paying in another way could pay twice.
    Unknown(Error),
}

impl SendError {
    /// What the library's refusal to pay means. It answers most of what goes wrong with one of two
    /// errors, which `reason` puts into words.
    pub fn of_library(error: NodeError, reason: &str) -> Self {
        match error {
            NodeError::PaymentSendingFailed | NodeError::InvoiceRequestCreationFailed => {
                Self::NotSent(Error::FailedPrecondition(reason.to_owned()))
            },
            NodeError::InvalidAmount
            | NodeError::InvalidCustomTlvs
            | NodeError::InvalidInvoice
            | NodeError::InvalidOffer
            | NodeError::InvalidQuantity
            | NodeError::UnsupportedCurrency => Self::NotSent(error.into()),
            other => Self::Unknown(other.into()),
        }
    }

    /// What an error means of a call that spends from the wallet, or from a channel to the chain.
    pub fn of_spend(error: Error) -> Self {
        match error {
            Error::InvalidArgument { .. }
            | Error::FailedPrecondition(_)
            | Error::PermissionDenied(_) => Self::NotSent(error),
            other => Self::Unknown(other),
        }
    }
}

impl WorkError for SendError {
    fn error(&self) -> &Error {
        match self {
            Self::NotSent(error) | Self::Unknown(error) => error,
        }
    }

    fn without_result(reason: Error) -> Self {
        Self::Unknown(reason)
    }
}

/// What is found wrong before the library is asked for anything.
impl From<Error> for SendError {
    fn from(error: Error) -> Self {
        Self::NotSent(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotSent(error) | SendError::Unknown(error) => error,
        }
    }
}

/// Hands a payment to the library. Its record, what is reserved for it, and the state of the channels that
/// knows of it are written together.
pub fn hand_over(
    app: &App,
    reserved: Reserved<'_>,
    send: impl FnOnce() -> Result<PaymentId, NodeError>,
) -> Result<PaymentId, NodeError> {
    let _pin = app.store.pin_send();
    let sent = send();
    match &sent {
        Ok(id) => reserved.is_for(*id),
        Err(error) if budgets::has_sent_nothing(error) => drop(reserved),
        Err(_) => reserved.stays(),
    }
    sent
}

/// Hands a payment to the library whose id is known before. If an attempt before was over before the
/// library had written it down, the library takes it for pending, and the history knows better.
pub fn hand_over_again(
    app: &App,
    id: PaymentId,
    reserved: Reserved<'_>,
    send: impl Fn() -> Result<PaymentId, NodeError>,
) -> Result<PaymentId, NodeError> {
    hand_over(app, reserved, || match send() {
        Err(NodeError::DuplicatePayment) if has_failed(app, id) => {
            app.node.remove_payment(&id)?;
            send()
        },
        other => other,
    })
}

fn has_failed(app: &App, id: PaymentId) -> bool {
    let payment = app.store.payment(id).ok().flatten();
    payment.is_some_and(|payment| payment.status() == PaymentStatus::Failed)
}

/// A payment that is there already, and may not be made once more.
pub enum ExistingPayment {
    /// To this node.
    Own,
    /// From this node, under way.
    Pending,
    /// From this node, done.
    Succeeded,
}

impl ExistingPayment {
    /// Looks for the payment with this id. One that failed may be tried again.
    ///
    /// The history knows better than the library which failures are to be believed.
    pub fn find(app: &App, id: PaymentId) -> Result<Option<Self>, Error> {
        let payment = app.store.payment(id).map_err(Error::internal)?;
        Ok(payment.and_then(|payment| match (payment.direction(), payment.status()) {
            (PaymentDirection::Inbound, _) => Some(Self::Own),
            (PaymentDirection::Outbound, PaymentStatus::Pending) => Some(Self::Pending),
            (PaymentDirection::Outbound, PaymentStatus::Succeeded) => Some(Self::Succeeded),
            (PaymentDirection::Outbound, PaymentStatus::Failed) => None,
        }))
    }

    /// The refusal, in the words for this case.
    pub fn refused(words: impl Into<String>) -> SendError {
        SendError::Unknown(Error::FailedPrecondition(words.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sent_nothing_leaves_other_ways_open() {
        for error in [
            NodeError::PaymentSendingFailed,
            NodeError::InvoiceRequestCreationFailed,
            NodeError::UnsupportedCurrency,
        ] {
            assert!(
                matches!(SendError::of_library(error, "no route"), SendError::NotSent(_)),
                "{error}"
            );
        }
        for error in [
            NodeError::DuplicatePayment,
            NodeError::PersistenceFailed,
            NodeError::NotRunning,
            NodeError::InvalidPaymentId,
        ] {
            assert!(
                matches!(SendError::of_library(error, "no route"), SendError::Unknown(_)),
                "{error}"
            );
        }
    }

    #[test]
    fn the_reason_is_told() {
        let error = Error::from(SendError::of_library(
            NodeError::PaymentSendingFailed,
            "no route is known",
        ));
        assert_eq!(error.to_string(), "no route is known");
    }
}
