//! Refuses old state. A node that publishes a revoked channel state loses the channel to the peer,
//! so the newest epoch of the state is recorded, and an older state is refused at a start and when
//! a backup is restored.

mod check;
mod record;
mod seen;

pub(crate) use check::{TooOld, check, record_periodically};
pub(crate) use record::RollbackRecord;
pub(crate) use seen::{SeenEpoch, newer, seen_by_mirror, seen_here, too_old};

/// The words by which an operator accepts a state that is too old.
pub(crate) const OLD_STATE_WORDS: &str = "I may lose the money in my channels";
