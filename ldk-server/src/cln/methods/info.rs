//! `getinfo`.

use std::sync::Arc;

use ldk_server_grpc::api::{
    GetNodeInfoRequest, GetNodeInfoResponse, ListChannelsRequest, ListPeersRequest,
};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::Method;
use super::address::Address;
use crate::api::rpc;
use crate::app::App;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::error::Error;
use crate::store::ForwardPlace;

/// Clients read the release of Core Lightning up to the first dash; this is the one whose methods and
/// fields are meant.
const VERSION: &str = concat!("v26.06-ldk-server-", env!("CARGO_PKG_VERSION"));

/// `getinfo`: the node.
pub(super) struct GetInfo;

#[derive(Serialize)]
pub(super) struct Info {
    id: String,
    alias: String,
    /// The beginning of the id, as Core Lightning has it where none is configured.
    color: String,
    num_peers: usize,
    num_pending_channels: usize,
    num_active_channels: usize,
    num_inactive_channels: usize,
    address: Vec<Address>,
    binding: Vec<Address>,
    version: &'static str,
    blockheight: u32,
    network: String,
    fees_collected_msat: u64,
    #[serde(rename = "lightning-dir")]
    lightning_dir: String,
}

impl Method for GetInfo {
    const NAME: &'static str = "getinfo";
    const USAGE: &'static str = "";
    type Answer = Info;

    fn read(_: &Args) -> Result<Self, RpcError> {
        Ok(Self)
    }

    async fn run(self, call: Call) -> Result<Info, RpcError> {
        let node = call.ask(rpc::GetNodeInfo, GetNodeInfoRequest {}).await?;
        let peers = call.ask(rpc::ListPeers, ListPeersRequest {}).await?.peers;
        let channels = call.ask(rpc::ListChannels, ListChannelsRequest {}).await?.channels;
        let shared = &call.cln.0;
        let fees_collected_msat = shared.fees_collected.msat(shared.dispatcher.app()?).await?;
        let GetNodeInfoResponse { node_id, current_best_block, node_alias, .. } = node;
        let ready = channels.iter().filter(|channel| channel.is_channel_ready);
        let num_active_channels = channels.iter().filter(|channel| channel.is_usable).count();
        let ready = ready.count();
        Ok(Info {
            color: node_id.chars().take(6).collect(),
            id: node_id,
            alias: node_alias.unwrap_or_default(),
            num_peers: peers.iter().filter(|peer| peer.is_connected).count(),
            num_pending_channels: channels.len() - ready,
            num_active_channels,
            num_inactive_channels: ready.saturating_sub(num_active_channels),
            address: addresses(&node.announcement_addresses),
            binding: addresses(&node.listening_addresses),
            version: VERSION,
            blockheight: current_best_block.map_or(0, |block| block.height),
            network: shared.network.to_string(),
            fees_collected_msat,
            lightning_dir: shared.network_dir.display().to_string(),
        })
    }
}

fn addresses(texts: &[String]) -> Vec<Address> {
    texts.iter().filter_map(|text| Address::parse(text)).collect()
}

/// The fees of all forwards: each forward is added once.
#[derive(Default)]
pub(in crate::cln) struct FeesCollected(Mutex<Sum>);

#[derive(Default)]
struct Sum {
    last: Option<ForwardPlace>,
    msat: u64,
}

impl FeesCollected {
    async fn msat(&self, app: Arc<App>) -> Result<u64, Error> {
        let mut sum = self.0.lock().await;
        let (mut last, mut msat) = (sum.last, sum.msat);
        let adding = spawn_blocking(move || add(&app, &mut last, &mut msat).map(|()| (last, msat)));
        let (last, msat) = adding.await.map_err(Error::internal)??;
        *sum = Sum { last, msat };
        Ok(msat)
    }
}

/// Adds the forwards after the last one.
fn add(app: &App, last: &mut Option<ForwardPlace>, msat: &mut u64) -> Result<(), Error> {
    const PAGE_SIZE: usize = 1_000;
    loop {
        let page = app.store.forwards_in_order((None, None), *last, PAGE_SIZE);
        let page = page.map_err(Error::internal)?;
        for forward in page.rows {
            *msat += forward.payment.total_fee_earned_msat.unwrap_or_default();
            *last = Some(forward.place);
        }
        if !page.has_more {
            return Ok(());
        }
    }
}
