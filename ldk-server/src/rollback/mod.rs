//! Old channel state loses money: whoever publishes a state that was revoked loses the channel to the
//! peer. So it is written down how far the state of the node has come, and what is older is refused, at
//! a start and when a backup is restored.

mod check;
mod known;
mod record;

pub(crate) use check::{TooOld, check, remember};
pub(crate) use known::{Known, known_by_mirror, known_here, newer, too_old};
pub(crate) use record::RollbackRecord;

/// What has to be typed by somebody who insists on a state that is too old.
pub(crate) const OLD_STATE_WORDS: &str = "I may lose the money in my channels";
