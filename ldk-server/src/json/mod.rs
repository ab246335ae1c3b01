//! Messages of the API as JSON, by their descriptors: no call and no message is named here.
//!
//! Answers name fields as the proto files do and contain every field that cannot be absent. Numbers are
//! JSON numbers, except those that JavaScript and jq would round: from 2^53 on, and in fields that the
//! proto files mark with `jstype = JS_STRING`, they are decimal text, which requests may use for every
//! number. What a request has that its message has not is refused, with the path to it.

mod decoding;
mod encoding;
mod methods;
mod path;
mod scalar;
#[cfg(test)]
mod tests;

use prost_reflect::{DynamicMessage, MessageDescriptor};

pub use encoding::is_text;
pub use methods::{Method, method, methods};
pub use path::Refused;

/// The message with these bytes, as JSON text.
pub fn encode(message: &MessageDescriptor, bytes: &[u8]) -> Result<Vec<u8>, Unencodable> {
    let message = DynamicMessage::decode(message.clone(), bytes)?;
    Ok(serde_json::to_vec(&encoding::Message(&message))?)
}

/// The bytes of the message with this JSON text. Nothing at all stands for an empty message.
pub fn decode(message: &MessageDescriptor, json: &[u8]) -> Result<Vec<u8>, Refused> {
    decoding::decode(message, json).map(|message| prost::Message::encode_to_vec(&message))
}

/// The message has no JSON form: its bytes are not those of such a message.
#[derive(Debug, thiserror::Error)]
pub enum Unencodable {
    /// They are cut off or malformed.
    #[error(transparent)]
    Bytes(#[from] prost::DecodeError),
    /// There was no memory to write to.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}
