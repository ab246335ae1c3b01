//! What a stored monitor tells of the beginning of its channel.

use ldk_node::bitcoin::BlockHash;
use ldk_node::lightning::chain::channelmonitor::ChannelMonitor;
use ldk_node::lightning::ln::msgs::DecodeError;
use ldk_node::lightning::sign::{InMemorySigner, KeysManager};
use ldk_node::lightning::util::persist::MONITOR_UPDATING_PERSISTER_PREPEND_SENTINEL;
use ldk_node::lightning::util::ser::ReadableArgs as _;

/// What was agreed on when a channel was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// What the peer had at first in the channel, in satoshis, if the channel was opened by us; it does
    /// not count what the opener keeps for fees.
    pub(crate) peer_sats: u64,
    /// What we had, in satoshis, if the channel was opened by the peer.
    pub(crate) our_sats: u64,
    /// Whether a closing transaction has outputs by which its fee can be raised.
    pub(crate) has_anchors: bool,
}

/// Reads a monitor as the library's persister writes it. The keys are not those of the node, and nothing
/// is signed with them.
fn read(monitor: &[u8]) -> Result<ChannelMonitor<InMemorySigner>, DecodeError> {
    let mut bytes =
        monitor.strip_prefix(MONITOR_UPDATING_PERSISTER_PREPEND_SENTINEL).unwrap_or(monitor);
    let keys = KeysManager::new(&[1; 32], 0, 0, true);
    let (_, monitor) =
        <(BlockHash, ChannelMonitor<InMemorySigner>)>::read(&mut bytes, (&keys, &keys))?;
    Ok(monitor)
}

/// The feature bits of the type of the channel, the lowest first.
pub(crate) fn channel_type(monitor: &[u8]) -> Result<Vec<u32>, DecodeError> {
    let features = read(monitor)?.channel_type_features();
    let bytes = (0_u32..).zip(features.le_flags().iter().copied());
    let bits = bytes.flat_map(|(at, byte)| {
        (0..8).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| at * 8 + bit)
    });
    Ok(bits.collect())
}

/// Reads what was agreed on from a monitor.
pub(crate) fn opening(monitor: &[u8]) -> Result<Option<Opening>, DecodeError> {
    let monitor = read(monitor)?;
    let channel_type = monitor.channel_type_features();
    let has_anchors = channel_type.supports_anchors_zero_fee_htlc_tx();
    Ok(monitor.initial_counterparty_commitment_tx().map(|commitment| Opening {
        peer_sats: commitment.to_broadcaster_value_sat(),
        our_sats: commitment.to_countersignatory_value_sat(),
        has_anchors,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payer_of_the_recorded_channel_began_with_all_of_it() {
        let payer = opening(include_bytes!("testdata/payer_monitor")).unwrap().unwrap();
        let payee = opening(include_bytes!("testdata/payee_monitor")).unwrap().unwrap();
        assert!(payer.has_anchors && payee.has_anchors);
        assert_eq!(payer.peer_sats, payee.our_sats);
    }

    #[test]
    fn the_type_of_the_recorded_channel_has_anchors() {
        let bits = channel_type(include_bytes!("testdata/payer_monitor")).unwrap();
        assert!(bits.contains(&12) && bits.contains(&22), "{bits:?}");
    }

    #[test]
    fn what_is_no_monitor_is_an_error() {
        assert!(opening(b"").is_err() && opening(&[1; 99]).is_err());
    }
}
