//! Permissions of callers.

mod foreign;
mod grant;
mod invoice;

pub use foreign::ForeignCall;
pub use grant::{DemandedBudget, Grant, Restricted};

/// An access group: calls that are permitted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Information about the node, and decoding.
    Info,
    /// Reading payments, channels, peers and the graph.
    Read,
    /// Receiving payments.
    Invoice,
    /// Paying over Lightning.
    Pay,
    /// The on-chain wallet.
    Onchain,
    /// Opening, changing and closing channels.
    Channels,
    /// Connections to peers.
    Peers,
    /// Events and their consumers.
    Events,
    /// Signatures with the node's key.
    Sign,
    /// Administration of the server.
    Admin,
}

impl Access {
    /// As restrictions name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Read => "read",
            Self::Invoice => "invoice",
            Self::Pay => "pay",
            Self::Onchain => "onchain",
            Self::Channels => "channels",
            Self::Peers => "peers",
            Self::Events => "events",
            Self::Sign => "sign",
            Self::Admin => "admin",
        }
    }
}
