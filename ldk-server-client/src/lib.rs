//! Async Rust client for ldk-server.
//!
//! A [`Client`] has one method for each RPC of the service `api.LightningNode`. Each takes the
//! request message and returns the response message or an [`Error`]. The server is known by its
//! certificate, and every request is signed together with its body.
//!
//! ```no_run
//! use ldk_server_client::Client;
//! use ldk_server_client::api::Bolt11ReceiveRequest;
//!
//! # async fn example() -> Result<(), ldk_server_client::Error> {
//! let client = Client::from_config_file("/etc/ldk-server/config.toml")?;
//! let request = Bolt11ReceiveRequest {
//!     amount_msat: Some(25_000_000),
//!     expiry_secs: 3_600,
//!     ..Default::default()
//! };
//! println!("pay {}", client.bolt11_receive(request).await?.invoice);
//! # Ok(())
//! # }
//! ```
//!
//! # Events
//!
//! The server numbers its events and keeps them for a while. [`Client::subscribe_events_resumable`] is a stream
//! of them that outlives lost connections and restarts of the server; [`Client::subscribe_events`]
//! is a single subscription. So that none is lost across restarts of your own program either, take
//! a name, process each event, and acknowledge it only then. An event that was processed but not
//! acknowledged comes again when the program is started anew: processing must bear that, or keep
//! `event_index` in one transaction with what comes of the event, and give it as
//! `resume_after_index` instead of a name.
//!
//! ```no_run
//! use futures_util::StreamExt as _;
//! use ldk_server_client::api::{AckEventsRequest, SubscribeEventsRequest};
//! # use ldk_server_client::{Client, Error, events::EventEnvelope};
//! # async fn process(_: &EventEnvelope) -> Result<(), Error> { Ok(()) }
//!
//! # async fn example(client: Client) -> Result<(), Error> {
//! let consumer = "bookkeeping".to_owned();
//! let request = SubscribeEventsRequest { consumer: consumer.clone(), ..Default::default() };
//! let mut events = client.subscribe_events_resumable(request).await?;
//! while let Some(envelope) = events.next().await {
//!     let envelope = envelope?;
//!     process(&envelope).await?;
//!     let done =
//!         AckEventsRequest { consumer: consumer.clone(), event_index: envelope.event_index };
//!     match client.ack_events(done).await {
//!         // Each acknowledgement covers those before it, so the next one mends this.
//!         Err(error) if error.is_temporary() => eprintln!("not acknowledged: {error}"),
//!         acknowledged => {
//!             acknowledged?;
//!         },
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod backup;
mod builder;
mod client;
mod clock;
mod connect;
mod connect_failure;
mod error;
mod event_stream;
mod export_stream;
mod follow;
mod health;
mod signed;
mod tls;

pub use backup::BackupStream;
pub use builder::ClientBuilder;
pub use client::Client;
pub use error::Error;
pub use event_stream::EventStream;
pub use export_stream::ExportStream;
pub use follow::{ConnectionChange, ResumableEventStream, ResumableSubscription};
pub use ldk_server_grpc::{api, events, places, types};
pub use tonic::Code;

/// Compiles the programs of the guide to events.
#[cfg(doctest)]
#[doc = include_str!("../../docs/events.md")]
struct EventsGuide;
