//! The Lightning node: building it, and the one consumer of its events.

pub mod builder;
pub(crate) mod channel_settings;
pub mod effects;
mod error;
pub mod events;
pub mod expired_invoices;
pub mod hodl_guard;
pub mod holding;
pub(crate) mod reserve;
pub mod spending;
pub mod splices;
mod stale_scids;
pub mod startup;

pub use error::NodeStartError;
