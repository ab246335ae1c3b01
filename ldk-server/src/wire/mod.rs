//! From the node library's types to the messages of the API. Every source struct is taken apart by
//! name, so that a field the library adds fails to compile here and is not lost.

pub mod balances;
pub mod channel;
pub mod channel_state;
pub mod failure;
pub mod faults;
pub mod features;
pub mod generation;
pub mod graph;
pub mod inbound_channel;
pub mod invoice;
pub mod node;
pub mod payment;
pub mod route;
pub mod text;

#[cfg(test)]
pub(crate) mod vectors;
