//! The Lightning node: building it, starting it, and asking its chain source.

pub mod age;
pub mod bitcoind;
pub mod builder;
pub(crate) mod channel_settings;
pub mod cookie;
mod electrum;
mod esplora;
mod genesis;
mod outputs;
mod rebroadcast;
pub mod recovery;
mod stale_scids;
pub mod startup;
