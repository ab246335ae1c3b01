//! The calls of the API and their messages.

use std::collections::HashMap;
use std::sync::LazyLock;

use ldk_server_grpc::{DESCRIPTOR_SET, SERVICE_NAME};
use prost::Message as _;
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};
use prost_types::FileDescriptorSet;

/// A call of the API.
#[derive(Clone, Debug)]
pub struct Method {
    /// Its name in the proto file, `GetNodeInfo`.
    pub name: String,
    /// Its name in paths, `get-node-info`.
    pub kebab: String,
    /// What it takes.
    pub request: MessageDescriptor,
    /// What it answers; of a stream, what the stream consists of.
    pub response: MessageDescriptor,
    /// Whether its answer is a stream.
    pub is_stream: bool,
}

impl From<MethodDescriptor> for Method {
    fn from(method: MethodDescriptor) -> Self {
        Self {
            name: method.name().to_owned(),
            kebab: kebab(method.name()),
            request: method.input(),
            response: method.output(),
            is_stream: method.is_server_streaming(),
        }
    }
}

/// All calls, in the order of the proto file.
static METHODS: LazyLock<Vec<Method>> = LazyLock::new(|| {
    let pool = pool();
    let service = pool.get_service_by_name(SERVICE_NAME);
    let methods = service.iter().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.map(Method::from).collect()
});

/// The descriptors without the comments, which nobody reads here and which would take megabytes.
fn pool() -> DescriptorPool {
    // What was compiled in can be decoded; a test makes sure of it.
    let mut files = FileDescriptorSet::decode(DESCRIPTOR_SET).unwrap_or_default();
    for file in &mut files.file {
        file.source_code_info = None;
    }
    DescriptorPool::from_file_descriptor_set(files).unwrap_or_default()
}

/// The calls by each of their two names.
static BY_NAME: LazyLock<HashMap<&str, &Method>> = LazyLock::new(|| {
    let names = |method: &'static Method| [(&*method.name, method), (&*method.kebab, method)];
    METHODS.iter().flat_map(names).collect()
});

/// The call with this name, as the proto file or as a path has it.
pub fn method(name: &str) -> Option<&'static Method> {
    BY_NAME.get(name).copied()
}

/// All calls, in the order of the proto file.
pub fn methods() -> &'static [Method] {
    &METHODS
}

fn kebab(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::RPC_NAMES;

    use super::*;

    #[test]
    fn every_call_is_known_by_both_names() {
        assert_eq!(methods().len(), RPC_NAMES.len());
        for name in RPC_NAMES {
            let known = method(name).unwrap();
            assert_eq!(method(&known.kebab).unwrap().name, *name);
        }
        assert_eq!(method("Bolt11Send").unwrap().kebab, "bolt11-send");
        assert!(method("SubscribeEvents").unwrap().is_stream);
        assert!(method("bolt11_send").is_none());
    }
}
