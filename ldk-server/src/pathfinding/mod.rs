//! Looks for routes as the library would if it were to pay now. The library's own router cannot be
//! asked, so this one has a copy of the network graph, the stored scores and the channels of the moment.

mod first_hops;
mod graph;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::routing::gossip::NodeId;
use ldk_node::lightning::routing::router::{Path, Route, RouteParameters, find_route};
use ldk_node::lightning::routing::scoring::{
    ProbabilisticScorer, ProbabilisticScoringDecayParameters, ProbabilisticScoringFeeParameters,
};
use ldk_node::lightning::util::logger::{Logger, Record};
use ldk_node::lightning::util::ser::ReadableArgs as _;
use ldk_node::{ChannelDetails, graph::NetworkGraph as LiveGraph};

use graph::Graph;

/// How old the copy of the graph may become. Making it takes a tenth of a second for the whole network.
const MAX_GRAPH_AGE: Duration = Duration::from_secs(60);

/// The library draws a random detour for the privacy of the payee, which it hides in the time locks.
/// Who only asks gets the same answer each time.
const SEED: [u8; 32] = [0; 32];

/// Looks for routes from this node.
pub struct PathFinder {
    payer: PublicKey,
    network: Network,
    copy: Mutex<Option<Copy>>,
}

/// The graph as it was.
#[derive(Clone)]
struct Copy {
    graph: Arc<Graph>,
    made_at: Instant,
}

/// What the node knows at the moment, beside the graph.
pub struct Knowledge<'a> {
    /// Its channels.
    pub channels: &'a [ChannelDetails],
    /// What it remembers of earlier payments, as the library stores it; empty if that is nothing.
    pub scores: &'a [u8],
}

/// A route.
pub struct Found {
    /// The route.
    pub route: Route,
    /// How likely it is that the amount gets through in the first attempt, by what earlier payments
    /// have shown; between 0 and 1. `None` if nothing is known of a channel on the way.
    pub success_probability: Option<f64>,
    /// How old the copy of the graph is that it was found in.
    pub graph_age: Duration,
}

type Scorer = ProbabilisticScorer<Arc<Graph>, Silent>;

impl PathFinder {
    /// Looks for routes from this node.
    pub fn new(payer: PublicKey, network: Network) -> Self {
        Self { payer, network, copy: Mutex::default() }
    }

    /// The route that the library would try first; `None` if there is none. Takes a tenth of a second
    /// when the copy of the graph is made anew.
    pub fn find(
        &self,
        live: &LiveGraph,
        known: &Knowledge<'_>,
        wanted: &RouteParameters,
    ) -> Option<Found> {
        let Copy { graph, made_at } = self.copy(live);
        let first_hops = first_hops::of(known.channels);
        let first_hops: Vec<_> = first_hops.iter().collect();
        let scorer = scorer(known.scores, &graph);
        let weights = ProbabilisticScoringFeeParameters::default();
        let hops = Some(first_hops.as_slice());
        let route =
            find_route(&self.payer, wanted, &graph, hops, Silent, &scorer, &weights, &SEED).ok()?;
        let success_probability = probability(&scorer, &weights, &route);
        Some(Found { route, success_probability, graph_age: made_at.elapsed() })
    }

    fn copy(&self, live: &LiveGraph) -> Copy {
        // Held while the copy is made, so that it is made once; all who come then wait for it.
        let mut copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        match &*copy {
            Some(copy) if copy.made_at.elapsed() < MAX_GRAPH_AGE => copy.clone(),
            _ => {
                let graph = Arc::new(graph::copy(live, self.network));
                copy.insert(Copy { graph, made_at: Instant::now() }).clone()
            },
        }
    }
}

/// What the library remembers of earlier payments. If it cannot be read, nothing is.
fn scorer(stored: &[u8], graph: &Arc<Graph>) -> Scorer {
    let decay = ProbabilisticScoringDecayParameters::default();
    let known = || (decay, Arc::clone(graph), Silent);
    let mut bytes = stored;
    match Scorer::read(&mut bytes, known()) {
        Ok(scorer) => scorer,
        Err(error) => {
            if !stored.is_empty() {
                tracing::warn!(%error, "the scores of channels cannot be read");
            }
            Scorer::new(decay, Arc::clone(graph), Silent)
        },
    }
}

fn probability(
    scorer: &Scorer,
    weights: &ProbabilisticScoringFeeParameters,
    route: &Route,
) -> Option<f64> {
    let of_path = |path: &Path| {
        // What the node's own channels can send is known.
        let public = (1..path.hops.len()).map(|index| {
            let hop = &path.hops[index];
            let (scid, node) = (hop.short_channel_id, NodeId::from_pubkey(&hop.pubkey));
            let amount_msat = amount_msat(path, index);
            scorer.live_estimated_payment_success_probability(scid, &node, amount_msat, weights)
        });
        public.product::<Option<f64>>()
    };
    route.paths.iter().map(of_path).product()
}

/// What arrives at the end of a hop of a path, in millisatoshis.
pub fn amount_msat(path: &Path, hop: usize) -> u64 {
    let behind_msat = path.blinded_tail.as_ref().map_or(0, |tail| tail.final_value_msat);
    let kept_msat = path.hops.iter().skip(hop).map(|hop| hop.fee_msat);
    kept_msat.fold(behind_msat, u64::saturating_add)
}

/// Drops what the router says: it describes each channel that it looks at.
#[derive(Clone, Copy)]
struct Silent;

impl std::ops::Deref for Silent {
    type Target = Self;

    fn deref(&self) -> &Self {
        self
    }
}

impl Logger for Silent {
    fn log(&self, _: Record<'_>) {}
}
