//! Sending money: existing payments, and what a failure means.

use ldk_node::NodeError;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::channelmanager::PaymentId;

use super::peers;
use crate::app::App;
use crate::caller::Caller;
use crate::crash_points::{self, CrashPoint};
use crate::error::Error;
use crate::executor::WorkError;
use crate::store::{IntentOutcome, PaymentDirection, PaymentStatus, Reserved};

/// Why sending money failed.
#[derive(Debug)]
pub enum SendError {
    /// Nothing was sent: the same may be paid by another method.
    NotSent(Error),
    /// It was sent before, is being sent, or the outcome is unknown: another method could pay twice.
    Unknown(Error),
}

impl SendError {
    /// Classifies an error of the library on paying. The library has one of two errors for most
    /// causes; `reason` describes the likely cause.
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

    /// Classifies an error of an on-chain send, a channel opening or a splice.
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

/// An error before anything was handed to the library.
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
///
/// If the call has a key, its answer is written with the record. `id` is that of the payment, if it is
/// known before.
pub fn hand_over(
    app: &App,
    caller: &Caller,
    id: Option<PaymentId>,
    reserved: Reserved<'_>,
    send: impl FnOnce() -> Result<PaymentId, NodeError>,
) -> Result<PaymentId, NodeError> {
    let send = || {
        let _pin = app.store.pin_send();
        crash_points::reached(CrashPoint::Intent);
        let sent = send();
        crash_points::reached(CrashPoint::Dispatched);
        match &sent {
            Ok(id) => reserved.is_for(*id),
            Err(error) if has_sent_nothing(error) => drop(reserved),
            Err(_) => reserved.stays(),
        }
        sent
    };
    let sent = app.store.dispatch(caller.intent(), id, send, has_sent_nothing);
    // Nothing was sent, and nothing more will be: the database cannot be written.
    sent.unwrap_or(Err(NodeError::PersistenceFailed))
}

/// Asks a peer for something of which the library has no record yet. If the call has a key, its answer is
/// on disk before anything that follows can be.
pub fn ask_peer<T>(
    app: &App,
    caller: &Caller,
    peer: PublicKey,
    ask: impl FnOnce() -> Result<T, NodeError>,
    outcome: impl FnOnce(&T) -> IntentOutcome,
) -> Result<T, NodeError> {
    let ask = || {
        // With a peer that is not there the library may wait, and nothing must be held back so long.
        let is_there = caller.intent().is_some() && peers::is_connected(app, peer);
        let _pin = is_there.then(|| app.store.pin_send());
        crash_points::reached(CrashPoint::Intent);
        let asked = ask()?;
        crash_points::reached(CrashPoint::Dispatched);
        let written = app.store.intent_came_to(caller.intent(), &outcome(&asked));
        written.map_err(|_| NodeError::PersistenceFailed)?;
        Ok(asked)
    };
    let asked = app.store.dispatch(caller.intent(), None, ask, has_asked_nothing);
    asked.unwrap_or(Err(NodeError::PersistenceFailed))
}

/// Hands a payment to the library whose id is known before. If an attempt before was over before the
/// library had written it down, the library takes it for pending, and the history knows better.
pub fn hand_over_again(
    app: &App,
    caller: &Caller,
    id: PaymentId,
    reserved: Reserved<'_>,
    send: impl Fn() -> Result<PaymentId, NodeError>,
) -> Result<PaymentId, NodeError> {
    hand_over(app, caller, Some(id), reserved, || match send() {
        Err(NodeError::DuplicatePayment) if has_failed(app, id) => {
            app.node.remove_payment(&id)?;
            send()
        },
        other => other,
    })
}

fn has_failed(app: &App, id: PaymentId) -> bool {
    // Managers are held back: what is being written cannot be waited for.
    let payment = app.store.durable_payment(id).ok().flatten();
    payment.is_some_and(|payment| payment.status() == PaymentStatus::Failed)
}

/// An existing payment, because of which another must not be made.
pub enum ExistingPayment {
    /// To this node.
    Own,
    /// From this node, pending.
    Pending,
    /// From this node, succeeded.
    Succeeded,
}

impl ExistingPayment {
    /// Finds the payment with this id, unless it failed and so may be tried again.
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

    /// The error, with this text.
    pub fn refused(words: impl Into<String>) -> SendError {
        SendError::Unknown(Error::FailedPrecondition(words.into()))
    }
}

/// Whether the library has certainly sent nothing if it answers with this.
fn has_sent_nothing(error: &NodeError) -> bool {
    matches!(error, NodeError::DuplicatePayment)
        || matches!(SendError::of_library(*error, ""), SendError::NotSent(_))
}

/// Whether the library has certainly asked the peer for nothing if it answers with this.
fn has_asked_nothing(error: &NodeError) -> bool {
    !matches!(error, NodeError::PersistenceFailed)
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
