//! The paths of calls.

use ldk_server_grpc::SERVICE_NAME;

use crate::json;

/// What the short paths begin with; the name of the call follows as the command line has it.
pub(crate) const SHORT_PREFIX: &str = "/v1/";

/// The name of the call at this path.
pub(crate) fn name_in(path: &str) -> Option<&'static str> {
    if let Some(short) = path.strip_prefix(SHORT_PREFIX) {
        let method = json::method(short).filter(|method| method.kebab == short);
        return method.map(|method| &*method.name);
    }
    let (service, name) = path.strip_prefix('/')?.split_once('/')?;
    let method = json::method(name).filter(|method| method.name == name)?;
    (service == SERVICE_NAME).then_some(&*method.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_two_paths() {
        for (path, name) in [
            ("/v1/get-node-info", "GetNodeInfo"),
            ("/v1/bolt11-receive-for-hash", "Bolt11ReceiveForHash"),
            ("/api.LightningNode/GetNodeInfo", "GetNodeInfo"),
        ] {
            assert_eq!(name_in(path), Some(name), "{path}");
        }
        for path in [
            "",
            "/",
            "/v1/",
            "/v1/GetNodeInfo",
            "/v1/getnodeinfo",
            "/v1/get-node-info/",
            "/v2/get-node-info",
            "/api.LightningNode/get-node-info",
            "/api.Other/GetNodeInfo",
        ] {
            assert_eq!(name_in(path), None, "{path}");
        }
    }
}
