//! The table of calls. Dispatch, access, the gRPC service and the rules for repeated requests are made
//! from it.

#[allow(clippy::wildcard_imports, reason = "the table names the messages of all calls")]
use ldk_server_grpc::api::*;
use ldk_server_grpc::codec::Shared;
use ldk_server_grpc::events::EventEnvelope;
use ldk_server_grpc::types::BooksEntry;

use super::{
    Admitted, Dispatcher, Stream, api_keys, async_receive, audit, backup, bolt11, bolt12, books,
    channel_config, channels, client_certs, consumers, crypto, decode, events, graph, hold,
    inbound_channels, invoices, jit, lnurl, node, onchain, onchain_fees, payments, peers, refunds,
    routes, runes, splice, spontaneous, unified, webhooks,
};
use crate::access::Access;
use crate::error::Error;

/// A call of the API.
pub trait Rpc: Send {
    /// Its request message.
    type Request: prost::Message + 'static;
    /// Its response: a message, or a [`Stream`] of messages.
    type Reply: Send + 'static;
    /// Its line in the table.
    const SPEC: RpcSpec;

    /// Runs the handler. For the dispatcher only: access is checked there.
    fn serve(
        dispatcher: &Dispatcher,
        call: Admitted,
        request: Self::Request,
    ) -> impl Future<Output = Result<Self::Reply, Error>> + Send;
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct RpcSpec {
    /// The name in the proto file.
    pub name: &'static str,
    /// The group of calls that a caller must have access to.
    pub access: Access,
    /// How it runs.
    pub kind: Kind,
    /// Whether it needs a started node.
    pub needs_node: bool,
    /// What it changes.
    pub impact: Impact,
}

/// How a call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On a blocking thread, bounded with all others of this kind.
    Blocking,
    /// As a future, bounded by what it waits for.
    Async,
    /// As a future; the answer is a stream.
    Stream,
}

/// What a call changes, and so what a repetition would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impact {
    /// Nothing; the answer is not a stream of what is still to happen.
    Reads,
    /// Nothing, but the secret key of the node speaks for it, which is recorded.
    Signs,
    /// The state of the node or the server.
    Changes,
    /// Its funds: money leaves the node, or is locked.
    Spends,
}

/// Calls the macro that is named with one line for each call:
/// `method Rpc(Request) -> Reply: group kind when impact handler`.
///
/// `when` is `node` for a call that is answered once the node has started, `once` for one that needs the
/// node and is carried out once for each idempotency key, `always` for one that needs no node. A handler
/// is, for
/// - `blocking node`, `blocking once`: `fn(&App, &Caller, Request) -> Result<Reply, Error>`
/// - `blocking always`: `fn(Request) -> Result<Reply, Error>`
/// - `async node`, `async once`, `stream node`: `async fn(Call, Request) -> Result<Reply, Error>`
macro_rules! for_each_rpc {
    ($callback:ident) => {
        $callback! {
            get_node_info GetNodeInfo(GetNodeInfoRequest) -> GetNodeInfoResponse: Info blocking node Reads node::get_node_info;
            get_balances GetBalances(GetBalancesRequest) -> GetBalancesResponse: Info blocking node Reads node::get_balances;
            sign_message SignMessage(SignMessageRequest) -> SignMessageResponse: Sign blocking node Signs crypto::sign_message;
            verify_signature VerifySignature(VerifySignatureRequest) -> VerifySignatureResponse: Info blocking node Reads crypto::verify_signature;
            decode_invoice DecodeInvoice(DecodeInvoiceRequest) -> DecodeInvoiceResponse: Info blocking always Reads decode::invoice;
            decode_offer DecodeOffer(DecodeOfferRequest) -> DecodeOfferResponse: Info blocking always Reads decode::offer;
            get_payment_details GetPaymentDetails(GetPaymentDetailsRequest) -> GetPaymentDetailsResponse: Read blocking node Reads payments::get;
            wait_payment WaitPayment(WaitPaymentRequest) -> WaitPaymentResponse: Read async node Reads payments::wait;
            update_payment UpdatePayment(UpdatePaymentRequest) -> UpdatePaymentResponse: Pay blocking node Changes payments::update;
            list_payments ListPayments(ListPaymentsRequest) -> ListPaymentsResponse: Read blocking node Reads payments::list;
            list_forwarded_payments ListForwardedPayments(ListForwardedPaymentsRequest) -> ListForwardedPaymentsResponse: Read blocking node Reads payments::list_forwarded;
            list_channels ListChannels(ListChannelsRequest) -> ListChannelsResponse: Read blocking node Reads channels::list;
            wait_channel WaitChannel(WaitChannelRequest) -> WaitChannelResponse: Read async node Reads channels::wait;
            list_peers ListPeers(ListPeersRequest) -> ListPeersResponse: Read blocking node Reads peers::list;
            graph_list_channels GraphListChannels(GraphListChannelsRequest) -> GraphListChannelsResponse: Read blocking node Reads graph::list_channels;
            graph_get_channel GraphGetChannel(GraphGetChannelRequest) -> GraphGetChannelResponse: Read blocking node Reads graph::get_channel;
            graph_list_nodes GraphListNodes(GraphListNodesRequest) -> GraphListNodesResponse: Read blocking node Reads graph::list_nodes;
            graph_get_node GraphGetNode(GraphGetNodeRequest) -> GraphGetNodeResponse: Read blocking node Reads graph::get_node;
            export_pathfinding_scores ExportPathfindingScores(ExportPathfindingScoresRequest) -> ExportPathfindingScoresResponse: Read blocking node Reads graph::export_pathfinding_scores;
            query_route QueryRoute(QueryRouteRequest) -> QueryRouteResponse: Read blocking node Reads routes::query;
            estimate_fee EstimateFee(EstimateFeeRequest) -> EstimateFeeResponse: Read blocking node Reads routes::estimate_fee;
            probe_payment ProbePayment(ProbePaymentRequest) -> ProbePaymentResponse: Pay blocking node Changes routes::probe;
            bolt11_receive Bolt11Receive(Bolt11ReceiveRequest) -> Bolt11ReceiveResponse: Invoice blocking node Changes bolt11::receive;
            bolt11_receive_for_hash Bolt11ReceiveForHash(Bolt11ReceiveForHashRequest) -> Bolt11ReceiveForHashResponse: Invoice blocking node Changes hold::receive;
            bolt11_claim_for_hash Bolt11ClaimForHash(Bolt11ClaimForHashRequest) -> Bolt11ClaimForHashResponse: Invoice blocking node Changes hold::claim;
            bolt11_fail_for_hash Bolt11FailForHash(Bolt11FailForHashRequest) -> Bolt11FailForHashResponse: Invoice blocking node Changes hold::fail;
            bolt11_receive_via_jit_channel Bolt11ReceiveViaJitChannel(Bolt11ReceiveViaJitChannelRequest) -> Bolt11ReceiveViaJitChannelResponse: Invoice async node Changes jit::receive;
            bolt11_receive_variable_amount_via_jit_channel Bolt11ReceiveVariableAmountViaJitChannel(Bolt11ReceiveVariableAmountViaJitChannelRequest) -> Bolt11ReceiveVariableAmountViaJitChannelResponse: Invoice async node Changes jit::receive_variable_amount;
            request_inbound_channel RequestInboundChannel(RequestInboundChannelRequest) -> RequestInboundChannelResponse: Channels async node Changes inbound_channels::request;
            get_inbound_channel_order GetInboundChannelOrder(GetInboundChannelOrderRequest) -> GetInboundChannelOrderResponse: Channels async node Reads inbound_channels::get_order;
            bolt12_receive_async Bolt12ReceiveAsync(Bolt12ReceiveAsyncRequest) -> Bolt12ReceiveAsyncResponse: Invoice blocking node Changes async_receive::receive;
            set_static_invoice_server SetStaticInvoiceServer(SetStaticInvoiceServerRequest) -> SetStaticInvoiceServerResponse: Invoice blocking node Changes async_receive::set_server;
            create_async_recipient_paths CreateAsyncRecipientPaths(CreateAsyncRecipientPathsRequest) -> CreateAsyncRecipientPathsResponse: Invoice blocking node Changes async_receive::create_paths;
            bolt12_receive Bolt12Receive(Bolt12ReceiveRequest) -> Bolt12ReceiveResponse: Invoice blocking node Changes bolt12::receive;
            list_invoices ListInvoices(ListInvoicesRequest) -> ListInvoicesResponse: Read blocking node Reads invoices::list;
            get_invoice GetInvoice(GetInvoiceRequest) -> GetInvoiceResponse: Read blocking node Reads invoices::get;
            cancel_invoice CancelInvoice(CancelInvoiceRequest) -> CancelInvoiceResponse: Invoice blocking node Changes invoices::cancel;
            delete_invoice DeleteInvoice(DeleteInvoiceRequest) -> DeleteInvoiceResponse: Invoice blocking node Changes invoices::delete;
            delete_expired_invoices DeleteExpiredInvoices(DeleteExpiredInvoicesRequest) -> DeleteExpiredInvoicesResponse: Invoice blocking node Changes invoices::delete_expired;
            wait_invoice WaitInvoice(WaitInvoiceRequest) -> WaitInvoiceResponse: Read async node Reads invoices::wait;
            wait_any_invoice WaitAnyInvoice(WaitAnyInvoiceRequest) -> WaitAnyInvoiceResponse: Read async node Reads invoices::wait_any;
            bolt11_send Bolt11Send(Bolt11SendRequest) -> Bolt11SendResponse: Pay blocking once Spends bolt11::send;
            bolt11_send_underpaying Bolt11SendUnderpaying(Bolt11SendUnderpayingRequest) -> Bolt11SendUnderpayingResponse: Pay blocking node Spends bolt11::send_underpaying;
            bolt12_send Bolt12Send(Bolt12SendRequest) -> Bolt12SendResponse: Pay blocking once Spends bolt12::send;
            create_refund CreateRefund(CreateRefundRequest) -> CreateRefundResponse: Pay blocking once Spends refunds::create;
            claim_refund ClaimRefund(ClaimRefundRequest) -> ClaimRefundResponse: Invoice blocking node Changes refunds::claim;
            resolve_lnurl ResolveLnurl(ResolveLnurlRequest) -> ResolveLnurlResponse: Pay async node Reads lnurl::resolve;
            lnurl_pay LnurlPay(LnurlPayRequest) -> LnurlPayResponse: Pay async once Spends lnurl::pay;
            lnurl_withdraw LnurlWithdraw(LnurlWithdrawRequest) -> LnurlWithdrawResponse: Invoice async node Changes lnurl::withdraw;
            spontaneous_send SpontaneousSend(SpontaneousSendRequest) -> SpontaneousSendResponse: Pay blocking once Spends spontaneous::send;
            unified_send UnifiedSend(UnifiedSendRequest) -> UnifiedSendResponse: Pay async once Spends unified::send;
            onchain_receive OnchainReceive(OnchainReceiveRequest) -> OnchainReceiveResponse: Onchain blocking node Changes onchain::receive;
            onchain_send OnchainSend(OnchainSendRequest) -> OnchainSendResponse: Onchain blocking once Spends onchain::send;
            estimate_onchain_fees EstimateOnchainFees(EstimateOnchainFeesRequest) -> EstimateOnchainFeesResponse: Info async node Reads onchain_fees::estimate;
            open_channel OpenChannel(OpenChannelRequest) -> OpenChannelResponse: Channels async once Spends channels::open;
            splice_in SpliceIn(SpliceInRequest) -> SpliceInResponse: Channels blocking once Spends splice::splice_in;
            splice_out SpliceOut(SpliceOutRequest) -> SpliceOutResponse: Channels blocking once Spends splice::splice_out;
            update_channel_config UpdateChannelConfig(UpdateChannelConfigRequest) -> UpdateChannelConfigResponse: Channels blocking node Changes channel_config::update;
            close_channel CloseChannel(CloseChannelRequest) -> CloseChannelResponse: Channels blocking node Changes channels::close;
            force_close_channel ForceCloseChannel(ForceCloseChannelRequest) -> ForceCloseChannelResponse: Channels blocking node Changes channels::force_close;
            connect_peer ConnectPeer(ConnectPeerRequest) -> ConnectPeerResponse: Peers async node Changes peers::connect;
            disconnect_peer DisconnectPeer(DisconnectPeerRequest) -> DisconnectPeerResponse: Peers blocking node Changes peers::disconnect;
            subscribe_events SubscribeEvents(SubscribeEventsRequest) -> Stream<Shared<EventEnvelope>>: Events stream node Changes events::subscribe;
            ack_events AckEvents(AckEventsRequest) -> AckEventsResponse: Events blocking node Changes consumers::ack;
            list_event_consumers ListEventConsumers(ListEventConsumersRequest) -> ListEventConsumersResponse: Events blocking node Reads consumers::list;
            delete_event_consumer DeleteEventConsumer(DeleteEventConsumerRequest) -> DeleteEventConsumerResponse: Events blocking node Changes consumers::delete;
            create_rune CreateRune(CreateRuneRequest) -> CreateRuneResponse: Admin blocking node Changes runes::create;
            list_runes ListRunes(ListRunesRequest) -> ListRunesResponse: Admin blocking node Reads runes::list;
            revoke_rune RevokeRune(RevokeRuneRequest) -> RevokeRuneResponse: Admin blocking node Changes runes::revoke;
            check_rune CheckRune(CheckRuneRequest) -> CheckRuneResponse: Info blocking node Reads runes::check;
            create_api_key CreateApiKey(CreateApiKeyRequest) -> CreateApiKeyResponse: Admin blocking node Changes api_keys::create;
            list_api_keys ListApiKeys(ListApiKeysRequest) -> ListApiKeysResponse: Admin blocking node Reads api_keys::list;
            rotate_api_key RotateApiKey(RotateApiKeyRequest) -> RotateApiKeyResponse: Admin blocking node Changes api_keys::rotate;
            revoke_api_key RevokeApiKey(RevokeApiKeyRequest) -> RevokeApiKeyResponse: Admin blocking node Changes api_keys::revoke;
            issue_client_cert IssueClientCert(IssueClientCertRequest) -> IssueClientCertResponse: Admin blocking node Changes client_certs::issue;
            list_client_certs ListClientCerts(ListClientCertsRequest) -> ListClientCertsResponse: Admin blocking node Reads client_certs::list;
            revoke_client_cert RevokeClientCert(RevokeClientCertRequest) -> RevokeClientCertResponse: Admin blocking node Changes client_certs::revoke;
            create_webhook CreateWebhook(CreateWebhookRequest) -> CreateWebhookResponse: Admin async node Changes webhooks::create;
            list_webhooks ListWebhooks(ListWebhooksRequest) -> ListWebhooksResponse: Admin blocking node Reads webhooks::list;
            test_webhook TestWebhook(TestWebhookRequest) -> TestWebhookResponse: Admin async node Changes webhooks::test;
            update_webhook UpdateWebhook(UpdateWebhookRequest) -> UpdateWebhookResponse: Admin async node Changes webhooks::update;
            resume_webhook ResumeWebhook(ResumeWebhookRequest) -> ResumeWebhookResponse: Admin blocking node Changes webhooks::resume;
            delete_webhook DeleteWebhook(DeleteWebhookRequest) -> DeleteWebhookResponse: Admin blocking node Changes webhooks::delete;
            list_audit_entries ListAuditEntries(ListAuditEntriesRequest) -> ListAuditEntriesResponse: Admin blocking node Reads audit::list;
            export_payments ExportPayments(ExportPaymentsRequest) -> Stream<BooksEntry>: Read stream node Reads books::export;
            get_summary GetSummary(GetSummaryRequest) -> GetSummaryResponse: Read blocking node Reads books::summary;
            list_channel_accounts ListChannelAccounts(ListChannelAccountsRequest) -> ListChannelAccountsResponse: Read blocking node Reads books::channels;
            create_backup CreateBackup(CreateBackupRequest) -> Stream<CreateBackupResponse>: Admin stream node Changes backup::create;
            step_down StepDown(StepDownRequest) -> StepDownResponse: Admin blocking node Changes node::step_down;
        }
    };
}
pub(crate) use for_each_rpc;

macro_rules! handle {
    (blocking node $method:ident $handler:path, $dispatcher:ident $call:ident $request:ident) => {
        $dispatcher.blocking(stringify!($method), $call, $request, $handler).await
    };
    (blocking always $method:ident $handler:path, $dispatcher:ident $call:ident $request:ident) => {{
        drop($call);
        $dispatcher.blocking_without_node(stringify!($method), $request, $handler).await
    }};
    (async node $method:ident $handler:path, $dispatcher:ident $call:ident $request:ident) => {
        $dispatcher.asynchronous($call, $request, $handler).await
    };
    (blocking once $method:ident $handler:path, $dispatcher:ident $call:ident $request:ident) => {{
        let handle =
            |call, request| $dispatcher.blocking(stringify!($method), call, request, $handler);
        $dispatcher.once(Self::SPEC.name, $call, $request, handle).await
    }};
    (async once $method:ident $handler:path, $dispatcher:ident $call:ident $request:ident) => {{
        let handle = |call, request| $dispatcher.asynchronous(call, request, $handler);
        $dispatcher.once(Self::SPEC.name, $call, $request, handle).await
    }};
    (stream node $method:ident $handler:path, $dispatcher:ident $call:ident $request:ident) => {
        $dispatcher.stream($call, $request, $handler).await
    };
}

macro_rules! kind {
    (blocking) => {
        Kind::Blocking
    };
    (async) => {
        Kind::Async
    };
    (stream) => {
        Kind::Stream
    };
}

macro_rules! needs_node {
    (node) => {
        true
    };
    (once) => {
        true
    };
    (always) => {
        false
    };
}

macro_rules! table {
    ($(
        $method:ident $rpc:ident($request:ty) -> $reply:ty:
            $access:ident $kind:ident $when:ident $impact:ident $handler:path;
    )*) => {
        /// The calls, one type each.
        pub mod rpc {
            $(
                #[doc = concat!("The call ", stringify!($rpc), ".")]
                #[derive(Clone, Copy, Debug)]
                pub struct $rpc;
            )*
        }

        $(
            impl Rpc for rpc::$rpc {
                type Request = $request;
                type Reply = $reply;
                const SPEC: RpcSpec = RpcSpec {
                    name: stringify!($rpc),
                    access: Access::$access,
                    kind: kind!($kind),
                    needs_node: needs_node!($when),
                    impact: Impact::$impact,
                };

                async fn serve(
                    dispatcher: &Dispatcher,
                    call: Admitted,
                    request: Self::Request,
                ) -> Result<Self::Reply, Error> {
                    handle!($kind $when $method $handler, dispatcher call request)
                }
            }
        )*

        const SPECS: &[RpcSpec] = &[$(<rpc::$rpc as Rpc>::SPEC),*];
    };
}

for_each_rpc!(table);

/// All calls.
pub fn specs() -> &'static [RpcSpec] {
    SPECS
}

/// The name and the access group of the call of this name.
pub fn group_of(name: &str) -> Option<(&'static str, Access)> {
    spec(name).map(|spec| (spec.name, spec.access))
}

/// The call of this name.
pub(crate) fn spec(name: &str) -> Option<&'static RpcSpec> {
    SPECS.iter().find(|spec| spec.name == name)
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::RPC_NAMES;

    use super::*;

    fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_rpc_of_the_descriptor_is_in_the_table_once() {
        let table = sorted(specs().iter().map(|spec| spec.name));
        assert_eq!(table, sorted(RPC_NAMES.iter().copied()));
    }

    #[test]
    fn only_what_needs_no_node_and_changes_nothing_is_answered_before_it_starts() {
        for spec in specs().iter().filter(|spec| !spec.needs_node) {
            assert_eq!((spec.kind, spec.impact), (Kind::Blocking, Impact::Reads), "{}", spec.name);
        }
    }

    #[test]
    fn what_spends_is_in_a_group_that_is_given_with_care() {
        for spec in specs().iter().filter(|spec| spec.impact == Impact::Spends) {
            assert!(
                matches!(spec.access, Access::Pay | Access::Onchain | Access::Channels),
                "{}",
                spec.name
            );
        }
    }
}
