//! The one listener: TLS, then HTTP, then the service a request is for.

mod client;
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
pub use router::{MAX_OPEN_MESSAGE_BYTES, Router};

/// Whether the body of a call is one whole frame.
pub(crate) fn is_frame(body: &[u8]) -> bool {
    layers::body::check_frame(body).is_ok()
}
