//! The client against a small server of the same gRPC service, over real sockets and TLS.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod calls;
mod configuration;
mod events;
mod follow;
mod pinning;
#[allow(dead_code, reason = "the tests of the CLI use the rest")]
mod script;
mod server;
