//! The listener: TLS, then HTTP, then the page or service that a request is for.

mod client;
mod connection;
mod handshake;
mod health;
mod layers;
mod listener;
mod metrics;
mod page;
mod preface_timeout;
mod rate;
mod request_id;
mod router;
mod slots;
mod strangers;
mod stream;

pub use health::{HealthPages, keep_reported};
pub use layers::{AcceptedForms, Access};
pub use listener::Listener;
pub use metrics::MetricsEndpoint;
pub use router::{MAX_PUBLIC_MESSAGE_BYTES, Router};

/// Whether the body of a call is exactly one frame.
pub(crate) fn is_frame(body: &[u8]) -> bool {
    layers::body::check_frame(body).is_ok()
}
