//! The serialized event queue of the library: the number of events, then each event.
//!
//! After a kill, the manager may be older than the monitors of its channels. The library then
//! closes these channels at the next start, and fails payments that the older state had not sent
//! yet, though the newer one had. So once the library closes a channel for that reason, a failure
//! of a payment under way does not count: the outcome is unknown. A success always counts.

use ldk_node::Event;
use ldk_node::lightning::events::ClosureReason;
use ldk_node::lightning::util::ser::Readable as _;

/// Its key in the store, with the namespaces.
pub(crate) const STORE_KEY: (&str, &str, &str) = ("", "", "events");

/// The number of events; 0 if the bytes are too short.
pub(crate) fn length(queue: &[u8]) -> u16 {
    queue.first_chunk().map_or(0, |length| u16::from_be_bytes(*length))
}

/// Whether the newest event is that a channel was closed because its state is outdated.
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
