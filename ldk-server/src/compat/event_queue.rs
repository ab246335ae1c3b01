//! The library's queue of events, as it is written: the number of the events, and each of them.
//!
//! A node that is killed may have an older state of its channels than their monitors have. The
//! library then closes them at the next start, and gives up what waited to be sent in the older
//! state, though the newer one had sent it already. So once it says that it closes a channel for
//! that reason, a failure of any payment that is on its way is not taken for one: whether it arrived
//! is not known. That it succeeded is believed at any time.

use ldk_node::Event;
use ldk_node::lightning::events::ClosureReason;
use ldk_node::lightning::util::ser::Readable as _;

/// Where it is: namespaces and key.
pub(crate) const STORE_KEY: (&str, &str, &str) = ("", "", "events");

/// How many events are in it; none in what is too short to be one.
pub(crate) fn length(queue: &[u8]) -> u16 {
    queue.first_chunk().map_or(0, |length| u16::from_be_bytes(*length))
}

/// Whether the event that came into it last is that a channel is closed because its state is outdated.
pub(crate) fn ends_with_outdated_state(queue: &[u8]) -> bool {
    let Some((_, mut events)) = queue.split_first_chunk::<2>() else { return false };
    let events = (0..length(queue)).map_while(|_| Event::read(&mut events).ok());
    let Some(Event::ChannelClosed { reason, .. }) = events.last() else { return false };
    matches!(reason, Some(ClosureReason::OutdatedChannelManager))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What LDK Node writes for channels that are closed for these reasons.
    fn closed(reasons: &[ClosureReason]) -> Vec<u8> {
        use ldk_node::lightning::util::ser::Writeable as _;
        let mut queue = u16::try_from(reasons.len()).unwrap().encode();
        for reason in reasons {
            let event = Event::ChannelClosed {
                channel_id: ldk_node::lightning::ln::types::ChannelId([7; 32]),
                user_channel_id: ldk_node::UserChannelId(1),
                counterparty_node_id: None,
                reason: Some(reason.clone()),
            };
            event.write(&mut queue).unwrap();
        }
        queue
    }

    #[test]
    fn the_last_event_counts() {
        use ClosureReason::{CommitmentTxConfirmed, OutdatedChannelManager};
        let cases = [
            (vec![OutdatedChannelManager], true),
            (vec![CommitmentTxConfirmed, OutdatedChannelManager], true),
            (vec![OutdatedChannelManager, CommitmentTxConfirmed], false),
            (vec![], false),
        ];
        for (reasons, expected) in cases {
            let queue = closed(&reasons);
            assert_eq!(usize::from(length(&queue)), reasons.len());
            assert_eq!(ends_with_outdated_state(&queue), expected, "{reasons:?}");
        }
    }
}
