//! The ldk-server daemon as a library: [`Server`] is what `main` runs, and what a test may run
//! in-process.

pub mod backup;
pub mod caller;
pub mod certificate;
pub mod chain;
mod clock;
mod compat;
pub mod config;
mod deadline;
mod descriptors;
pub mod error;
mod exposure;
pub mod gate;
pub mod http;
pub mod logging;
pub mod manual;
mod memory;
pub mod metrics;
pub mod node;
pub mod process;
pub mod readiness;
mod retention;
pub mod rpc;
pub mod secrets;
mod server;
mod start;
pub mod storage;
pub mod store;
pub mod supervisor;
mod upstream;
mod urls;
pub mod wire;
mod witness;

pub use server::{End, Server};
pub use start::StartError;
