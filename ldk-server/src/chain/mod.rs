//! The chain source: the gate that the library reaches it through, trusted authorities, and
//! requests of the daemon itself.

pub mod bitcoind;
pub mod cookie;
mod electrum;
mod error;
mod esplora;
pub(crate) mod fee_rates;
pub mod gate;
pub(crate) mod network_check;
pub(crate) mod outputs;
pub(crate) mod rebroadcast;
pub(crate) mod tls;

pub use error::{ChainError, ProbeError, RequestError};
