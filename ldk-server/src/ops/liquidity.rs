//! Why a payment over Lightning cannot be begun, as far as the channels tell.

use ldk_node::ChannelDetails;

use crate::app::App;
use crate::error::Error;

/// What is known of the channels that a payment could leave by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Channels {
    all: usize,
    ready: usize,
    usable: usize,
    /// What all that are ready hold for this side, whoever is away.
    ready_msat: u64,
    /// What those that can be used can send now.
    usable_msat: u64,
}

/// Why the library has found no way to send so much, in words that name the way out. `otherwise` is
/// for when the channels are not the cause.
pub(super) fn no_way(app: &App, amount_msat: u64, otherwise: &str) -> String {
    Channels::of(&app.node.list_channels()).no_way(amount_msat, otherwise)
}

/// Refuses an amount that no waiting would let the channels of now send.
pub(super) fn check(app: &App, amount_msat: u64) -> Result<(), Error> {
    let channels = Channels::of(&app.node.list_channels());
    if channels.ready > 0 && amount_msat <= channels.ready_msat {
        return Ok(());
    }
    Err(Error::FailedPrecondition(channels.no_way(amount_msat, "")))
}

impl Channels {
    fn of(channels: &[ChannelDetails]) -> Self {
        let mut found = Self { all: channels.len(), ..Self::default() };
        for channel in channels.iter().filter(|channel| channel.is_channel_ready) {
            found.ready += 1;
            found.ready_msat = found.ready_msat.saturating_add(channel.outbound_capacity_msat);
            if channel.is_usable {
                let sendable_msat = channel.next_outbound_htlc_limit_msat;
                found.usable += 1;
                found.usable_msat = found.usable_msat.saturating_add(sendable_msat);
            }
        }
        found
    }

    fn no_way(self, amount_msat: u64, otherwise: &str) -> String {
        let Self { all, ready, usable, usable_msat, .. } = self;
        if all == 0 {
            "there is no channel to pay through; open one with OpenChannel (open-channel)"
                .to_owned()
        } else if ready == 0 {
            "there is no channel to pay through yet: those that are being opened must be confirmed"
                .to_owned()
        } else if usable == 0 {
            format!(
                "none of the {ready} channels can be used now: their peers are away, or they are \
                 being closed; see ListPeers and ListChannels"
            )
        } else if amount_msat > usable_msat {
            format!(
                "the channels can send {usable_msat} msat now, which does not cover the \
                 {amount_msat} msat of the payment"
            )
        } else {
            format!("{otherwise}; the channels can send {usable_msat} msat now")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Channels =
        Channels { all: 3, ready: 2, usable: 1, ready_msat: 900, usable_msat: 500 };

    fn told(channels: Channels, amount_msat: u64) -> String {
        channels.no_way(amount_msat, "no route is known")
    }

    #[test]
    fn the_cause_is_told_with_its_figures() {
        assert!(told(Channels::default(), 1).starts_with("there is no channel to pay through;"));
        let opening = Channels { ready: 0, usable: 0, ..SOME };
        assert!(told(opening, 1).contains("must be confirmed"));
        let away = Channels { usable: 0, usable_msat: 0, ..SOME };
        assert!(told(away, 1).contains("none of the 2 channels can be used now"));
        let little = told(SOME, 501);
        assert!(little.contains("can send 500 msat now") && little.contains("501"), "{little}");
        assert!(told(SOME, 500).starts_with("no route is known; the channels can send 500 msat"));
    }
}
