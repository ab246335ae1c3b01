//! What the server does, in the types of the library: no message of any API and no transport is known
//! here. An operation takes what it works with, the caller where it asks whether that one still waits, and
//! its arguments.

pub mod amount;
pub mod audit;
pub mod backup;
pub mod bolt11;
pub mod bolt12;
pub mod bounds;
pub mod budgets;
pub mod channels;
pub mod consumers;
pub mod crypto;
pub mod decode;
pub mod events;
pub mod graph;
pub mod hold;
pub mod jit;
mod liquidity;
pub mod node;
pub mod onchain;
mod own_offers;
pub mod payment_request;
pub mod payments;
pub mod peers;
mod route;
pub mod send;
pub mod splice;
pub mod spontaneous;
pub mod unified;
