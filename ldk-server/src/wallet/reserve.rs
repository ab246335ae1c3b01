//! The reserve of the on-chain wallet, which pays for closing anchor channels. The library does not
//! spend it by itself, but the reserve may be too small: if a caller has forced a spend, or if the
//! money was missing already when a peer opened a channel.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ldk_node::{BalanceDetails, ChannelDetails, Node};

/// How often the reserve is computed, which needs the balances of all channels.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// How many satoshis of the reserve are missing. Every channel counts as an anchor channel, because
/// the library does not tell which ones are.
pub(crate) fn missing_sats(
    node: &Node,
    balances: &BalanceDetails,
    channels: &[ChannelDetails],
) -> u64 {
    let Some(anchors) = node.config().anchor_channels_config else { return 0 };
    let trusted = &anchors.trusted_peers_no_reserve;
    let needing =
        channels.iter().filter(|channel| !trusted.contains(&channel.counterparty_node_id));
    let needed_sats = anchors.per_channel_reserve_sats.saturating_mul(needing.count() as u64);
    shortfall(balances, needed_sats)
}

fn shortfall(balances: &BalanceDetails, needed_sats: u64) -> u64 {
    let BalanceDetails {
        total_onchain_balance_sats: total_sats,
        total_anchor_channels_reserve_sats: kept_sats,
        ..
    } = *balances;
    // The library reserves no more than there is. If it reserves less, that is all it needs.
    if kept_sats < total_sats { 0 } else { needed_sats.saturating_sub(total_sats) }
}

/// Computes the reserve now and then.
#[derive(Default)]
pub(crate) struct ReserveWatch(Mutex<Option<(Instant, bool)>>);

impl ReserveWatch {
    /// Whether some of the reserve is missing, or was a moment ago.
    pub(crate) fn is_short(&self, node: &Node) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, is_short)) = *last
            && at.elapsed() < LOOK_INTERVAL
        {
            return is_short;
        }
        let is_short = missing_sats(node, &node.list_balances(), &node.list_channels()) > 0;
        *last = Some((Instant::now(), is_short));
        is_short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_what_the_wallet_has_not() {
        let lacking = |total_sats, kept_sats, needed_sats| {
            let balances = BalanceDetails {
                total_onchain_balance_sats: total_sats,
                spendable_onchain_balance_sats: 0,
                total_anchor_channels_reserve_sats: kept_sats,
                total_lightning_balance_sats: 0,
                lightning_balances: Vec::new(),
                pending_balances_from_channel_closures: Vec::new(),
            };
            shortfall(&balances, needed_sats)
        };
        assert_eq!(lacking(0, 0, 0), 0);
        assert_eq!(lacking(60_000, 50_000, 50_000), 0);
        assert_eq!(lacking(50_000, 50_000, 50_000), 0);
        assert_eq!(lacking(10_000, 10_000, 50_000), 40_000);
        assert_eq!(lacking(0, 0, 50_000), 50_000);
        assert_eq!(lacking(30_000, 25_000, 50_000), 0, "one of the two needs none");
    }
}
