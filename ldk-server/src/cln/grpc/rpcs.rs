//! The calls of the service, by their descriptors: no message is named here.

use std::collections::HashMap;
use std::sync::LazyLock;

use ldk_server_grpc::{CLN_DESCRIPTOR_SET, CLN_SERVICE_NAME};
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};

/// A call.
#[derive(Clone, Debug)]
pub(super) struct Rpc {
    /// Its name.
    pub(super) name: String,
    /// What it does.
    pub(super) target: Target,
    /// What it takes.
    pub(super) request: MessageDescriptor,
    /// What it answers or streams.
    pub(super) response: MessageDescriptor,
}

/// What a call does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Calls the method with this name.
    Method(String),
    /// Subscribes to notifications.
    Subscription,
}

/// The methods that are called otherwise than the call in lower case.
const OTHER_NAMES: [(&str, &str); 6] = [
    ("AskReneCreateLayer", "askrene-create-layer"),
    ("AskReneRemoveLayer", "askrene-remove-layer"),
    ("AskReneUpdateChannel", "askrene-update-channel"),
    ("BkprListAccountEvents", "bkpr-listaccountevents"),
    ("BkprListIncome", "bkpr-listincome"),
    ("ConnectPeer", "connect"),
];

impl From<MethodDescriptor> for Rpc {
    fn from(method: MethodDescriptor) -> Self {
        let name = method.name().to_owned();
        let other = OTHER_NAMES.iter().find(|(call, _)| *call == name);
        let target = if method.is_server_streaming() {
            Target::Subscription
        } else {
            let lower_case = || name.to_ascii_lowercase();
            Target::Method(other.map_or_else(lower_case, |(_, method)| (*method).to_owned()))
        };
        Self { name, target, request: method.input(), response: method.output() }
    }
}

static RPCS: LazyLock<HashMap<String, Rpc>> = LazyLock::new(|| {
    // What was compiled in can be decoded; a test makes sure of it.
    let pool = DescriptorPool::decode(CLN_DESCRIPTOR_SET).unwrap_or_default();
    let service = pool.get_service_by_name(CLN_SERVICE_NAME);
    let methods = service.iter().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.map(Rpc::from).map(|rpc| (rpc.name.clone(), rpc)).collect()
});

/// The call at a path such as `/cln.Node/Getinfo`.
pub(super) fn at(path: &str) -> Option<&'static Rpc> {
    let (service, name) = path.strip_prefix('/')?.split_once('/')?;
    RPCS.get(name).filter(|_| service == CLN_SERVICE_NAME)
}

/// The name of the call at this path.
pub(crate) fn name_at(path: &str) -> Option<&'static str> {
    at(path).map(|rpc| rpc.name.as_str())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The call with this name.
    pub(in crate::cln::grpc) fn rpc(name: &str) -> &'static Rpc {
        at(&format!("/cln.Node/{name}")).unwrap()
    }

    #[test]
    fn each_call_has_its_method() {
        for (call, method) in [
            ("Getinfo", "getinfo"),
            ("ConnectPeer", "connect"),
            ("WaitAnyInvoice", "waitanyinvoice"),
            ("BkprListIncome", "bkpr-listincome"),
            ("AskReneCreateLayer", "askrene-create-layer"),
        ] {
            assert_eq!(rpc(call).target, Target::Method(method.to_owned()));
        }
        assert_eq!(rpc("SubscribeInvoicePayment").target, Target::Subscription);
        for (call, _) in OTHER_NAMES {
            rpc(call);
        }
    }

    #[test]
    fn nothing_else_is_called() {
        for path in ["", "/", "/cln.Node", "/cln.Node/", "/cln.Node/getinfo", "/x.Node/Getinfo"] {
            assert!(at(path).is_none(), "{path}");
        }
    }
}
