//! The ldk-server daemon as a library: [`Server`] is what `main` runs, and what a test may run
//! in-process.

pub mod backup;
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
pub mod gate;
pub mod http;
pub mod logging;
pub mod manual;
pub mod memory;
pub mod metrics;
pub mod node;
pub mod process;
pub mod readiness;
pub mod recovery;
mod request_id;
mod retention;
mod rollback;
pub mod rpc;
pub mod secrets;
mod server;
pub mod storage;
pub mod store;
pub mod supervisor;
mod urls;
pub mod wire;

pub use server::{Exit, Server, ShutdownReason, StartError, StopError, run};
