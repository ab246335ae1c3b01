//! What was drawn on budgets.

use ldk_node::lightning::ln::channelmanager::PaymentId;

/// What a budget is known by: all that draw on it have the same.
pub type BudgetId = [u8; 32];

/// A budget, and what is left of it when nothing was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLimit {
    /// Which budget it is.
    pub budget: BudgetId,
    /// The most that may be drawn in the window.
    pub amount_msat: u64,
    /// How long what was drawn counts, in seconds; for ever if it is `None`.
    pub window_secs: Option<u64>,
}

/// An amount that is reserved on a budget for a payment, or was spent on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Reservation {
    /// Those of one payment have the same number, one for each budget.
    pub(in crate::store) number: u64,
    pub(in crate::store) budget: BudgetId,
    /// When it was reserved, in Unix seconds.
    pub(in crate::store) created_at: u64,
    /// Until when it counts, in Unix seconds.
    pub(in crate::store) counts_until: Option<u64>,
    pub(in crate::store) amount_msat: u64,
}

/// What reservations are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Purpose {
    /// Not known yet: the library has not said what it calls the payment. Nothing has left the node
    /// unless it does.
    Unknown,
    /// This payment, whose outcome decides what it costs.
    Payment(PaymentId),
    /// Spent, whatever comes.
    Spent,
}

/// What became of the reservations with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Settlement {
    pub(in crate::store) number: u64,
    /// What was spent; nothing if the payment failed.
    pub(in crate::store) amount_msat: u64,
}
