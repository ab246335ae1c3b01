//! The one listener: TLS, then HTTP, then the service a request is for.

mod body;
mod guard;
mod health;
mod http;
mod listener;
mod metrics;
mod opening;
mod places;
mod rate;
mod replay;
mod request_line;
mod rewritten;
mod standing;
mod strangers;
mod stream;

pub use body::Bodies;
pub use guard::{AcceptedForms, Guard};
pub use health::{HealthPages, keep_reported};
pub use http::{Front, MAX_OPEN_MESSAGE_BYTES, OpenService};
pub use listener::Listener;
pub use metrics::MetricsEndpoint;
