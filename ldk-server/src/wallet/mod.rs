//! The on-chain wallet: spends, splices and the reserve.

mod chain_view;
pub(crate) mod reserve;
mod spend;
mod spending;
mod splices;

pub use spending::Spending;
pub use splices::Splices;
