//! Invoices whose preimage only the caller knows: payments to them are held until the caller claims
//! them or fails them.

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus};
use ldk_server_grpc::types::InvoiceKind;

use super::labels::{Made, Noted, make_once};
use super::terms::Terms;
use crate::app::App;
use crate::error::Error;
use crate::hold::{FailReason, Held, HoldError, HoldState, Process};
use crate::store::making_invoice;

/// Creates an invoice for a payment hash that was never used, unless the same request has made one with
/// its label.
pub fn receive(app: &App, terms: &Terms, noted: Noted, hash: PaymentHash) -> Result<String, Error> {
    make_once(app, noted, || {
        Ok(Made::invoice(&make(app, terms, hash)?, InvoiceKind::Bolt11ForHash))
    })
}

/// Makes the invoice.
pub(super) fn make(app: &App, terms: &Terms, hash: PaymentHash) -> Result<Bolt11Invoice, Error> {
    let Terms { amount_msat, ref description, expiry_secs } = *terms;
    // Of two invoices for one hash, made at once, one must be refused.
    let _alone = app.held.lock(hash);
    // The library would forget the payment that has this hash, and minds none that was pruned.
    if app.store.payment(PaymentId(hash.0)).map_err(Error::internal)?.is_some() {
        return Err(Error::FailedPrecondition(format!(
            "payment_hash {hash} is that of a payment of this node already; use each hash once"
        )));
    }
    let bolt11 = app.node.bolt11_payment();
    let invoice = making_invoice(expiry_secs, || match amount_msat {
        Some(amount) => bolt11.receive_for_hash(amount, description, expiry_secs, hash),
        None => bolt11.receive_variable_amount_for_hash(description, expiry_secs, hash),
    })
    .map_err(Error::internal)??;
    Ok(invoice)
}

/// A preimage that nobody else knows.
pub(super) fn new_preimage() -> PaymentPreimage {
    PaymentPreimage(rand::random())
}

/// The hash of a preimage.
pub(super) fn hash_of(preimage: &PaymentPreimage) -> PaymentHash {
    PaymentHash(sha256::Hash::hash(&preimage.0).to_byte_array())
}

/// Claims a held payment. The amount, if given, is the one that the caller expects.
pub fn claim(
    app: &App,
    hash: PaymentHash,
    preimage: PaymentPreimage,
    claimable_amount_msat: Option<u64>,
) -> Result<(), Error> {
    let mut hold = app.held.lock(hash);
    let payment = known(app, &hash)?;
    if app.held.needs_approval(&hash).map_err(Error::internal)? {
        return refused(
            "the node claims this payment by itself, when the plugins have agreed that must be asked",
        );
    }
    let (held, state) = may_claim(&payment, hold.get(), app.held.height())?;
    if let Some(amount_msat) = claimable_amount_msat {
        check_amount(&payment, &held, amount_msat)?;
    }
    let deadline = held.claim_deadline;
    app.held.claim(&mut hold, (held, state), preimage).map_err(Error::internal)??;
    // The library sends payments back when it takes notice of the block of their deadline, and does
    // not say whether it had done so before.
    if deadline.is_some_and(|deadline| deadline <= app.held.height()) {
        return Err(Error::Unavailable(format!(
            "the deadline of payment {hash} passed as it was being claimed: whether it was in time \
             is not known yet, and will be seen from the payment's status"
        )));
    }
    Ok(())
}

/// Fails a held payment back, or cancels its invoice if it has not arrived yet.
pub fn fail(app: &App, hash: PaymentHash) -> Result<(), Error> {
    let mut hold = app.held.lock(hash);
    let failed: Result<(), HoldError> = match may_fail(&known(app, &hash)?, hold.get())? {
        Some(held) => app.held.fail_back(&mut hold, held, FailReason::Requested),
        None => app.held.tell_library(hash),
    };
    failed.map_err(Error::internal)
}

fn known(app: &App, hash: &PaymentHash) -> Result<PaymentDetails, Error> {
    let id = PaymentId(hash.0);
    if let Some(payment) = app.node.payment(&id) {
        return Ok(payment);
    }
    match app.store.payment(id).map_err(Error::internal)? {
        Some(_) => refused("the invoice has expired, and was put away"),
        None => Err(Error::invalid("payment_hash", format!("{hash} is unknown to this node"))),
    }
}

/// The payment to claim, and what was to become of it before.
fn may_claim(
    payment: &PaymentDetails,
    held: Option<(Held, HoldState)>,
    height: u32,
) -> Result<(Held, HoldState), Error> {
    must_be_the_callers(payment, "claimed")?;
    match payment.status {
        PaymentStatus::Pending => {},
        PaymentStatus::Succeeded => return refused("the payment has been claimed already"),
        PaymentStatus::Failed => {
            return refused("the payment has failed, and is with its payer again");
        },
    }
    let (held, state) = match held {
        None => return refused("the payment has not arrived yet; PaymentClaimable tells when"),
        Some((_, HoldState::Claiming(Process::This))) => {
            return refused("the payment is being claimed already");
        },
        Some((_, HoldState::FailingBack(_) | HoldState::FailedBack)) => {
            return refused("the payment is being sent back");
        },
        // The library takes a second claim for none.
        Some((held, state @ (HoldState::Claimable | HoldState::Claiming(Process::Earlier)))) => {
            (held, state)
        },
    };
    match held.claim_deadline {
        Some(deadline) if deadline <= height => Err(Error::FailedPrecondition(format!(
            "the deadline of the payment has passed: it was block {deadline}, and this is {height}"
        ))),
        Some(_) | None => Ok((held, state)),
    }
}

/// Checks the amount that the caller expects: at least that of the invoice, at most what has arrived.
fn check_amount(payment: &PaymentDetails, held: &Held, amount_msat: u64) -> Result<(), Error> {
    const FIELD: &str = "claimable_amount_msat";
    let skimmed_msat = match payment.kind {
        PaymentKind::Bolt11Jit { counterparty_skimmed_fee_msat, .. } => {
            counterparty_skimmed_fee_msat.unwrap_or(0)
        },
        _ => 0,
    };
    let least_msat = payment.amount_msat.unwrap_or(0).saturating_sub(skimmed_msat);
    if amount_msat < least_msat {
        let reason = format!("{amount_msat} is less than the {least_msat} the invoice asks for");
        return Err(Error::invalid(FIELD, reason));
    }
    let arrived_msat = held.claimable_amount_msat;
    // The contract's way to say "any".
    if amount_msat > arrived_msat && amount_msat != u64::MAX {
        let reason = format!("{amount_msat} is more than the {arrived_msat} that arrived");
        return Err(Error::invalid(FIELD, reason));
    }
    Ok(())
}

/// The payment to fail back; `None` if it has not arrived yet, so that its invoice is cancelled.
fn may_fail(
    payment: &PaymentDetails,
    held: Option<(Held, HoldState)>,
) -> Result<Option<Held>, Error> {
    must_be_the_callers(payment, "failed")?;
    match payment.status {
        PaymentStatus::Pending => {},
        PaymentStatus::Succeeded => return refused("the payment has been claimed"),
        PaymentStatus::Failed => return refused("the payment has failed already"),
    }
    match held {
        None => Ok(None),
        Some((held, HoldState::Claimable)) => Ok(Some(held)),
        Some((_, HoldState::Claiming(_))) => refused("the payment is being claimed"),
        Some((_, HoldState::FailingBack(_) | HoldState::FailedBack)) => {
            refused("the payment is being sent back already")
        },
    }
}

/// Only payments to invoices of Bolt11ReceiveForHash are.
fn must_be_the_callers(payment: &PaymentDetails, done: &str) -> Result<(), Error> {
    if payment.direction == PaymentDirection::Outbound {
        let reason = format!("the payment is outbound; only inbound ones can be {done}");
        return Err(Error::FailedPrecondition(reason));
    }
    match (&payment.kind, payment.status) {
        // The preimage of an invoice of the library's own is known from the beginning.
        (
            PaymentKind::Bolt11 { preimage, .. } | PaymentKind::Bolt11Jit { preimage, .. },
            PaymentStatus::Pending | PaymentStatus::Failed,
        ) if preimage.is_some() => Err(Error::FailedPrecondition(format!(
            "the node settles this payment by itself when it arrives; it cannot be {done}"
        ))),
        (PaymentKind::Bolt11 { .. } | PaymentKind::Bolt11Jit { .. }, _) => Ok(()),
        (
            PaymentKind::Onchain { .. }
            | PaymentKind::Bolt12Offer { .. }
            | PaymentKind::Bolt12Refund { .. }
            | PaymentKind::Spontaneous { .. },
            _,
        ) => Err(Error::FailedPrecondition(format!(
            "the payment is not one to a BOLT 11 invoice; it cannot be {done}"
        ))),
    }
}

fn refused<T>(reason: &str) -> Result<T, Error> {
    Err(Error::FailedPrecondition(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use ldk_node::payment::LSPFeeLimits;

    use super::*;

    const HASH: PaymentHash = PaymentHash([1; 32]);
    const DEADLINE: u32 = 500;

    fn payment(status: PaymentStatus, kind: PaymentKind) -> PaymentDetails {
        PaymentDetails {
            id: PaymentId(HASH.0),
            kind,
            amount_msat: Some(1_000),
            fee_paid_msat: None,
            direction: PaymentDirection::Inbound,
            status,
            latest_update_timestamp: 0,
        }
    }

    fn bolt11(preimage: Option<PaymentPreimage>) -> PaymentKind {
        PaymentKind::Bolt11 { hash: HASH, preimage, secret: None }
    }

    fn just_in_time(skimmed_msat: u64) -> PaymentKind {
        PaymentKind::Bolt11Jit {
            hash: HASH,
            preimage: None,
            secret: None,
            counterparty_skimmed_fee_msat: Some(skimmed_msat),
            lsp_fee_limits: LSPFeeLimits {
                max_total_opening_fee_msat: None,
                max_proportional_opening_fee_ppm_msat: None,
            },
        }
    }

    fn held(claimable_amount_msat: u64) -> Held {
        let (claim_deadline, custom_records) = (Some(DEADLINE), Vec::new());
        Held { payment_hash: HASH, claimable_amount_msat, claim_deadline, custom_records }
    }

    fn pending() -> PaymentDetails {
        payment(PaymentStatus::Pending, bolt11(None))
    }

    #[track_caller]
    fn precondition<T: std::fmt::Debug>(result: Result<T, Error>, words: &str) {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::FailedPrecondition(_)), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn what_waits_can_be_claimed_or_failed() {
        let claim = may_claim(&pending(), Some((held(1_000), HoldState::Claimable)), DEADLINE - 1);
        assert_eq!(claim.unwrap(), (held(1_000), HoldState::Claimable));
        let fail = may_fail(&pending(), Some((held(1_000), HoldState::Claimable)));
        assert_eq!(fail.unwrap(), Some(held(1_000)));
    }

    #[test]
    fn from_its_deadline_on_a_payment_cannot_be_claimed() {
        for height in [DEADLINE, DEADLINE + 1] {
            let claim = may_claim(&pending(), Some((held(1_000), HoldState::Claimable)), height);
            precondition(claim, "was block 500");
        }
    }

    #[test]
    fn an_invoice_that_is_not_paid_yet_can_be_failed_but_not_claimed() {
        precondition(may_claim(&pending(), None, 1), "not arrived");
        assert_eq!(may_fail(&pending(), None).unwrap(), None);
    }

    #[test]
    fn a_claim_under_way_excludes_all_others() {
        let claimed = |process| Some((held(1_000), HoldState::Claiming(process)));
        precondition(may_claim(&pending(), claimed(Process::This), 1), "being claimed");
        for process in [Process::This, Process::Earlier] {
            precondition(may_fail(&pending(), claimed(process)), "being claimed");
        }
        // One that a crash may have cut short is repeated.
        assert!(may_claim(&pending(), claimed(Process::Earlier), 1).is_ok());
    }

    #[test]
    fn a_payment_on_its_way_back_is_left_alone() {
        for state in [
            HoldState::FailingBack(FailReason::Requested),
            HoldState::FailingBack(FailReason::Deadline),
            HoldState::FailedBack,
        ] {
            precondition(may_claim(&pending(), Some((held(1_000), state)), 1), "being sent back");
            precondition(may_fail(&pending(), Some((held(1_000), state))), "being sent back");
        }
    }

    #[test]
    fn what_is_over_or_not_the_callers_is_left_alone() {
        let preimage = Some(PaymentPreimage([2; 32]));
        let outbound = PaymentDetails { direction: PaymentDirection::Outbound, ..pending() };
        let spontaneous = PaymentKind::Spontaneous { hash: HASH, preimage };
        for (payment, words) in [
            (outbound, "outbound"),
            (payment(PaymentStatus::Pending, spontaneous), "BOLT 11"),
            (payment(PaymentStatus::Pending, bolt11(preimage)), "by itself"),
            (payment(PaymentStatus::Succeeded, bolt11(preimage)), "has been claimed"),
            (payment(PaymentStatus::Failed, bolt11(None)), "has failed"),
        ] {
            let open = || Some((held(1_000), HoldState::Claimable));
            precondition(may_claim(&payment, open(), 1), words);
            precondition(may_fail(&payment, open()), words);
        }
    }

    #[test]
    fn the_amount_is_between_what_is_asked_for_and_what_arrived() {
        let check = |payment: &PaymentDetails, amount| check_amount(payment, &held(1_200), amount);
        for (amount_msat, words) in [(999, "less than the 1000"), (1_201, "more than the 1200")] {
            let error = check(&pending(), amount_msat).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument { field: "claimable_amount_msat", .. }));
            assert!(error.to_string().contains(words), "{error}");
        }
        for amount_msat in [1_000, 1_200, u64::MAX] {
            assert!(check(&pending(), amount_msat).is_ok(), "{amount_msat}");
        }
        let any_amount = PaymentDetails { amount_msat: None, ..pending() };
        assert!(check(&any_amount, 0).is_ok());
        assert!(check(&any_amount, 1_201).is_err());
        // What the provider kept back was never to arrive.
        let skimmed = payment(PaymentStatus::Pending, just_in_time(300));
        assert!(check(&skimmed, 700).is_ok());
        assert!(check(&skimmed, 699).is_err());
    }
}
