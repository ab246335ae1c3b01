//! The books of the node: what has come into its accounts and left them, and what for.
//!
//! Little is kept for them. Payments and forwards are in the history, and the transactions of the wallet,
//! with their inputs, are in the library's own records ([`chain`]). What nobody else keeps is a record of
//! each channel ([`record`]), written when something happens to it ([`recorder`]): its funding, splices,
//! closure, and the outputs that the library sweeps. From these, the entries are made when somebody asks
//! ([`channels`], [`wallet`]), and handed out with payments and forwards ([`entries`]).
//!
//! The sum of the entries of an account is its balance, unless something is not known. What is not known
//! is left out, and the difference can be seen ([`summary`]).

mod chain;
mod channels;
mod coins;
mod entries;
mod entry;
mod live;
mod reading;
mod record;
mod recorder;
mod summary;
mod turnovers;
pub(crate) mod upkeep;
mod wallet;

#[cfg(test)]
mod tests;

pub use channels::ChannelOnChain;
pub use coins::{Coin, Coins, KnownTransactions, Position, WalletTransaction};
pub use entries::Pages;
pub use entry::Span;
pub use live::balance_msat;
pub use reading::Chain;
pub use record::{ChannelRecord, Closing};
pub use recorder::Books;
pub use summary::{Summary, summary};
pub use turnovers::ChannelTurnover;
