//! What the library says before it panics.

/// That a peer has proved that the state of a channel here is too old.
const FALLEN_BEHIND: &str = "We have fallen behind";

/// Whether it is because the state of a channel is too old.
pub(crate) fn is_stale_state(reason: &str) -> bool {
    reason.contains(FALLEN_BEHIND)
}
