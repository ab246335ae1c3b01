//! Every call as JSON over HTTP: `POST /v1/get-node-info`, and in the form of the Connect protocol,
//! `POST /api.LightningNode/GetNodeInfo`.
//!
//! A request in JSON is a request in gRPC that is written differently. So it passes the same checks, in
//! the same layers; between the check of the caller and the service, its message is translated to a gRPC
//! frame, and the answer is translated back on its way out. Here is the translation; it knows nothing of
//! connections.

mod answer;
mod call;
mod codec;
mod credentials;
mod form;
mod method;
mod shared;
mod status;
mod stream;

pub(crate) use answer::answer;
pub(crate) use call::Call;
pub(crate) use credentials::{Credentials, REFUSED};
pub(crate) use method::{SHORT_PREFIX, name_in};
pub(crate) use status::refusal;
