//! What this version does not do.

use anyhow::Result;
use e2e_tests::{Node, NodeConfig, RawConnection, grpc_frame, signed_request};
use ldk_server_client::Code;
use ldk_server_client::api::{Bolt11SendUnderpayingRequest, SubscribeEventsRequest};
use ldk_server_grpc::RPC_NAMES;

use crate::refusal::refused;

const IMPLEMENTED: [&str; 15] = [
    "GetNodeInfo",
    "GetBalances",
    "OnchainReceive",
    "OnchainSend",
    "Bolt11Receive",
    "Bolt11Send",
    "OpenChannel",
    "CloseChannel",
    "ForceCloseChannel",
    "ListChannels",
    "GetPaymentDetails",
    "ConnectPeer",
    "DisconnectPeer",
    "ListPeers",
    "SubscribeEvents",
];

pub(super) async fn calls_say_so(node: &Node) -> Result<()> {
    let request = Bolt11SendUnderpayingRequest::default();
    let answer = node.client().bolt11_send_underpaying(request).await;
    refused(answer, Code::Unimplemented, &["0.7.1", "less than"]);
    let request = SubscribeEventsRequest { resume_after_index: Some(0) };
    let answer = node.client().subscribe_events(request).await;
    refused(answer, Code::Unimplemented, &["resume_after_index"]);

    let missing = RPC_NAMES
        .iter()
        .filter(|name| !IMPLEMENTED.contains(name) && **name != "Bolt11SendUnderpaying");
    let mut count = 0;
    for method in missing {
        let (status, message) = raw_answer(node.config(), method).await?;
        assert_eq!(status, Code::Unimplemented as i32, "{method}");
        assert!(message.to_lowercase().contains("not yet"), "{method}: {message}");
        count += 1;
    }
    assert_eq!(count + IMPLEMENTED.len() + 1, RPC_NAMES.len());
    Ok(())
}

/// Status and message of the answer to an empty request.
async fn raw_answer(node: &NodeConfig, method: &str) -> Result<(i32, String)> {
    let request = signed_request(node, method, grpc_frame(&[]))?;
    let answer = RawConnection::open(node).await?.send(request).await?;
    let message = answer.headers["grpc-message"].to_str()?.replace("%20", " ");
    Ok((answer.grpc_status()?, message))
}
