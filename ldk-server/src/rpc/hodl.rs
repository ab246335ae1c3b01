//! Invoices whose preimage only the caller knows: payments to them are held until the caller claims
//! them or fails them.

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus};
use ldk_server_grpc::api::{
    Bolt11ClaimForHashRequest, Bolt11ClaimForHashResponse, Bolt11FailForHashRequest,
    Bolt11FailForHashResponse, Bolt11ReceiveForHashRequest, Bolt11ReceiveForHashResponse,
};

use super::{App, bolt11, fields};
use crate::error::Error;
use crate::node::holding;
use crate::store::{Fate, Held, Run, Why, making_invoice};

pub(super) fn receive(
    app: &App,
    request: Bolt11ReceiveForHashRequest,
) -> Result<Bolt11ReceiveForHashResponse, Error> {
    let Bolt11ReceiveForHashRequest { amount_msat, description, expiry_secs, payment_hash } =
        request;
    let bolt11::Terms { amount_msat, description, expiry_secs } =
        bolt11::parse_terms(amount_msat, description, expiry_secs)?;
    let hash = PaymentHash(fields::hex("payment_hash", &payment_hash)?);

    // Of two invoices for one hash, made at once, one must be refused.
    let _alone = app.holds.lock();
    // The library would forget the payment that has this hash, and minds none that was put away.
    if app.store.payment(PaymentId(hash.0)).map_err(Error::internal)?.is_some() {
        return Err(Error::FailedPrecondition(format!(
            "payment_hash {hash} is that of a payment of this node already; use each hash once"
        )));
    }
    let bolt11 = app.node.bolt11_payment();
    let invoice = making_invoice(expiry_secs, || match amount_msat {
        Some(amount) => bolt11.receive_for_hash(amount, &description, expiry_secs, hash),
        None => bolt11.receive_variable_amount_for_hash(&description, expiry_secs, hash),
    })
    .map_err(Error::internal)??;
    Ok(Bolt11ReceiveForHashResponse { invoice: invoice.to_string() })
}

pub(super) fn claim(
    app: &App,
    request: Bolt11ClaimForHashRequest,
) -> Result<Bolt11ClaimForHashResponse, Error> {
    let Bolt11ClaimForHashRequest { payment_hash, claimable_amount_msat, preimage } = request;
    let (hash, preimage) = parse_preimage(payment_hash.as_deref(), &preimage)?;

    let mut holds = app.holds.lock();
    let payment = known(app, &hash)?;
    let height = app.node.status().current_best_block.height;
    let (held, fate) = may_claim(&payment, holds.get(&hash), height)?;
    if let Some(amount) = claimable_amount_msat {
        check_amount(&payment, &held, amount)?;
    }
    let deadline = held.claim_deadline;
    // Written down first, so that a crash does not leave it to be failed while it is being claimed.
    holds.put(held.clone(), Fate::Claimed(Run::This)).map_err(unwritable)?;
    let bolt11 = app.node.bolt11_payment();
    if let Err(error) = bolt11.claim_for_hash(hash, held.claimable_amount_msat, preimage) {
        holds.put(held, fate).map_err(unwritable)?;
        return Err(error.into());
    }
    // The library sends payments back when it takes notice of the block of their deadline, and does
    // not say whether it had done so before.
    let height = app.node.status().current_best_block.height;
    if deadline.is_some_and(|deadline| deadline <= height) {
        return Err(Error::Unavailable(format!(
            "the deadline of payment {hash} passed as it was being claimed: whether it was in time \
             is not known yet, and will be seen from the payment's status"
        )));
    }
    Ok(Bolt11ClaimForHashResponse {})
}

pub(super) fn fail(
    app: &App,
    Bolt11FailForHashRequest { payment_hash }: Bolt11FailForHashRequest,
) -> Result<Bolt11FailForHashResponse, Error> {
    let hash = PaymentHash(fields::hex("payment_hash", &payment_hash)?);
    let mut holds = app.holds.lock();
    let held = may_fail(&known(app, &hash)?, holds.get(&hash))?;
    let failed = match held {
        Some(held) => holding::fail_back(app, &mut holds, held, Why::Requested),
        None => holding::tell_library(app, &hash),
    };
    failed.map_err(Error::Internal)?;
    Ok(Bolt11FailForHashResponse {})
}

/// Never quotes the preimage.
fn parse_preimage(
    payment_hash: Option<&str>,
    preimage: &str,
) -> Result<(PaymentHash, PaymentPreimage), Error> {
    let bytes = fields::secret::<32>("preimage", preimage)?;
    let hash = sha256::Hash::hash(&bytes).to_byte_array();
    if let Some(text) = payment_hash
        && fields::hex("payment_hash", text)? != hash
    {
        return Err(Error::invalid("preimage", format!("does not belong to payment_hash {text}")));
    }
    Ok((PaymentHash(hash), PaymentPreimage(bytes)))
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
    held: Option<(Held, Fate)>,
    height: u32,
) -> Result<(Held, Fate), Error> {
    must_be_the_callers(payment, "claimed")?;
    match payment.status {
        PaymentStatus::Pending => {},
        PaymentStatus::Succeeded => return refused("the payment has been claimed already"),
        PaymentStatus::Failed => {
            return refused("the payment has failed, and is with its payer again");
        },
    }
    let (held, fate) = match held {
        None => return refused("the payment has not arrived yet; PaymentClaimable tells when"),
        Some((_, Fate::Claimed(Run::This))) => {
            return refused("the payment is being claimed already");
        },
        Some((_, Fate::Failing(_) | Fate::Failed)) => {
            return refused("the payment is being sent back");
        },
        // The library takes a second claim for none.
        Some((held, fate @ (Fate::Open | Fate::Claimed(Run::Earlier)))) => (held, fate),
    };
    match held.claim_deadline {
        Some(deadline) if deadline <= height => Err(Error::FailedPrecondition(format!(
            "the deadline of the payment has passed: it was block {deadline}, and this is {height}"
        ))),
        Some(_) | None => Ok((held, fate)),
    }
}

/// What the caller takes to have arrived must be enough for the invoice, and must have arrived.
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

/// The payment to send back; `None` if it has not arrived yet, so that its invoice is cancelled.
fn may_fail(payment: &PaymentDetails, held: Option<(Held, Fate)>) -> Result<Option<Held>, Error> {
    must_be_the_callers(payment, "failed")?;
    match payment.status {
        PaymentStatus::Pending => {},
        PaymentStatus::Succeeded => return refused("the payment has been claimed"),
        PaymentStatus::Failed => return refused("the payment has failed already"),
    }
    match held {
        None => Ok(None),
        Some((held, Fate::Open)) => Ok(Some(held)),
        Some((_, Fate::Claimed(_))) => refused("the payment is being claimed"),
        Some((_, Fate::Failing(_) | Fate::Failed)) => {
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

fn unwritable(error: ldk_node::lightning::io::Error) -> Error {
    Error::Internal(format!("cannot write down that a payment is claimed: {error}"))
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
        Held { payment_hash: HASH, claimable_amount_msat, claim_deadline: Some(DEADLINE) }
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
        let claim = may_claim(&pending(), Some((held(1_000), Fate::Open)), DEADLINE - 1);
        assert_eq!(claim.unwrap(), (held(1_000), Fate::Open));
        let fail = may_fail(&pending(), Some((held(1_000), Fate::Open)));
        assert_eq!(fail.unwrap(), Some(held(1_000)));
    }

    #[test]
    fn from_its_deadline_on_a_payment_cannot_be_claimed() {
        for height in [DEADLINE, DEADLINE + 1] {
            let claim = may_claim(&pending(), Some((held(1_000), Fate::Open)), height);
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
        let claimed = |run| Some((held(1_000), Fate::Claimed(run)));
        precondition(may_claim(&pending(), claimed(Run::This), 1), "being claimed");
        for run in [Run::This, Run::Earlier] {
            precondition(may_fail(&pending(), claimed(run)), "being claimed");
        }
        // One that a crash may have cut short is repeated.
        assert!(may_claim(&pending(), claimed(Run::Earlier), 1).is_ok());
    }

    #[test]
    fn a_payment_on_its_way_back_is_left_alone() {
        for fate in [Fate::Failing(Why::Requested), Fate::Failing(Why::Deadline), Fate::Failed] {
            precondition(may_claim(&pending(), Some((held(1_000), fate)), 1), "being sent back");
            precondition(may_fail(&pending(), Some((held(1_000), fate))), "being sent back");
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
            let open = || Some((held(1_000), Fate::Open));
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

    #[test]
    fn a_preimage_is_never_quoted() {
        let (good, bad) = ("0f".repeat(32), "0g".repeat(32));
        let hash = hex::encode([1; 32]);
        for (hash, preimage) in [(None, &bad), (None, &good[2..].to_owned()), (Some(&hash), &good)]
        {
            let error = parse_preimage(hash.map(String::as_str), preimage).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument { field: "preimage", .. }));
            assert!(!error.to_string().contains("0f0f0f"), "{error}");
            assert!(!error.to_string().contains("0g0g0g"), "{error}");
        }
        assert!(parse_preimage(None, &good).is_ok());
    }
}
