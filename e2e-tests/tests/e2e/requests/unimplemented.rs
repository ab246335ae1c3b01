//! What this version does not do.

use anyhow::Result;
use e2e_tests::{Node, NodeConfig, RawConnection, grpc_frame, refused, signed_request};
use ldk_server_client::Code;
use ldk_server_client::api::Bolt11SendUnderpayingRequest;
use ldk_server_grpc::RPC_NAMES;

pub(super) async fn calls_say_so(node: &Node) -> Result<()> {
    let request = Bolt11SendUnderpayingRequest::default();
    let answer = node.client().bolt11_send_underpaying(request).await;
    refused(answer, Code::Unimplemented, &["0.7.1", "less than"]);

    // The answer to the second would have no end.
    let others = ["Bolt11SendUnderpaying", "SubscribeEvents"];
    for method in RPC_NAMES.iter().filter(|name| !others.contains(name)) {
        let status = status_of_an_empty_request(node.config(), method).await?;
        assert_ne!(status, Code::Unimplemented as i32, "{method}");
    }
    Ok(())
}

async fn status_of_an_empty_request(node: &NodeConfig, method: &str) -> Result<i32> {
    let request = signed_request(node, method, grpc_frame(&[]))?;
    RawConnection::open(node).await?.send(request).await?.grpc_status()
}
