//! The client against a small server of the same gRPC service, over real sockets and TLS.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod configuration;
mod events;
mod pinning;
mod server;
