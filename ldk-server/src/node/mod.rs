//! The Lightning node: building it, starting it, and asking its chain source.

pub mod builder;
pub(crate) mod channel_settings;
mod error;
mod stale_scids;
pub mod startup;

pub use error::NodeStartError;
