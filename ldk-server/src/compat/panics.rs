//! The panic texts of the library.

/// The text if a peer has proved that the state of a channel is too old.
const FALLEN_BEHIND: &str = "We have fallen behind";

/// Whether the library panics because the state of a channel is too old.
pub(crate) fn is_stale_state(reason: &str) -> bool {
    reason.contains(FALLEN_BEHIND)
}
