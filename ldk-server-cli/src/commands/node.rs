//! The node as a whole.

use clap::Args;
use ldk_server_grpc::api::{GetBalancesRequest, GetNodeInfoRequest};

unary_commands!(Commands {
    GetNodeInfo => get_node_info,
    GetBalances => get_balances,
});

/// Show the node's id, network, addresses, best block and last sync times
#[derive(Debug, Args)]
pub(crate) struct GetNodeInfo;

impl From<GetNodeInfo> for GetNodeInfoRequest {
    fn from(_: GetNodeInfo) -> Self {
        Self {}
    }
}

/// Show the node's on-chain and channel balances, in sat
#[derive(Debug, Args)]
pub(crate) struct GetBalances;

impl From<GetBalances> for GetBalancesRequest {
    fn from(_: GetBalances) -> Self {
        Self {}
    }
}
