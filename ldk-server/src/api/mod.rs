//! The calls of the API: the table of all calls, the dispatcher that executes them, and for each noun
//! the conversion between its messages and the arguments and results of operations. Nothing here
//! depends on the transport.

mod amount;
mod api_keys;
mod async_receive;
mod audit;
mod backup;
mod bolt11;
mod bolt12;
mod books;
mod canonical;
mod channel_config;
mod channels;
mod client_certs;
mod consumers;
mod crypto;
pub(crate) mod decode;
mod dispatcher;
mod events;
mod fields;
mod graph;
mod hold;
mod inbound_channels;
mod invoices;
mod jit;
mod lnurl;
mod node;
mod notes;
mod once;
mod onchain;
mod onchain_fees;
mod pages;
mod pasted;
mod payments;
mod peers;
mod refunds;
mod route;
mod routes;
mod runes;
mod splice;
mod spontaneous;
mod stream;
pub(crate) mod table;
mod unified;
mod uri;
mod webhooks;

pub use dispatcher::{Admitted, Dispatcher, Phase};
pub use fields::MAX_WAIT_SECS;
pub(crate) use payments::page_token_bytes;
pub use stream::Stream;
pub use table::{Impact, Kind, Rpc, RpcSpec, group_of, rpc, specs};
