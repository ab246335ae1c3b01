//! Builds and starts the Lightning node.

pub mod builder;
pub(crate) mod channel_settings;
mod error;
mod stale_scids;
pub mod startup;

pub use error::NodeStartError;
