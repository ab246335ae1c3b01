//! The chain source: whom it is reached through, and whom to trust on the way.

pub mod gate;
pub(crate) mod tls;
