//! The on-chain wallet: what is spent from it, and what it must keep.

pub(crate) mod reserve;
mod spending;
mod splices;

pub use spending::Spending;
pub use splices::Splices;
