//! Fails unclaimed payments back before their deadline. At the deadline the library would do so
//! itself, but without an event, and the payment would still look as if it were held.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::payment::PaymentStatus;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{FailReason, Held, HeldPayments, HoldError, HoldState, LockedHold};
use crate::compat::blocks::{DEADLINE_TO_TIMEOUT, MIN_BLOCKS_BEFORE_DEADLINE};

/// How often the height is compared with the deadlines.
const INTERVAL: Duration = Duration::from_secs(1);
/// Long enough after a start for the library to tell of every claim that was under way before.
const CLAIMS_ARE_KNOWN_AFTER: Duration = Duration::from_secs(600);

/// Watches the deadlines until `stop` is cancelled, and sends payments back so many blocks before
/// theirs; 0 means at the deadline. Returns an error if that cannot be written down.
pub async fn run(
    payments: Arc<HeldPayments>,
    blocks_before: u32,
    stop: CancellationToken,
) -> Result<(), HoldError> {
    if blocks_before >= MIN_BLOCKS_BEFORE_DEADLINE {
        tracing::warn!(
            blocks_before,
            min_blocks = MIN_BLOCKS_BEFORE_DEADLINE,
            "hodl.fail_before_deadline_blocks is so high that a payment may be failed back as soon \
             as it arrives"
        );
    }
    let started = Instant::now();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {},
        }
        let payments = Arc::clone(&payments);
        let claims_are_known = started.elapsed() >= CLAIMS_ARE_KNOWN_AFTER;
        // The library takes its locks, and both of us write to disk.
        let look = move || look(&payments, blocks_before, claims_are_known);
        tokio::task::spawn_blocking(look).await??;
    }
}

fn look(
    payments: &HeldPayments,
    blocks_before: u32,
    claims_are_known: bool,
) -> Result<(), HoldError> {
    let hashes = payments.payment_hashes();
    if hashes.is_empty() {
        return Ok(());
    }
    let height = payments.height();
    for hash in hashes {
        let mut hold = payments.lock(hash);
        if let Some((held, state)) = hold.get() {
            let duty = duty(&held, state, height, blocks_before, claims_are_known);
            do_duty(payments, &mut hold, held, duty)?;
        }
    }
    Ok(())
}

fn do_duty(
    payments: &HeldPayments,
    hold: &mut LockedHold<'_>,
    held: Held,
    duty: Duty,
) -> Result<(), HoldError> {
    match duty {
        Duty::None => Ok(()),
        Duty::FailBack if payments.status(&held.payment_hash) == Some(PaymentStatus::Succeeded) => {
            Ok(())
        },
        Duty::FailBack => payments.fail_back(hold, held, FailReason::Deadline),
        Duty::Finish(reason) => payments.finish_failing(hold, held, reason),
        Duty::Forget => Ok(hold.remove()?),
    }
}

/// The next step for a payment.
#[derive(Debug, PartialEq)]
enum Duty {
    None,
    FailBack,
    /// What was begun and not finished.
    Finish(FailReason),
    Forget,
}

fn duty(
    held: &Held,
    state: HoldState,
    height: u32,
    blocks_before: u32,
    claims_are_known: bool,
) -> Duty {
    let at = |blocks: u32| held.claim_deadline.is_some_and(|deadline| deadline <= blocks);
    match state {
        HoldState::Claimable if at(height.saturating_add(blocks_before)) => Duty::FailBack,
        // The library tells of a claim in a moment. Of one that came as the payment was already on
        // its way back, or that a crash cut short, it never does.
        HoldState::Claiming(_)
            if claims_are_known && at(height.saturating_sub(DEADLINE_TO_TIMEOUT)) =>
        {
            Duty::FailBack
        },
        HoldState::FailingBack(reason) => Duty::Finish(reason),
        HoldState::FailedBack if at(height) || held.claim_deadline.is_none() => Duty::Forget,
        HoldState::Claimable | HoldState::Claiming(_) | HoldState::FailedBack => Duty::None,
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning_types::payment::PaymentHash;

    use super::*;
    use crate::hold::Process;

    const DEADLINE: u32 = 500;

    fn held(claim_deadline: Option<u32>) -> Held {
        let payment_hash = PaymentHash([1; 32]);
        let custom_records = Vec::new();
        Held { payment_hash, claimable_amount_msat: 1, claim_deadline, custom_records }
    }

    fn at(height: u32, state: HoldState, blocks_before: u32) -> Duty {
        duty(&held(Some(DEADLINE)), state, height, blocks_before, true)
    }

    #[test]
    fn an_open_payment_is_sent_back_so_many_blocks_before_its_deadline() {
        assert_eq!(at(DEADLINE - 2, HoldState::Claimable, 1), Duty::None);
        assert_eq!(at(DEADLINE - 1, HoldState::Claimable, 1), Duty::FailBack);
        assert_eq!(at(DEADLINE - 7, HoldState::Claimable, 6), Duty::None);
        assert_eq!(at(DEADLINE - 6, HoldState::Claimable, 6), Duty::FailBack);
        assert_eq!(at(DEADLINE + 1000, HoldState::Claimable, 6), Duty::FailBack);
    }

    #[test]
    fn without_a_margin_it_is_held_to_the_deadline() {
        assert_eq!(at(DEADLINE - 1, HoldState::Claimable, 0), Duty::None);
        assert_eq!(at(DEADLINE, HoldState::Claimable, 0), Duty::FailBack);
    }

    #[test]
    fn without_a_deadline_it_is_held() {
        assert_eq!(duty(&held(None), HoldState::Claimable, u32::MAX, 144, true), Duty::None);
        assert_eq!(duty(&held(None), HoldState::FailedBack, 1, 1, true), Duty::Forget);
    }

    #[test]
    fn a_claim_is_given_up_only_when_nothing_can_come_of_it() {
        for process in [Process::This, Process::Earlier] {
            let claimed = HoldState::Claiming(process);
            assert_eq!(at(DEADLINE, claimed, 144), Duty::None);
            assert_eq!(at(DEADLINE + 38, claimed, 144), Duty::None);
            assert_eq!(at(DEADLINE + 39, claimed, 1), Duty::FailBack);
            assert_eq!(duty(&held(Some(DEADLINE)), claimed, u32::MAX, 1, false), Duty::None);
        }
    }

    #[test]
    fn what_was_begun_is_finished_and_then_forgotten() {
        for reason in [FailReason::Requested, FailReason::Deadline] {
            assert_eq!(at(1, HoldState::FailingBack(reason), 1), Duty::Finish(reason));
        }
        assert_eq!(at(DEADLINE - 1, HoldState::FailedBack, 1), Duty::None);
        assert_eq!(at(DEADLINE, HoldState::FailedBack, 1), Duty::Forget);
    }
}
