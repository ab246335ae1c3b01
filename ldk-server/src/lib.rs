//! The ldk-server daemon as a library: [`Server`] is what `main` runs, and what a test may run
//! in-process.

pub mod access;
pub mod api;
pub mod app;
pub mod audit;
pub mod backup;
pub mod bulkhead;
pub mod caller;
pub mod certificate;
pub mod chain;
mod clock;
pub mod commands;
mod compat;
pub mod config;
mod deadline;
mod descriptors;
mod disk;
pub mod error;
pub mod events;
pub mod executor;
pub mod feeds;
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod grpc;
pub mod hold;
pub mod hrn;
pub mod http;
mod ip;
pub mod json;
pub mod logging;
pub mod man;
pub mod memory;
pub mod metrics;
pub mod node;
mod openapi;
pub mod ops;
mod page;
pub mod payment_requests;
pub mod permissions;
pub mod process;
pub mod readiness;
pub mod recovery;
mod rest;
mod retention;
mod rollback;
pub mod secrets;
mod server;
pub mod storage;
pub mod store;
pub mod systemd;
mod urls;
pub mod wallet;
pub mod webhooks;
pub mod wire;

pub use server::{Exit, Server, ShutdownReason, StartError, StopError, run};
