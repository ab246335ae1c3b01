//! The service `api.LightningNode`: one line a method, and the one place where a call meets the
//! async runtime.

mod amount;
mod attempt;
mod backup;
mod bills;
mod bolt11;
mod bolt12;
mod calls;
mod channel_config;
mod channels;
mod consumers;
mod crypto;
mod decode;
mod events;
mod feed;
mod fields;
mod graph;
mod hodl;
mod jit;
mod liquidity;
mod names;
mod node;
mod onchain;
mod own_offers;
mod pasted;
mod payments;
mod peers;
mod route;
mod splice;
mod spontaneous;
mod unified;
mod uri;

use std::sync::Arc;

use ldk_node::Node;
use ldk_node::bitcoin::Network;
use ldk_node::config::ChannelConfig;
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_node::lightning_types::features::NodeFeatures;
use ldk_server_grpc::api;
use ldk_server_grpc::api::lightning_node_server::LightningNode;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

pub use bills::Bills;
pub use calls::Calls;
pub use jit::Lsp;
pub use names::Names;

use crate::backup::Backups;
use crate::caller::Caller;
use crate::error::Error;
use crate::gate::PeerGate;
use crate::node::channel_settings::ChannelSettings;
use crate::node::spending::Spending;
use crate::node::splices::Splices;
use crate::store::{Holds, Store};

/// What the calls of a started server work with.
pub struct App {
    /// The Lightning node.
    pub node: Arc<Node>,
    /// Its Bitcoin network.
    pub network: Network,
    /// On-chain transactions, one after the other.
    pub spending: Spending,
    /// Channels that are being spliced.
    pub splices: Splices,
    /// The settings of the channels.
    pub channel_settings: Arc<ChannelSettings>,
    /// What is on disk.
    pub store: Arc<Store>,
    /// Payments that wait to be claimed.
    pub holds: Holds,
    /// Who opens just-in-time channels to us, if anyone does.
    pub lsp: Option<Lsp>,
    /// Bills that are being paid in one of several ways.
    pub bills: Bills,
    /// Where names are looked up.
    pub names: Names,
    /// What the node announces that it can do.
    pub features: NodeFeatures,
    /// What stands between the node and its peers.
    pub gate: Arc<PeerGate>,
    /// What backups are made of.
    pub backups: Backups,
    /// The limits of payments whose requests leave them out.
    pub route_defaults: RouteParametersConfig,
    /// The settings of channels that are opened by requests that leave them out.
    pub channel_defaults: ChannelConfig,
}

/// How far the server is.
#[derive(Clone)]
pub enum Phase {
    /// Not ready yet; the text says what it is doing.
    Starting(String),
    /// Serving.
    Ready(Arc<App>),
}

/// The server side of `api.LightningNode`.
#[derive(Clone)]
pub struct Service {
    phase: watch::Receiver<Phase>,
    calls: Calls,
    stopping: CancellationToken,
}

impl Service {
    /// A service that answers UNAVAILABLE until `phase` is ready, and ends its streams when
    /// `stopping` is cancelled.
    pub fn new(phase: watch::Receiver<Phase>, calls: Calls, stopping: CancellationToken) -> Self {
        Self { phase, calls, stopping }
    }

    fn app(&self) -> Result<Arc<App>, Error> {
        self.not_stopping()?;
        match &*self.phase.borrow() {
            Phase::Ready(app) => Ok(Arc::clone(app)),
            Phase::Starting(doing) => Err(Error::Unavailable(format!("starting: {doing}"))),
        }
    }

    fn not_stopping(&self) -> Result<(), Error> {
        if self.stopping.is_cancelled() {
            return Err(Error::Unavailable("the server is stopping".to_owned()));
        }
        Ok(())
    }

    /// Runs a handler off the async threads.
    async fn call<Q, R>(
        &self,
        method: &'static str,
        request: Request<Q>,
        handler: fn(&App, Q) -> Result<R, Error>,
    ) -> Result<Response<R>, Status>
    where
        Q: Send + 'static,
        R: Send + 'static,
    {
        self.call_for(method, request, move |app, _, request| handler(app, request)).await
    }

    /// Runs a handler that needs to know whether its caller still waits.
    async fn call_for<Q, R>(
        &self,
        method: &'static str,
        request: Request<Q>,
        handler: impl FnOnce(&App, &Caller, Q) -> Result<R, Error> + Send + 'static,
    ) -> Result<Response<R>, Status>
    where
        Q: Send + 'static,
        R: Send + 'static,
    {
        let app = self.app()?;
        let caller = caller_of(&request);
        let request = request.into_inner();
        let working = Arc::clone(&app);
        let work = move || {
            // The call may have waited for a thread.
            caller.still_waits()?;
            handler(&working, &caller, request)
        };
        let reply = self.calls.run(method, work).await;
        Ok(Response::new(let_out(&app, reply).await?))
    }

    /// Runs a handler that needs no node, and so answers while the server starts, too.
    async fn call_without_node<Q, R>(
        &self,
        method: &'static str,
        request: Request<Q>,
        handler: fn(Q) -> Result<R, Error>,
    ) -> Result<Response<R>, Status>
    where
        Q: Send + 'static,
        R: Send + 'static,
    {
        self.not_stopping()?;
        let request = request.into_inner();
        let reply = self.calls.run(method, move || handler(request)).await?;
        Ok(Response::new(reply))
    }
}

fn caller_of<Q>(request: &Request<Q>) -> Caller {
    request.extensions().get().cloned().unwrap_or_default()
}

/// Lets an answer out when all that it tells is on disk.
async fn let_out<R>(app: &App, answer: Result<R, Error>) -> Result<R, Error> {
    app.store.all_durable().await.map_err(|error| Error::Unavailable(error.to_string()))?;
    answer
}

/// One line a method. The methods of the trait that are not here answer UNIMPLEMENTED "not yet".
macro_rules! lightning_node {
    (
        $($method:ident($request:ident) -> $response:ident = $handler:path;)*
        @spending
        $($spend:ident($spend_request:ident) -> $spend_response:ident = $spend_handler:path;)*
        @without_node
        $($free:ident($free_request:ident) -> $free_response:ident = $free_handler:path;)*
    ) => {
        #[tonic::async_trait]
        impl LightningNode for Service {
            async fn subscribe_events(
                &self,
                request: Request<api::SubscribeEventsRequest>,
            ) -> Result<Response<events::Stream>, Status> {
                let app = self.app()?;
                let stopping = self.stopping.clone();
                Ok(events::subscribe(app, &self.calls, request, stopping).await?)
            }

            async fn create_backup(
                &self,
                request: Request<api::CreateBackupRequest>,
            ) -> Result<Response<backup::Stream>, Status> {
                let app = self.app()?;
                let stopping = self.stopping.clone();
                Ok(backup::create(app, &self.calls, request, stopping)?)
            }

            async fn connect_peer(
                &self,
                request: Request<api::ConnectPeerRequest>,
            ) -> Result<Response<api::ConnectPeerResponse>, Status> {
                let app = self.app()?;
                let peer = peers::parse(&app, request.into_inner())?;
                let reply = self.calls.connect(Arc::clone(&app), peer).await;
                Ok(Response::new(let_out(&app, reply).await?))
            }

            async fn open_channel(
                &self,
                request: Request<api::OpenChannelRequest>,
            ) -> Result<Response<api::OpenChannelResponse>, Status> {
                let app = self.app()?;
                let caller = caller_of(&request);
                let open = channels::parse_open(&app, request.into_inner())?;
                // Connecting first keeps a peer that does not answer from leaving it open whether
                // a channel was asked for.
                self.calls.connect(Arc::clone(&app), open.peer.clone()).await?;
                let working = Arc::clone(&app);
                let work = move || channels::open(&working, &caller, open);
                let reply = self.calls.run("open_channel", work).await;
                Ok(Response::new(let_out(&app, reply).await?))
            }

            async fn bolt11_receive_via_jit_channel(
                &self,
                request: Request<api::Bolt11ReceiveViaJitChannelRequest>,
            ) -> Result<Response<api::Bolt11ReceiveViaJitChannelResponse>, Status> {
                let app = self.app()?;
                let order = jit::parse(request.into_inner())?;
                let invoice = self.calls.order_channel(Arc::clone(&app), order).await;
                let invoice = let_out(&app, invoice).await?;
                Ok(Response::new(api::Bolt11ReceiveViaJitChannelResponse { invoice }))
            }

            async fn bolt11_receive_variable_amount_via_jit_channel(
                &self,
                request: Request<api::Bolt11ReceiveVariableAmountViaJitChannelRequest>,
            ) -> Result<Response<api::Bolt11ReceiveVariableAmountViaJitChannelResponse>, Status>
            {
                let app = self.app()?;
                let order = jit::parse_variable_amount(request.into_inner())?;
                let invoice = self.calls.order_channel(Arc::clone(&app), order).await;
                let invoice = let_out(&app, invoice).await?;
                let reply = api::Bolt11ReceiveVariableAmountViaJitChannelResponse { invoice };
                Ok(Response::new(reply))
            }

            async fn unified_send(
                &self,
                request: Request<api::UnifiedSendRequest>,
            ) -> Result<Response<api::UnifiedSendResponse>, Status> {
                let (names, network, defaults) = {
                    let app = self.app()?;
                    (app.names.clone(), app.network, app.route_defaults)
                };
                let caller = caller_of(&request);
                let request = request.into_inner();
                let bill = unified::parse(&names, network, &self.calls, defaults, request).await?;
                // A name takes its time: the server may be stopping by now.
                let app = self.app()?;
                let working = Arc::clone(&app);
                let work = move || {
                    caller.still_waits()?;
                    unified::pay(&working, &caller, bill)
                };
                let reply = self.calls.run("unified_send", work).await;
                Ok(Response::new(let_out(&app, reply).await?))
            }

            $(async fn $method(
                &self,
                request: Request<api::$request>,
            ) -> Result<Response<api::$response>, Status> {
                self.call(stringify!($method), request, $handler).await
            })*

            $(async fn $spend(
                &self,
                request: Request<api::$spend_request>,
            ) -> Result<Response<api::$spend_response>, Status> {
                self.call_for(stringify!($spend), request, $spend_handler).await
            })*

            $(async fn $free(
                &self,
                request: Request<api::$free_request>,
            ) -> Result<Response<api::$free_response>, Status> {
                self.call_without_node(stringify!($free), request, $free_handler).await
            })*
        }
    };
}

lightning_node! {
    get_node_info(GetNodeInfoRequest) -> GetNodeInfoResponse = node::get_node_info;
    get_balances(GetBalancesRequest) -> GetBalancesResponse = node::get_balances;
    onchain_receive(OnchainReceiveRequest) -> OnchainReceiveResponse = onchain::receive;
    bolt11_receive(Bolt11ReceiveRequest) -> Bolt11ReceiveResponse = bolt11::receive;
    bolt11_send(Bolt11SendRequest) -> Bolt11SendResponse = bolt11::send;
    bolt11_send_underpaying(Bolt11SendUnderpayingRequest) -> Bolt11SendUnderpayingResponse
        = bolt11::send_underpaying;
    bolt11_receive_for_hash(Bolt11ReceiveForHashRequest) -> Bolt11ReceiveForHashResponse
        = hodl::receive;
    bolt11_claim_for_hash(Bolt11ClaimForHashRequest) -> Bolt11ClaimForHashResponse = hodl::claim;
    bolt11_fail_for_hash(Bolt11FailForHashRequest) -> Bolt11FailForHashResponse = hodl::fail;
    bolt12_receive(Bolt12ReceiveRequest) -> Bolt12ReceiveResponse = bolt12::receive;
    bolt12_send(Bolt12SendRequest) -> Bolt12SendResponse = bolt12::send;
    spontaneous_send(SpontaneousSendRequest) -> SpontaneousSendResponse = spontaneous::send;
    close_channel(CloseChannelRequest) -> CloseChannelResponse = channels::close;
    force_close_channel(ForceCloseChannelRequest) -> ForceCloseChannelResponse
        = channels::force_close;
    update_channel_config(UpdateChannelConfigRequest) -> UpdateChannelConfigResponse
        = channel_config::update;
    list_channels(ListChannelsRequest) -> ListChannelsResponse = channels::list;
    get_payment_details(GetPaymentDetailsRequest) -> GetPaymentDetailsResponse = payments::get;
    list_payments(ListPaymentsRequest) -> ListPaymentsResponse = payments::list;
    list_forwarded_payments(ListForwardedPaymentsRequest) -> ListForwardedPaymentsResponse
        = payments::list_forwarded;
    ack_events(AckEventsRequest) -> AckEventsResponse = consumers::ack;
    list_event_consumers(ListEventConsumersRequest) -> ListEventConsumersResponse
        = consumers::list;
    delete_event_consumer(DeleteEventConsumerRequest) -> DeleteEventConsumerResponse
        = consumers::delete;
    disconnect_peer(DisconnectPeerRequest) -> DisconnectPeerResponse = peers::disconnect;
    list_peers(ListPeersRequest) -> ListPeersResponse = peers::list;
    sign_message(SignMessageRequest) -> SignMessageResponse = crypto::sign_message;
    verify_signature(VerifySignatureRequest) -> VerifySignatureResponse = crypto::verify_signature;
    export_pathfinding_scores(ExportPathfindingScoresRequest) -> ExportPathfindingScoresResponse
        = graph::export_pathfinding_scores;
    graph_list_channels(GraphListChannelsRequest) -> GraphListChannelsResponse
        = graph::list_channels;
    graph_get_channel(GraphGetChannelRequest) -> GraphGetChannelResponse = graph::get_channel;
    graph_list_nodes(GraphListNodesRequest) -> GraphListNodesResponse = graph::list_nodes;
    graph_get_node(GraphGetNodeRequest) -> GraphGetNodeResponse = graph::get_node;

    @spending
    onchain_send(OnchainSendRequest) -> OnchainSendResponse = onchain::send;
    splice_in(SpliceInRequest) -> SpliceInResponse = splice::splice_in;
    splice_out(SpliceOutRequest) -> SpliceOutResponse = splice::splice_out;

    @without_node
    decode_invoice(DecodeInvoiceRequest) -> DecodeInvoiceResponse = decode::invoice;
    decode_offer(DecodeOfferRequest) -> DecodeOfferResponse = decode::offer;
}
