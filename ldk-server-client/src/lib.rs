//! Async Rust client for ldk-server.
//!
//! A [`Client`] has one method for each RPC of the service `api.LightningNode`. Each takes the
//! request message and returns the response message or an [`Error`]. The server is known by its
//! certificate, and every request is signed together with its body.
//!
//! ```no_run
//! use futures_util::StreamExt as _;
//! use ldk_server_client::Client;
//! use ldk_server_client::api::{Bolt11ReceiveRequest, SubscribeEventsRequest};
//!
//! # async fn example() -> Result<(), ldk_server_client::Error> {
//! let client = Client::from_config_file("/etc/ldk-server/config.toml")?;
//!
//! let mut events = client.subscribe_events(SubscribeEventsRequest::default()).await?;
//! let request = Bolt11ReceiveRequest {
//!     amount_msat: Some(25_000_000),
//!     expiry_secs: 3_600,
//!     ..Default::default()
//! };
//! println!("pay {}", client.bolt11_receive(request).await?.invoice);
//!
//! while let Some(envelope) = events.next().await {
//!     println!("{:?}", envelope?.event);
//! }
//! # Ok(())
//! # }
//! ```

mod builder;
mod client;
mod connect;
mod error;
mod event_stream;
mod signed;
mod tls;

pub use builder::ClientBuilder;
pub use client::Client;
pub use error::Error;
pub use event_stream::EventStream;
pub use ldk_server_grpc::{api, events, places, types};
pub use tonic::Code;
