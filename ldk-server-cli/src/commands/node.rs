//! The node as a whole.

use clap::Args;
use ldk_server_grpc::api::{GetBalancesRequest, GetNodeInfoRequest, StepDownRequest};

unary_commands!(Commands {
    GetNodeInfo => get_node_info,
    GetBalances => get_balances,
    StepDown => step_down,
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

/// Hand the node over to its standby, and print which one that is
///
/// The standby serves within a moment, and this server becomes the standby of the other if its
/// configuration says so. Refused when no standby waits. With several addresses (--base-url A,B) the
/// command finds the server that has the node.
#[derive(Debug, Args)]
pub(crate) struct StepDown;

impl From<StepDown> for StepDownRequest {
    fn from(_: StepDown) -> Self {
        Self {}
    }
}
