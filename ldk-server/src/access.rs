//! Permissions of callers.

/// An access group: calls that are permitted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Access {
    /// Information about the node, and decoding.
    Info = 1 << 0,
    /// Reading payments, channels, peers and the graph.
    Read = 1 << 1,
    /// Receiving payments.
    Invoice = 1 << 2,
    /// Paying over Lightning.
    Pay = 1 << 3,
    /// The on-chain wallet.
    Onchain = 1 << 4,
    /// Opening, changing and closing channels.
    Channels = 1 << 5,
    /// Connections to peers.
    Peers = 1 << 6,
    /// Events and their consumers.
    Events = 1 << 7,
    /// Signatures with the node's key.
    Sign = 1 << 8,
    /// Administration of the server.
    Admin = 1 << 9,
}

/// A set of groups of calls; by default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u16);

impl Permissions {
    /// All groups.
    pub const ALL: Self = Self(u16::MAX);

    /// These groups.
    pub fn of(groups: &[Access]) -> Self {
        Self(groups.iter().fold(0, |set, group| set | *group as u16))
    }

    /// Whether the calls of this group are allowed.
    pub fn allow(self, group: Access) -> bool {
        self.0 & group as u16 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_allows_its_groups_and_no_other() {
        let set = Permissions::of(&[Access::Read, Access::Invoice]);
        assert!(set.allow(Access::Read) && set.allow(Access::Invoice));
        assert!(!set.allow(Access::Pay) && !set.allow(Access::Admin));
        assert!(!Permissions::of(&[]).allow(Access::Info));
        assert!(Permissions::ALL.allow(Access::Admin));
    }
}
