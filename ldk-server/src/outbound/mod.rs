//! HTTP to servers of others, whose names come from callers: the addresses are checked that are connected
//! to, so that nobody has the daemon call services that only this machine can reach.

mod address;
mod clients;
mod reach;
mod resolver;

pub(crate) use clients::{Clients, reason};
pub use reach::AddressRefused;
pub(crate) use reach::Reach;
pub(crate) use resolver::refusal;
