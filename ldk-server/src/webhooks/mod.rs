//! Webhooks: URLs that events are posted to.
//!
//! Each webhook is a consumer of events whose place is remembered, and has a task of its own. The task posts
//! one event after the other, and sends an event again until it is taken: at least once, in order. A receiver
//! that is slow or away costs its own task only. When nothing was taken for days, the webhook pauses until it
//! is resumed; its place among the events stays.
//!
//! What is posted is signed as Standard Webhooks define. A receiver must be public, unless the configuration
//! allows others: the addresses are checked that are connected to.

mod consumer;
mod delivery;
mod hook;
mod message;
mod metrics;
mod progress;
mod receivers;
mod record;
mod registry;
mod secret;
mod target;
mod worker;

pub use delivery::Attempt;
pub use record::NewWebhook;
pub use registry::{Webhooks, WebhooksError};
pub use secret::{Secret, SecretRefused};
pub(crate) use target::ALLOW_PRIVATE;
pub use target::{Target, TargetRefused};
