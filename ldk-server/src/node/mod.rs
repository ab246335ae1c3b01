//! The Lightning node: building it, and the one consumer of its events.

pub mod age;
pub mod bitcoind;
pub mod builder;
pub(crate) mod channel_settings;
pub mod cookie;
pub mod effects;
mod electrum;
mod esplora;
pub mod events;
pub mod expired_invoices;
mod genesis;
pub mod hodl_guard;
pub mod holding;
mod outputs;
mod rebroadcast;
pub mod recovery;
pub(crate) mod reserve;
pub mod spending;
pub mod splices;
mod stale_scids;
pub mod startup;
