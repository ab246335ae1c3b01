//! The calls of the API: one table of them, one dispatcher that all of them pass, and for each noun
//! what its messages mean. Nothing here knows by which transport a call came.

mod amount;
mod api_keys;
mod audit;
mod backup;
mod bolt11;
mod bolt12;
mod channel_config;
mod channels;
mod consumers;
mod crypto;
pub(crate) mod decode;
mod dispatcher;
mod events;
mod fields;
mod graph;
mod hold;
mod jit;
mod node;
mod onchain;
mod pages;
mod pasted;
mod payments;
mod peers;
mod route;
mod runes;
mod splice;
mod spontaneous;
mod stream;
pub(crate) mod table;
mod unified;
mod uri;

pub use dispatcher::{Admitted, Dispatcher, Phase};
pub(crate) use payments::page_token_bytes;
pub use stream::Stream;
pub use table::{Impact, Kind, Rpc, RpcSpec, rpc, specs};
