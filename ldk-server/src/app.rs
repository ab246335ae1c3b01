//! What the operations of a started server work with.

use std::sync::Arc;

use ldk_node::Node;
use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::ChannelConfig;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_node::lightning_types::features::NodeFeatures;
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::backup::Backups;
use crate::books::Books;
use crate::bulkhead::Bulkhead;
use crate::chain::fee_rates::FeeRates;
use crate::executor::Executor;
use crate::gate::PeerGate;
use crate::hold::HeldPayments;
use crate::hrn::Names;
use crate::intents::Intents;
use crate::lnurl::Services;
use crate::locks::KeyLocks;
use crate::node::channel_settings::ChannelSettings;
use crate::pathfinding::PathFinder;
use crate::payment_requests::PaymentRequests;
use crate::permissions::Permissions;
use crate::secrets::DerivedSecrets;
use crate::store::Store;
use crate::wallet::{Spending, Splices};
use crate::webhooks::Webhooks;

/// Orders of just-in-time channels at once: each waits for the provider's answers, up to 10 seconds.
const MAX_ORDERING: usize = 8;
/// Connection attempts at once, apart from the calls, which they would otherwise hold up: each
/// takes until the peer answers.
const MAX_CONNECTING: usize = 32;
/// Reads of the disk at once for all who wait, so that other calls find a free thread.
const MAX_READING_FOR_WAITERS: usize = 4;

/// A started server.
pub struct App {
    /// The Lightning node.
    pub node: Arc<Node>,
    /// Its Bitcoin network.
    pub network: Network,
    /// Runs blocking work.
    pub executor: Executor,
    /// Who may call.
    pub permissions: Permissions,
    /// Records the calls.
    pub audit: Arc<Audit>,
    /// On-chain transactions, one after the other.
    pub spending: Arc<Spending>,
    /// The fee rates that the chain source estimates.
    pub(crate) fee_rates: FeeRates,
    /// Channels that are being spliced.
    pub splices: Arc<Splices>,
    /// What is written down of channels.
    pub books: Arc<Books>,
    /// The settings of the channels.
    pub channel_settings: Arc<ChannelSettings>,
    /// The database.
    pub store: Arc<Store>,
    /// What the secrets of callers are derived from.
    pub derived_secrets: DerivedSecrets,
    /// Held payments.
    pub held: Arc<HeldPayments>,
    /// The provider of just-in-time channels, if one is configured.
    pub lsp: Option<LiquidityProvider>,
    /// The provider of channels that are ordered, if one is configured.
    pub channel_provider: Option<ChannelProvider>,
    /// Payment requests that are being paid in one of several ways.
    pub payment_requests: PaymentRequests,
    /// Calls under keys that are being carried out.
    pub intents: Intents,
    /// The resolver of names (BIP 353).
    pub names: Names,
    /// Asks LNURL services.
    pub lnurl: Services,
    /// The features that the node announces.
    pub features: NodeFeatures,
    /// The gate between the node and its peers.
    pub gate: Arc<PeerGate>,
    /// Whether what goes into channels draws on budgets.
    pub budgets_count_funding: bool,
    /// What backups are made of.
    pub backups: Backups,
    /// Looks for routes.
    pub path_finder: PathFinder,
    /// The default limits of routes.
    pub route_defaults: RouteParametersConfig,
    /// The default settings of new channels.
    pub channel_defaults: ChannelConfig,
    /// Connection attempts.
    pub connecting: Bulkhead,
    /// Reads of the disk for subscribers who are behind.
    pub replaying: Bulkhead,
    /// Labels for which an invoice is being made.
    pub labels: KeyLocks<String>,
    /// Calls that wait for something to happen.
    pub waiting: Bulkhead,
    /// What those who wait read from the disk and the library.
    pub reading_for_waiters: Bulkhead,
    /// Backups that are being made.
    pub backing_up: Bulkhead,
    /// URLs that events are posted to.
    pub webhooks: Arc<Webhooks>,
    /// Cancelled when the standby is to take the place of this node.
    pub stepping_down: CancellationToken,
}

/// A provider of channels (an LSP).
pub struct LiquidityProvider {
    /// Its node id.
    pub node_id: PublicKey,
    /// Its address.
    pub address: SocketAddress,
    /// The bound of open orders.
    pub ordering: Bulkhead,
}

impl LiquidityProvider {
    /// A provider without open orders.
    pub fn new(node_id: PublicKey, address: SocketAddress) -> Self {
        let full = format!("{MAX_ORDERING} channels are being ordered");
        Self { node_id, address, ordering: Bulkhead::new(MAX_ORDERING, &full) }
    }
}

/// A provider of channels that are ordered (LSPS1).
pub struct ChannelProvider {
    /// Who it is.
    pub provider: LiquidityProvider,
    /// The one call that asks it something at a time.
    pub asking: Bulkhead,
}

impl ChannelProvider {
    /// A provider that is not asked anything.
    pub fn new(provider: LiquidityProvider) -> Self {
        Self { provider, asking: Bulkhead::new(1, "the liquidity provider is being asked") }
    }
}

/// The bound of connection attempts.
pub fn connecting() -> Bulkhead {
    Bulkhead::new(MAX_CONNECTING, &format!("{MAX_CONNECTING} connection attempts are under way"))
}

/// The bound of calls that wait for something to happen.
pub fn waiting(max_waiting_calls: usize) -> Bulkhead {
    let full = format!("limits.max_waiting_calls: {max_waiting_calls} calls wait");
    Bulkhead::new(max_waiting_calls, &full)
}

/// The bound of reads for those who wait.
pub fn reading_for_waiters() -> Bulkhead {
    Bulkhead::new(MAX_READING_FOR_WAITERS, "too much is read for calls that wait")
}

/// The bound of backups.
pub fn backing_up() -> Bulkhead {
    Bulkhead::new(1, "another backup is being made")
}
