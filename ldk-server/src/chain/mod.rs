//! The chain source: whom it is reached through, whom to trust on the way, and what the daemon itself
//! asks it.

pub mod bitcoind;
pub mod cookie;
mod electrum;
mod error;
mod esplora;
pub mod gate;
pub(crate) mod network_check;
pub(crate) mod outputs;
pub(crate) mod rebroadcast;
pub(crate) mod tls;

pub use error::ChainError;
