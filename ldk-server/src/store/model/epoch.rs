//! How far the state has come: numbers that grow with each commit, written by the commit itself. They
//! tell which of two copies of a node's state is the newer one. One whose channels are older must not
//! be used: the states they are in were revoked.

use std::fmt;
use std::str::FromStr;

/// How far a state has come. What was restored from a copy is later than all that came of the
/// original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch {
    /// How often the state was restored from a copy.
    pub restores: u64,
    /// How often the state of a channel was changed.
    pub channels: u64,
    /// How many commits were made.
    pub commits: u64,
}

impl Epoch {
    /// Whether channels were in later states at the other epoch.
    pub fn has_older_channels_than(&self, other: &Self) -> bool {
        (self.restores, self.channels) < (other.restores, other.channels)
    }
}

/// What copies of the state of the same node have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lineage(pub(in crate::store) [u8; 16]);

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { restores, channels, commits } = self;
        write!(formatter, "{restores}.{channels}.{commits}")
    }
}

impl FromStr for Epoch {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers: Vec<u64> =
            text.split('.').map(str::parse).collect::<Result<_, _>>().map_err(drop)?;
        let [restores, channels, commits] = numbers[..] else { return Err(()) };
        Ok(Self { restores, channels, commits })
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Lineage {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = hex::decode(text).map_err(drop)?;
        bytes.try_into().map(Self).map_err(drop)
    }
}
