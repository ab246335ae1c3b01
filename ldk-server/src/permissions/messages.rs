//! The messages of the API, by the names of the calls that take them.

use prost::{DecodeError, Message as _};
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage as _};

use crate::json;

/// What the request of this call is made of.
pub(super) fn request_of(method: &str) -> Option<MessageDescriptor> {
    json::method(method).map(|method| method.request.clone())
}

/// The request of this call, which must be one, as it was encoded.
pub fn request(method: &str, encoded: &[u8]) -> Result<DynamicMessage, DecodeError> {
    let descriptor = request_of(method).unwrap_or_else(|| ().descriptor());
    let mut message = DynamicMessage::new(descriptor);
    message.merge(encoded)?;
    Ok(message)
}
