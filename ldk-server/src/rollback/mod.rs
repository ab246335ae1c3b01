//! Old channel state loses money: whoever publishes a state that was revoked loses the channel to the
//! peer. So it is written down how far the state of the node has come, and what is older is refused, at
//! a start and when a backup is restored.

mod check;
mod record;
mod seen;

pub(crate) use check::{TooOld, check, record_periodically};
pub(crate) use record::RollbackRecord;
pub(crate) use seen::{SeenEpoch, newer, seen_by_mirror, seen_here, too_old};

/// What has to be typed by somebody who insists on a state that is too old.
pub(crate) const OLD_STATE_WORDS: &str = "I may lose the money in my channels";
