//! Core Lightning's notifications: what events of the node are notified as, and what there are no events
//! for.

mod events;
mod movements;
mod socket_io;
mod watch;

pub(super) use events::Notices;
pub(crate) use socket_io::notifications;
pub(super) use watch::{Sights, WATCHED, Watch, Watched};

/// What is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    BlockAdded,
    ChannelOpenFailed,
    ChannelOpened,
    ChannelStateChanged,
    CoinMovement,
    Connect,
    Disconnect,
    ForwardEvent,
    InvoiceCreation,
    InvoicePayment,
    SendPayFailure,
    SendPaySuccess,
}

impl Topic {
    /// Those that events of the node are.
    const OF_EVENTS: [Self; 8] = [
        Self::InvoicePayment,
        Self::SendPaySuccess,
        Self::SendPayFailure,
        Self::ForwardEvent,
        Self::ChannelOpened,
        Self::ChannelStateChanged,
        Self::ChannelOpenFailed,
        Self::CoinMovement,
    ];

    /// Its name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BlockAdded => "block_added",
            Self::ChannelOpenFailed => "channel_open_failed",
            Self::ChannelOpened => "channel_opened",
            Self::ChannelStateChanged => "channel_state_changed",
            Self::CoinMovement => "coin_movement",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::ForwardEvent => "forward_event",
            Self::InvoiceCreation => "invoice_creation",
            Self::InvoicePayment => "invoice_payment",
            Self::SendPayFailure => "sendpay_failure",
            Self::SendPaySuccess => "sendpay_success",
        }
    }
}
