//! The gRPC contract of ldk-server: the protocol definitions, the types generated from them, the
//! `x-auth` header, runes, where a server keeps what its clients need, and how text of others is shown.

pub mod auth;
mod authority_files;
pub mod codec;
#[cfg(feature = "serde")]
mod json;
pub mod places;
pub mod rune;
pub mod terminal;

pub use authority_files::AuthorityFiles;

/// Requests and responses of the service `api.LightningNode`, and its server side.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod api {
    tonic::include_proto!("api");
    include!(concat!(env!("OUT_DIR"), "/server/api.rs"));
}

/// What `SubscribeEvents` streams.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod events {
    tonic::include_proto!("events");
}

/// Messages shared by requests, responses and events.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod types {
    tonic::include_proto!("types");
}

/// The legacy error message, kept for clients that were generated with it.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod error {
    tonic::include_proto!("error");
}

include!(concat!(env!("OUT_DIR"), "/rpcs.rs"));

/// The full name of the gRPC service.
pub const SERVICE_NAME: &str = "api.LightningNode";

/// The encoded `google.protobuf.FileDescriptorSet` of every proto file, imports included.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.bin"));

/// The full name of the service for clients of Core Lightning.
pub const CLN_SERVICE_NAME: &str = "cln.Node";

/// The encoded `google.protobuf.FileDescriptorSet` of [`CLN_SERVICE_NAME`], without comments.
pub const CLN_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/cln_descriptor_set.bin"));

/// The largest request body, and the largest unary response, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 10 * 1024 * 1024;
