//! Explains from the state of the channels why a Lightning payment cannot be sent.

use ldk_node::ChannelDetails;

use crate::app::App;
use crate::error::Error;

/// The outbound liquidity of the channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Channels {
    all: usize,
    ready: usize,
    usable: usize,
    /// The outbound capacity of all ready channels, whether or not the peer is connected.
    ready_msat: u64,
    /// What the usable channels can send now.
    usable_msat: u64,
    /// What the usable channel with the most can send now.
    largest_msat: u64,
}

/// Explains why the library cannot send this amount, and what to do. `otherwise` is the text if the
/// channels are not the cause.
pub(super) fn no_way(app: &App, amount_msat: u64, otherwise: &str) -> String {
    Channels::of(&app.node.list_channels()).no_way(amount_msat, otherwise)
}

/// Checks that the ready channels could send the amount, at least when all peers are connected.
pub(super) fn check(app: &App, amount_msat: u64) -> Result<(), Error> {
    let channels = Channels::of(&app.node.list_channels());
    if channels.ready > 0 && amount_msat <= channels.ready_msat {
        return Ok(());
    }
    Err(Error::FailedPrecondition(channels.no_way(amount_msat, "")))
}

/// Checks that the usable channels could receive the amount.
pub(super) fn check_inbound(app: &App, amount_msat: u64) -> Result<(), Error> {
    let channels = app.node.list_channels();
    let usable = channels.iter().filter(|channel| channel.is_usable);
    let receivable_msat = usable.map(|channel| channel.inbound_capacity_msat).sum();
    receivable(amount_msat, receivable_msat).map_err(Error::FailedPrecondition)
}

fn receivable(amount_msat: u64, receivable_msat: u64) -> Result<(), String> {
    if amount_msat <= receivable_msat {
        Ok(())
    } else {
        Err(format!(
            "the channels can receive {receivable_msat} msat now, which does not cover the \
             {amount_msat} msat of the payment"
        ))
    }
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
                found.largest_msat = found.largest_msat.max(sendable_msat);
            }
        }
        found
    }

    fn no_way(self, amount_msat: u64, otherwise: &str) -> String {
        let Self { all, ready, usable, usable_msat, largest_msat, .. } = self;
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
            format!(
                "{otherwise}; the channels can send {usable_msat} msat now, and one of them \
                 {largest_msat} msat"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Channels = Channels {
        all: 3,
        ready: 2,
        usable: 1,
        ready_msat: 900,
        usable_msat: 500,
        largest_msat: 400,
    };

    fn told(channels: Channels, amount_msat: u64) -> String {
        channels.no_way(amount_msat, "no route is known")
    }

    #[test]
    fn what_cannot_be_received_is_told() {
        assert_eq!(receivable(5, 5), Ok(()));
        let reason = receivable(6, 5).unwrap_err();
        assert!(reason.contains("receive 5 msat") && reason.contains("the 6 msat"), "{reason}");
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
        let enough = told(SOME, 500);
        assert!(
            enough.starts_with("no route is known; the channels can send 500 msat"),
            "{enough}"
        );
        assert!(enough.ends_with("and one of them 400 msat"), "{enough}");
    }
}
