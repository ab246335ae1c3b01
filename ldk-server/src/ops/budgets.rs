//! What callers draw on their budgets: reserved before anything is sent, for the most that it may cost.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::routing::router::RouteParametersConfig;
use sha2::{Digest as _, Sha256};

use super::send::SendError;
use crate::access::DemandedBudget;
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::store::{BudgetLimit, NotReserved, Reserved};

/// What the library allows for the fee of a payment where the caller sets no limit: 1 % and 50 sat.
const DEFAULT_FEE_DIVISOR: u64 = 100;
const DEFAULT_FEE_MSAT: u64 = 50_000;

/// So many virtual bytes may an on-chain payment have whose fee is not known before it is made: about 140
/// inputs.
const TRANSACTION_VBYTES: u64 = 10_000;

const MSAT_PER_SAT: u64 = 1_000;

/// The most that a Lightning payment may cost, in millisatoshis.
pub fn lightning_cost_msat(amount_msat: u64, limits: &RouteParametersConfig) -> u64 {
    let default = || (amount_msat / DEFAULT_FEE_DIVISOR).saturating_add(DEFAULT_FEE_MSAT);
    amount_msat.saturating_add(limits.max_total_routing_fee_msat.unwrap_or_else(default))
}

/// Reserves what a payment may cost on all budgets of the caller, or says which has too little left.
pub fn reserve<'a>(
    app: &'a App,
    caller: &Caller,
    cost_msat: u64,
    payment: Option<PaymentId>,
) -> Result<Reserved<'a>, SendError> {
    let demanded = caller.budgets();
    let limits: Vec<_> = demanded.iter().map(limit_of).collect();
    app.store.reserve(&limits, cost_msat, payment).map_err(|NotReserved { index, left_msat }| {
        let budget = demanded.get(index).map(|demanded| demanded.budget.to_string());
        SendError::NotSent(Error::PermissionDenied(format!(
            "{}: budget={}: {left_msat} msat are left, and this may cost {cost_msat} msat with its \
             fee",
            caller.identity(),
            budget.unwrap_or_default()
        )))
    })
}

/// What a spend from the on-chain wallet, or from a channel to the chain, draws on the budgets of its caller.
pub struct OnChainDraw<'a> {
    app: &'a App,
    caller: &'a Caller,
    reserved: Option<Reserved<'a>>,
}

impl<'a> OnChainDraw<'a> {
    /// Nothing is reserved yet.
    pub fn new(app: &'a App, caller: &'a Caller) -> Self {
        Self { app, caller, reserved: None }
    }

    /// Reserves what may be spent, in satoshis, right before the library is asked: as spent, since it cannot
    /// be told after a crash whether it was.
    pub fn begin(&mut self, cost_sats: impl FnOnce() -> u64) -> Result<(), Error> {
        if self.caller.budgets().is_empty() {
            return Ok(());
        }
        let cost_msat = cost_sats().saturating_mul(MSAT_PER_SAT);
        self.reserved = Some(reserve(self.app, self.caller, cost_msat, None)?.as_spent());
        Ok(())
    }

    /// Gives back what was certainly not spent. The outcome of the payment, if it is one in the history,
    /// corrects what was.
    pub fn end<T>(
        self,
        spent: Result<T, Error>,
        payment: impl FnOnce(&T) -> Option<PaymentId>,
    ) -> Result<T, SendError> {
        let spent = spent.map_err(SendError::of_spend);
        let Some(reserved) = self.reserved else { return spent };
        match &spent {
            Ok(spent) => match payment(spent) {
                Some(id) => reserved.is_for(id),
                None => reserved.stays(),
            },
            Err(SendError::NotSent(_)) => drop(reserved),
            Err(SendError::Unknown(_)) => reserved.stays(),
        }
        spent
    }
}

/// What an on-chain payment may cost, in satoshis: never more than the wallet has.
pub fn transaction_cost_sats(app: &App, amount_sats: Option<u64>, sat_per_kwu: Option<u64>) -> u64 {
    let spendable_sats = app.node.list_balances().spendable_onchain_balance_sats;
    let Some(amount_sats) = amount_sats else { return spendable_sats };
    let fee_sats = match sat_per_kwu {
        Some(rate) => rate.saturating_mul(TRANSACTION_VBYTES * 4).div_ceil(1_000),
        None => app.spending.fee_allowance_sats(TRANSACTION_VBYTES),
    };
    amount_sats.saturating_add(fee_sats).min(spendable_sats.max(amount_sats))
}

fn limit_of(demanded: &DemandedBudget) -> BudgetLimit {
    let DemandedBudget { scope, budget } = demanded;
    BudgetLimit {
        // The text of a scope can be long, and is shown to nobody.
        budget: Sha256::digest(scope.as_bytes()).into(),
        amount_msat: budget.amount_msat,
        window_secs: budget.window.duration().map(|window| window.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_may_cost_its_amount_and_the_limit_of_its_fee() {
        let limits = |max_total_routing_fee_msat| RouteParametersConfig {
            max_total_routing_fee_msat,
            ..RouteParametersConfig::default()
        };
        assert_eq!(lightning_cost_msat(1_000_000, &limits(Some(7))), 1_000_007);
        assert_eq!(lightning_cost_msat(1_000_000, &limits(None)), 1_060_000);
        assert_eq!(lightning_cost_msat(u64::MAX, &limits(None)), u64::MAX);
    }
}
