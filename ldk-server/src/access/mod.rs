//! What callers may do.

mod grant;

pub use grant::{DemandedBudget, Grant, Restricted};

/// A group of calls that callers are given access to together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// What the node is, and what invoices and offers say.
    Info,
    /// Payments, channels, peers and the graph, as they are.
    Read,
    /// Asking for payments.
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
    /// What concerns the server as a whole.
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
