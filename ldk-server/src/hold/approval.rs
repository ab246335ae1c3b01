//! Payments that others are asked about before the server claims them.
//!
//! They stay held, on disk, until they are decided: whatever ends the process, they are asked about again.
//! What was approved is being claimed, and nobody is asked about it any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ldk_node::lightning::io;
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{FailReason, Held, HeldPayments, HoldError, HoldState};

/// The payments to ask about.
pub struct Approvals {
    /// There are at most as many as the library holds.
    arrived: UnboundedSender<PaymentHash>,
    unasked: Mutex<Option<UnboundedReceiver<PaymentHash>>>,
    /// Whether there is anybody to ask, as far as is known.
    is_wanted: AtomicBool,
}

impl Approvals {
    /// Asks about every payment that arrives from now on.
    pub fn new() -> Self {
        let (arrived, unasked) = unbounded_channel();
        let is_wanted = AtomicBool::new(true);
        Self { arrived, unasked: Mutex::new(Some(unasked)), is_wanted }
    }

    pub(super) fn ask_about(&self, payment_hash: PaymentHash) {
        // Nobody takes them any more when the server stops; they are asked about after the next start.
        let _ = self.arrived.send(payment_hash);
    }
}

impl Default for Approvals {
    fn default() -> Self {
        Self::new()
    }
}

impl HeldPayments {
    /// The payments to ask about, as they arrive, for the first who wants them.
    pub fn unapproved(&self) -> Option<UnboundedReceiver<PaymentHash>> {
        let unasked = &self.approvals.as_ref()?.unasked;
        unasked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether somebody is there who is asked: new invoices must be such that this is possible.
    pub fn set_approval_wanted(&self, is_wanted: bool) {
        if let Some(approvals) = &self.approvals {
            approvals.is_wanted.store(is_wanted, Ordering::Relaxed);
        }
    }

    /// Whether new invoices must be such that others can be asked about their payments.
    pub fn is_approval_wanted(&self) -> bool {
        self.approvals.as_ref().is_some_and(|approvals| approvals.is_wanted.load(Ordering::Relaxed))
    }

    /// Whether others decide on this payment.
    pub fn needs_approval(&self, payment_hash: &PaymentHash) -> io::Result<bool> {
        Ok(self.approvals.is_some() && self.own_preimage(payment_hash)?.is_some())
    }

    /// Whether it is open what becomes of this payment, at this moment.
    pub fn is_open(&self, payment_hash: &PaymentHash) -> bool {
        self.open_payment(payment_hash).is_some()
    }

    /// The payment and its preimage, if it is open what becomes of it. Reads the disk.
    pub fn undecided(
        &self,
        payment_hash: &PaymentHash,
    ) -> io::Result<Option<(Held, PaymentPreimage)>> {
        let Some(held) = self.open_payment(payment_hash) else { return Ok(None) };
        Ok(self.own_preimage(payment_hash)?.map(|preimage| (held, preimage)))
    }

    /// Claims a payment that everybody has agreed to, unless it was decided otherwise meanwhile. Tells
    /// whether it is being claimed.
    pub fn approve(&self, payment_hash: PaymentHash) -> Result<bool, HoldError> {
        let mut hold = self.lock(payment_hash);
        match hold.get() {
            // At its deadline it is on its way back.
            Some((held, HoldState::Claimable))
                if held.claim_deadline.is_none_or(|deadline| deadline > self.height()) =>
            {
                self.claim_with_own_preimage(&mut hold, (held, HoldState::Claimable))
            },
            _ => Ok(false),
        }
    }

    /// Sends a payment back that somebody has refused, unless it was decided otherwise meanwhile. Tells
    /// whether it was sent back.
    pub fn reject(&self, payment_hash: PaymentHash) -> Result<bool, HoldError> {
        let mut hold = self.lock(payment_hash);
        match hold.get() {
            Some((held, HoldState::Claimable)) => {
                self.fail_back(&mut hold, held, FailReason::Requested)?;
                Ok(true)
            },
            _ => Ok(false),
        }
    }
}
