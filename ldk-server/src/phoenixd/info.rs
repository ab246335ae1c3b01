//! `getinfo`, `getbalance` and `listchannels`.

use ldk_node::bitcoin::Network;
use ldk_server_grpc::api::GetNodeInfoRequest;
use serde::Serialize;

use super::Call;
use super::answer::{Answer, Refusal};
use super::channels::{Channel, Channels};
use crate::api::rpc;

/// The version of phoenixd whose interface it is, and the own one.
const VERSION: &str = concat!("0.8.0-ldk-server-", env!("CARGO_PKG_VERSION"));

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    node_id: String,
    channels: Vec<Channel>,
    chain: &'static str,
    block_height: u32,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Balance {
    balance_sat: u64,
    fee_credit_sat: u64,
}

pub(super) async fn get_info(call: &Call) -> Result<Answer, Refusal> {
    let info = call.ask(rpc::GetNodeInfo, GetNodeInfoRequest {}).await?;
    Answer::json(&Info {
        node_id: info.node_id,
        channels: Channels::of(call).await?.shown(),
        chain: chain(call.phoenixd.0.network),
        block_height: info.current_best_block.map_or(0, |block| block.height),
        version: VERSION,
    })
}

pub(super) async fn get_balance(call: &Call) -> Result<Answer, Refusal> {
    let balance_sat = Channels::of(call).await?.sendable_msat() / 1_000;
    // No provider takes fees in advance.
    Answer::json(&Balance { balance_sat, fee_credit_sat: 0 })
}

/// phoenixd shows here what its library has of a channel, which is another one.
pub(super) async fn list_channels(call: &Call) -> Result<Answer, Refusal> {
    Answer::json(&Channels::of(call).await?.shown())
}

/// As phoenixd calls it.
pub(super) fn chain(network: Network) -> &'static str {
    match network {
        Network::Bitcoin => "mainnet",
        Network::Testnet => "testnet3",
        Network::Testnet4 => "testnet4",
        Network::Signet => "signet",
        Network::Regtest => "regtest",
    }
}
