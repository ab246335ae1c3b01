//! Held payments: they arrive, and are claimed or failed back. A failed payment stays failed: a later
//! payment of its invoice is failed back at once.

use std::sync::Arc;

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use ldk_node::payment::PaymentStatus;
use ldk_node::{Node, NodeError};
use ldk_server_grpc::events::event_envelope::Event as Published;
use ldk_server_grpc::events::{PaymentFailedBack, PaymentFailedBackReason};
use tokio::task::JoinError;

use super::approval::Approvals;
use super::state::HoldStates;
use super::{FailReason, Held, HoldState, LockedHold, Process};
use crate::store::{NewEvent, Store, dedup_key};

/// The held payments, in the library and on disk.
pub struct HeldPayments {
    node: Arc<Node>,
    store: Arc<Store>,
    states: HoldStates,
    /// Those that others are asked about, if there is anybody to ask.
    pub(super) approvals: Option<Approvals>,
}

/// Why the outcome of a held payment is unknown.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Its state cannot be read or written.
    #[error("the state of a held payment cannot be read or written: {0}")]
    Store(#[from] io::Error),
    /// A thread has panicked.
    #[error(transparent)]
    Task(#[from] JoinError),
    /// The library does not fail it.
    #[error("cannot fail payment {payment_hash}: {source}")]
    Library {
        /// The hash of the payment.
        payment_hash: PaymentHash,
        /// What the library says.
        source: NodeError,
    },
}

impl HeldPayments {
    /// Those in this store, with the library in agreement: whatever ended the last run may have
    /// ended it half-way. Nobody may have called yet.
    pub fn open(
        node: Arc<Node>,
        store: Arc<Store>,
        approvals: Option<Approvals>,
    ) -> Result<Self, HoldError> {
        let states = HoldStates::open(Arc::clone(&store))?;
        let payments = Self { node, store, states, approvals };
        for payment_hash in payments.payment_hashes() {
            payments.resume(payments.lock(payment_hash))?;
        }
        Ok(payments)
    }

    /// Locks a payment hash, whether or not its payment is held. Blocks.
    pub fn lock(&self, payment_hash: PaymentHash) -> LockedHold<'_> {
        self.states.lock(payment_hash)
    }

    /// Whether this payment is held, at this moment.
    pub fn is_held(&self, payment_hash: &PaymentHash) -> bool {
        self.states.get(payment_hash).is_some()
    }

    /// The hashes of all held payments.
    pub fn payment_hashes(&self) -> Vec<PaymentHash> {
        self.states.payment_hashes()
    }

    /// The height of the chain, as far as the library knows it.
    pub fn height(&self) -> u32 {
        self.node.status().current_best_block.height
    }

    /// What the library takes the status of a payment for.
    pub(super) fn status(&self, payment_hash: &PaymentHash) -> Option<PaymentStatus> {
        self.node.payment(&PaymentId(payment_hash.0)).map(|payment| payment.status)
    }

    /// Records a payment that has arrived. Returns whether the caller has to decide on it; if not, it
    /// was decided before.
    pub fn arrived(&self, held: Held) -> Result<bool, HoldError> {
        let mut hold = self.lock(held.payment_hash);
        let known = hold.get().map(|(_, state)| state);
        match (self.status(&held.payment_hash), known) {
            (Some(PaymentStatus::Pending), None | Some(HoldState::Claimable)) => {
                self.store.invoice_is_held(held.payment_hash.0);
                hold.put(held.clone(), HoldState::Claimable)?;
                Ok(!self.decide(&mut hold, held)?)
            },
            (Some(PaymentStatus::Pending), Some(state @ HoldState::Claiming(_))) => {
                self.claim_with_own_preimage(&mut hold, (held, state))?;
                Ok(false)
            },
            // The library tells again of what it told before a crash.
            (Some(PaymentStatus::Pending), Some(HoldState::FailingBack(_)))
            | (Some(PaymentStatus::Succeeded), _) => Ok(false),
            // The library itself does not mind that the invoice was failed.
            (Some(PaymentStatus::Pending), Some(HoldState::FailedBack))
            | (Some(PaymentStatus::Failed) | None, _) => {
                let hash = held.payment_hash;
                tracing::info!(payment_hash = %hash, "payment failed back: its invoice was cancelled");
                hold.put(held, HoldState::FailedBack)?;
                self.tell_library(hash)?;
                Ok(false)
            },
        }
    }

    /// Forgets a payment that was claimed.
    pub fn claimed(&self, payment_hash: PaymentHash) -> Result<(), HoldError> {
        Ok(self.lock(payment_hash).remove()?)
    }

    /// Claims a payment that is in the state `before`, and is in it again if the library refuses.
    pub fn claim(
        &self,
        hold: &mut LockedHold<'_>,
        (held, before): (Held, HoldState),
        preimage: PaymentPreimage,
    ) -> Result<Result<(), NodeError>, HoldError> {
        // Written down first, so that a crash does not leave it to be failed while it is being
        // claimed.
        hold.put(held.clone(), HoldState::Claiming(Process::This))?;
        let (hash, amount_msat) = (held.payment_hash, held.claimable_amount_msat);
        let claimed = self.node.bolt11_payment().claim_for_hash(hash, amount_msat, preimage);
        if claimed.is_err() {
            hold.put(held, before)?;
        }
        Ok(claimed)
    }

    /// Claims a payment if the server has its preimage, or has others asked about it first; tells whether
    /// it is one of those.
    fn decide(&self, hold: &mut LockedHold<'_>, held: Held) -> Result<bool, HoldError> {
        let Some(approvals) = &self.approvals else {
            return self.claim_with_own_preimage(hold, (held, HoldState::Claimable));
        };
        let is_own = self.own_preimage(&held.payment_hash)?.is_some();
        if is_own {
            approvals.ask_about(held.payment_hash);
        }
        Ok(is_own)
    }

    /// The preimage with which the server claims a payment by itself.
    pub(super) fn own_preimage(&self, hash: &PaymentHash) -> io::Result<Option<PaymentPreimage>> {
        Ok(self.store.own_preimage(hash.0)?.map(PaymentPreimage))
    }

    /// The payment, if it is open what becomes of it.
    pub(super) fn open_payment(&self, hash: &PaymentHash) -> Option<Held> {
        let (held, state) = self.states.get(hash)?;
        (state == HoldState::Claimable).then_some(held)
    }

    /// Claims a payment whose preimage the caller has left with its invoice; tells whether there is one.
    /// The library takes a second claim for none, so one that a crash may have cut short is repeated.
    pub(super) fn claim_with_own_preimage(
        &self,
        hold: &mut LockedHold<'_>,
        claim: (Held, HoldState),
    ) -> Result<bool, HoldError> {
        let payment_hash = hold.payment_hash();
        let Some(preimage) = self.own_preimage(&payment_hash)? else { return Ok(false) };
        if let Err(source) = self.claim(hold, claim, preimage)? {
            tracing::error!(%payment_hash, error = %source, "a payment cannot be claimed");
        }
        Ok(true)
    }

    /// Sends a held payment back, and tells subscribers. An error means that it is not known whether
    /// it was sent back; it will be, at the next look at the deadlines or after the next start.
    pub fn fail_back(
        &self,
        hold: &mut LockedHold<'_>,
        held: Held,
        reason: FailReason,
    ) -> Result<(), HoldError> {
        hold.put(held.clone(), HoldState::FailingBack(reason))?;
        self.finish_failing(hold, held, reason)
    }

    /// Does what is left of [`Self::fail_back`].
    pub(super) fn finish_failing(
        &self,
        hold: &mut LockedHold<'_>,
        held: Held,
        reason: FailReason,
    ) -> Result<(), HoldError> {
        self.tell_library(held.payment_hash)?;
        tell_log(&held, reason);
        self.record_failed_back(&held, reason)?;
        Ok(hold.put(held, HoldState::FailedBack)?)
    }

    fn record_failed_back(&self, held: &Held, reason: FailReason) -> io::Result<()> {
        let payment = self.store.payment(PaymentId(held.payment_hash.0))?;
        let reason = match reason {
            FailReason::Requested => PaymentFailedBackReason::Requested,
            FailReason::Deadline => PaymentFailedBackReason::Deadline,
        };
        let claim_deadline = held.claim_deadline;
        let event = PaymentFailedBack { payment, reason: reason.into(), claim_deadline };
        let new = NewEvent {
            event: Published::PaymentFailedBack(event),
            // A payment that was sent back stays failed.
            dedup_key: Some(dedup_key("PaymentFailedBack", &held.payment_hash)),
            source_digest: None,
            forward: None,
        };
        self.store.record_event(new).map(drop)
    }

    /// Makes the state of a payment and the library agree.
    fn resume(&self, mut hold: LockedHold<'_>) -> Result<(), HoldError> {
        let hash = hold.payment_hash();
        let Some((held, state)) = hold.get() else { return Ok(()) };
        match (state, self.status(&hash)) {
            (_, Some(PaymentStatus::Succeeded) | None)
            | (HoldState::Claimable | HoldState::Claiming(_), Some(PaymentStatus::Failed)) => {
                hold.remove()?;
            },
            (HoldState::FailingBack(reason), Some(_)) => {
                self.finish_failing(&mut hold, held, reason)?;
            },
            // The library may have ended before it had written down what it was told.
            (HoldState::FailedBack, Some(_)) => self.tell_library(hash)?,
            (HoldState::Claimable | HoldState::Claiming(_), Some(PaymentStatus::Pending)) => {
                let amount_msat = held.claimable_amount_msat;
                self.store.invoice_is_held(hash.0);
                let is_decided = match state {
                    HoldState::Claimable => self.decide(&mut hold, held)?,
                    _ => self.claim_with_own_preimage(&mut hold, (held, state))?,
                };
                if is_decided {
                    return Ok(());
                }
                tracing::info!(payment_hash = %hash, amount_msat, "payment held");
            },
        }
        Ok(())
    }

    /// Has the library fail a payment, which does nothing to one it does not hold.
    pub fn tell_library(&self, payment_hash: PaymentHash) -> Result<(), HoldError> {
        match self.node.bolt11_payment().fail_for_hash(payment_hash) {
            // Not known any more, which is as good.
            Ok(()) | Err(NodeError::InvalidPaymentHash) => Ok(()),
            Err(source) => Err(HoldError::Library { payment_hash, source }),
        }
    }
}

fn tell_log(held: &Held, reason: FailReason) {
    let Held { payment_hash, claimable_amount_msat, claim_deadline, .. } = held;
    match reason {
        FailReason::Requested => tracing::info!(%payment_hash, "payment failed back on request"),
        FailReason::Deadline => tracing::warn!(
            %payment_hash, claimable_amount_msat, claim_deadline,
            "payment failed back: it was not claimed in time"
        ),
    }
}
