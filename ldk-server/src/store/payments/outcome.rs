//! Failures that are not to be believed.
//!
//! A node that is killed may have an older state of its channels than their monitors have. The
//! library then closes them at the next start, and gives up what waited to be sent in the older
//! state, though the newer one had sent it already. So once it says that it closes a channel for
//! that reason, a failure of any payment that is on its way is not taken for one: whether it arrived
//! is not known. That it succeeded is believed at any time.

use ldk_node::Event;
use ldk_node::lightning::events::ClosureReason;
use ldk_node::lightning::util::ser::Readable as _;

/// Whether the event that came into the library's queue last is that a channel is closed because its
/// state is outdated.
pub(in crate::store) fn reveals_outdated_state(queue: &[u8]) -> bool {
    let Some((length, mut events)) = queue.split_first_chunk() else { return false };
    let events = (0..u16::from_be_bytes(*length)).map_while(|_| Event::read(&mut events).ok());
    let Some(Event::ChannelClosed { reason, .. }) = events.last() else { return false };
    matches!(reason, Some(ClosureReason::OutdatedChannelManager))
}
