//! The messages of the API, by the names of the calls that take them.

use std::collections::HashMap;
use std::sync::LazyLock;

use ldk_server_grpc::{DESCRIPTOR_SET, SERVICE_NAME};
use prost::{DecodeError, Message as _};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage as _};

/// The request of each call.
static REQUESTS: LazyLock<HashMap<String, MessageDescriptor>> = LazyLock::new(|| {
    // What was compiled in can be decoded; a test makes sure of it.
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).unwrap_or_default();
    let service = pool.get_service_by_name(SERVICE_NAME);
    let methods = service.iter().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.map(|method| (method.name().to_owned(), method.input())).collect()
});

/// What the request of this call is made of.
pub(super) fn request_of(method: &str) -> Option<MessageDescriptor> {
    REQUESTS.get(method).cloned()
}

/// The request of this call, which must be one, as it was encoded.
pub fn request(method: &str, encoded: &[u8]) -> Result<DynamicMessage, DecodeError> {
    let descriptor = request_of(method).unwrap_or_else(|| ().descriptor());
    let mut message = DynamicMessage::new(descriptor);
    message.merge(encoded)?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::RPC_NAMES;

    use super::*;

    #[test]
    fn every_call_has_a_request() {
        for name in RPC_NAMES {
            assert!(request_of(name).is_some(), "{name}");
        }
    }
}
