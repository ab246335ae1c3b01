//! The operations of the server, in the types of the library and the rows of the store. Nothing here
//! depends on the messages of an API or on a transport. An operation takes the [`App`](crate::app::App),
//! the caller if it checks whether that one is still waiting, and its arguments.

pub mod amount;
pub mod async_receive;
pub mod audit;
pub mod backup;
pub mod bolt11;
pub mod bolt12;
pub mod books;
pub mod bounds;
pub mod budgets;
pub mod channels;
pub mod consumers;
pub mod crypto;
pub mod decode;
pub mod events;
pub mod graph;
pub mod hold;
pub mod inbound_channels;
pub mod invoices;
pub mod jit;
pub mod labels;
mod liquidity;
pub mod lnurl;
pub mod node;
pub mod onchain;
pub mod onchain_fees;
mod own_offers;
pub mod payment_request;
pub mod payments;
pub mod peers;
pub mod refunds;
pub mod route;
pub mod routes;
pub mod send;
pub mod splice;
pub mod spontaneous;
pub mod terms;
pub mod unified;
pub mod waits;
pub mod webhooks;
