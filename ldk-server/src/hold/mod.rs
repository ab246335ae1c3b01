//! Held payments: they wait until the caller claims or fails them.

mod approval;
pub mod deadline;
mod held_payments;
mod state;

pub use approval::Approvals;
pub use held_payments::{HeldPayments, HoldError};
pub use state::{FailReason, Held, HoldState, LockedHold, Process};
