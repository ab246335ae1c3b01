//! The payments that were forwarded for others.

use ldk_server_grpc::types::ForwardedPayment;

/// Where a forward stands in the list, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardPlace {
    /// When it was forwarded, in Unix seconds.
    pub created_at: u64,
    /// Its number: a later one has a higher one.
    pub number: u64,
}

/// A forward in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// Where it stands.
    pub place: ForwardPlace,
    /// What was forwarded.
    pub payment: ForwardedPayment,
}

/// A forward as it is stored.
pub(in crate::store) struct ForwardRow {
    pub(in crate::store) place: ForwardPlace,
    /// What was forwarded, encoded.
    pub(in crate::store) value: Vec<u8>,
}

/// Which forwards to list; what is `None` does not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForwardFilter {
    /// The earliest time, in Unix seconds.
    pub created_from: Option<u64>,
    /// Their time is before this, in Unix seconds.
    pub created_before: Option<u64>,
}
