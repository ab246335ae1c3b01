//! The history of payments: a row for each that the library ever wrote, made and changed in the
//! transaction of that write. A payment that the library has forgotten stays in the history.

mod counts;
mod expiry;
mod list;
mod made;
mod metrics;

pub(super) use counts::Counts;
pub use counts::PaymentCounts;
pub use expiry::{NotWritten, making_invoice, making_wanted_invoice};
pub(super) use expiry::{expires_at, is_wanted};
pub use made::payment_id;
