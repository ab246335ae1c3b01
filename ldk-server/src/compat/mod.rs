//! What this server knows of private formats, constants and texts of LDK Node 0.7.1 and lightning
//! 0.2. An upgrade of the library begins here: the tests compare each with recorded bytes, or with
//! what the library reads and writes.

pub(crate) mod blocks;
pub(crate) mod channel_state;
pub(crate) mod event_queue;
pub(crate) mod fee_rates;
pub(crate) mod lsps1;
pub(crate) mod monitor;
pub(crate) mod node_features;
pub(crate) mod panics;
pub(crate) mod peer_record;
pub(crate) mod records;
pub(crate) mod splice_signed;
pub(crate) mod sweeper;
mod tlv;
pub(crate) mod wallet;
pub(crate) mod wallet_records;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
