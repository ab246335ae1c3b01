//! `listnodes` and `listchannels`: the network graph.

use ldk_node::lightning::routing::gossip::{ChannelInfo, ChannelUpdateInfo, NodeId as GraphNodeId};
use ldk_server_grpc::api::{GraphListChannelsRequest, GraphListNodesRequest};
use ldk_server_grpc::types::GraphNode;
use serde::Serialize;

use super::address::Address;
use super::open_channels::parse_scid;
use super::scid::scid;
use super::{Method, features};
use crate::api::rpc;
use crate::app::App;
use crate::cln::Call;
use crate::cln::args::{Args, NodeId};
use crate::cln::error::RpcError;
use crate::error::Error;
use crate::{ops, wire};

/// Several times what the public network has.
const MAX_ROWS: usize = 500_000;
const MSAT: u64 = 1_000;

/// `listnodes`: the public nodes.
pub(super) struct ListNodes {
    id: Option<GraphNodeId>,
}

#[derive(Serialize)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Serialize)]
struct Node {
    nodeid: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    announcement: Option<Announcement>,
}

#[derive(Serialize)]
struct Announcement {
    last_timestamp: u32,
    alias: String,
    color: String,
    features: String,
    addresses: Vec<Address>,
}

fn graph_id(args: &Args, name: &'static str) -> Result<Option<GraphNodeId>, RpcError> {
    let Some(NodeId(id)) = args.optional(name)? else { return Ok(None) };
    id.parse().map(Some).map_err(|_| RpcError::params(format!("{name}: should be a node id")))
}

impl Method for ListNodes {
    const NAME: &'static str = "listnodes";
    const USAGE: &'static str = "[id]";
    const IS_LONG: bool = true;
    type Answer = Nodes;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { id: graph_id(args, "id")? })
    }

    async fn run(self, call: Call) -> Result<Nodes, RpcError> {
        call.ask(rpc::GraphListNodes, GraphListNodesRequest {}).await?;
        let nodes = call.read("list_nodes", move |app| {
            let ids = self.id.map_or_else(|| ops::graph::list_nodes(app), |id| vec![id]);
            let nodes = ids.into_iter().filter_map(|id| {
                Some(Node::of(id.to_string(), wire::graph::node(ops::graph::node(app, &id)?)))
            });
            bounded(nodes)
        });
        Ok(Nodes { nodes: nodes.await? })
    }
}

fn bounded<T>(rows: impl Iterator<Item = T>) -> Result<Vec<T>, Error> {
    let rows: Vec<_> = rows.take(MAX_ROWS + 1).collect();
    if rows.len() > MAX_ROWS {
        let reason = format!("the graph has more than {MAX_ROWS}; ask for those of one node");
        return Err(Error::FailedPrecondition(reason));
    }
    Ok(rows)
}

impl Node {
    fn of(nodeid: String, node: GraphNode) -> Self {
        let announcement = node.announcement_info.map(|of| Announcement {
            last_timestamp: of.last_update,
            alias: of.alias,
            color: of.rgb,
            features: features::bits(&of.features),
            addresses: of.addresses.iter().filter_map(|text| Address::parse(text)).collect(),
        });
        Self { nodeid, announcement }
    }
}

/// `listchannels`: the public channels, each direction apart.
pub(super) struct ListChannels {
    wanted: Wanted,
}

enum Wanted {
    All,
    Number(u64),
    Source(GraphNodeId),
    Destination(GraphNodeId),
}

#[derive(Serialize)]
pub(super) struct Channels {
    channels: Vec<Half>,
}

#[derive(Serialize)]
struct Half {
    source: String,
    destination: String,
    short_channel_id: String,
    direction: u8,
    public: bool,
    amount_msat: u64,
    message_flags: u8,
    channel_flags: u8,
    active: bool,
    last_update: u32,
    base_fee_millisatoshi: u32,
    fee_per_millionth: u32,
    delay: u16,
    htlc_minimum_msat: u64,
    htlc_maximum_msat: u64,
    features: String,
}

impl Method for ListChannels {
    const NAME: &'static str = "listchannels";
    const USAGE: &'static str = "[short_channel_id] [source] [destination]";
    const IS_LONG: bool = true;
    type Answer = Channels;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let number = args.optional::<String>("short_channel_id")?;
        let nodes = (graph_id(args, "source")?, graph_id(args, "destination")?);
        let wanted = match (number, nodes) {
            (None, (None, None)) => Wanted::All,
            (None, (Some(source), None)) => Wanted::Source(source),
            (None, (None, Some(destination))) => Wanted::Destination(destination),
            (Some(text), (None, None)) => {
                let wrong = "short_channel_id: should be a short_channel_id of form NxNxN";
                let number = parse_scid(&text).ok_or_else(|| RpcError::params(wrong))?;
                Wanted::Number(number)
            },
            _ => {
                return Err(RpcError::params(
                    "Can only specify one of `short_channel_id`, `source` or `destination`",
                ));
            },
        };
        Ok(Self { wanted })
    }

    async fn run(self, call: Call) -> Result<Channels, RpcError> {
        call.ask(rpc::GraphListChannels, GraphListChannelsRequest {}).await?;
        let channels = call.read("list_graph_channels", move |app| {
            let numbers = self.numbers(app).into_iter();
            let channels =
                numbers.filter_map(|number| Some((number, ops::graph::channel(app, number)?)));
            let halves = channels.flat_map(|(number, channel)| halves(number, &channel));
            bounded(halves.filter(|half| self.wants(half)))
        });
        Ok(Channels { channels: channels.await? })
    }
}

impl ListChannels {
    fn numbers(&self, app: &App) -> Vec<u64> {
        match &self.wanted {
            Wanted::All => {
                let mut numbers = ops::graph::list_channels(app);
                numbers.sort_unstable();
                numbers
            },
            Wanted::Number(number) => vec![*number],
            Wanted::Source(node) | Wanted::Destination(node) => {
                ops::graph::node(app, node).map(|node| node.channels).unwrap_or_default()
            },
        }
    }

    fn wants(&self, half: &Half) -> bool {
        match &self.wanted {
            Wanted::All | Wanted::Number(_) => true,
            Wanted::Source(node) => half.source == node.to_string(),
            Wanted::Destination(node) => half.destination == node.to_string(),
        }
    }
}

/// The directions that have been announced.
fn halves(number: u64, channel: &ChannelInfo) -> Vec<Half> {
    let updates = [&channel.one_to_two, &channel.two_to_one];
    let most_msat = updates.iter().filter_map(|update| Some(update.as_ref()?.htlc_maximum_msat));
    // Where the funding was not looked up, the channel has at least what it takes in one payment.
    let amount_msat = match channel.capacity_sats {
        Some(sats) => sats.saturating_mul(MSAT),
        None => most_msat.max().unwrap_or_default(),
    };
    let (one, two) = (channel.node_one.to_string(), channel.node_two.to_string());
    let mut features = channel.features.le_flags().to_vec();
    features.reverse();
    let features = hex::encode(features);
    let half =
        |direction: u8, source: &String, destination: &String, of: &ChannelUpdateInfo| Half {
            source: source.clone(),
            destination: destination.clone(),
            short_channel_id: scid(number),
            direction,
            public: true,
            amount_msat,
            message_flags: 1,
            channel_flags: direction | (u8::from(!of.enabled) << 1),
            active: of.enabled,
            last_update: of.last_update,
            base_fee_millisatoshi: of.fees.base_msat,
            fee_per_millionth: of.fees.proportional_millionths,
            delay: of.cltv_expiry_delta,
            htlc_minimum_msat: of.htlc_minimum_msat,
            htlc_maximum_msat: of.htlc_maximum_msat,
            features: features.clone(),
        };
    let there = channel.one_to_two.as_ref().map(|of| half(0, &one, &two, of));
    let back = channel.two_to_one.as_ref().map(|of| half(1, &two, &one, of));
    there.into_iter().chain(back).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    fn read(params: Value) -> Result<Wanted, RpcError> {
        ListChannels::read(&Args::of(ListChannels::USAGE, Some(params))?).map(|read| read.wanted)
    }

    #[test]
    fn channels_are_wanted_by_one_thing() {
        assert!(matches!(read(json!([])), Ok(Wanted::All)));
        assert!(matches!(read(json!(["1x1x1"])), Ok(Wanted::Number(_))));
        assert!(matches!(read(json!({"source": ID})), Ok(Wanted::Source(_))));
        assert!(matches!(read(json!({"destination": ID})), Ok(Wanted::Destination(_))));
        for params in
            [json!(["1x1"]), json!(["1x1x1", ID]), json!([null, ID, ID]), json!([null, "02"])]
        {
            assert_eq!(read(params).err().unwrap().code, -32602);
        }
    }

    #[test]
    fn a_node_may_have_announced_nothing() {
        let silent = serde_json::to_value(Node::of(ID.to_owned(), GraphNode::default())).unwrap();
        assert_eq!(silent, json!({"nodeid": ID}));
    }
}
