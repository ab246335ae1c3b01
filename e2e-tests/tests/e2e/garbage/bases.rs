//! The table: for each RPC one request or more that is as sound as it can be without changing the
//! network, what it is answered with, and which of its changes are sound as well.
//!
//! Every change is sent to a node with money, channels and peers, so none may succeed in what would
//! lose them: a request that pays asks for more than there is, one that closes names a channel that
//! is not that peer's. Where a change would succeed nevertheless, the base `spares` the node of it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use ldk_server_client::Code;
use ldk_server_client::api;
use ldk_server_client::types;
use prost::Message;

use crate::garbage::fixture::Fixture;
use crate::garbage::judge::Difference;
use crate::garbage::rules;

/// The key of nobody who is there.
const STRANGER: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";
/// An offer of the test vectors of BOLT 12.
const OFFER: &str =
    "lno1pgx9getnwss8vetrw3hhyuckyypwa3eyt44h6txtxquqh7lz5djge4afgfjn7k4rgrkuag0jsd5xvxg";
/// Stands for 32 bytes that were not used before.
const FRESH_HASH: &str = "5e1f0a77c3d94b2286fd10e95a3c84b7f6029d4ce8137ba5406bd2f9183ea6c5";
const PREIMAGE: &str = "7a9c1b35e80f4d62938cde01f4a7b6502d3e94c8af1670b25be3d10c48f69a27";
/// How a secret begins.
pub(crate) const SECRET: &str = "7a9c1b35e80f4d62";
/// A rune that another server has made.
const FOREIGN_RUNE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA9MyZncm91cD1yZWFk";
const SIGNATURE: &str = "rypn1cw4qhkkwbc9n5h3pbzw9qnsx9hq3tu3gu1o66hz9tnbdr13tytyxqw5o8nfnq8\
                         orfmg4ocer3i1wxn8nxmjprwnozbt3t8ma3";

/// More than all nodes have together.
pub(crate) const FORTUNE_SATS: u64 = 1_000_000_000;
pub(crate) const FORTUNE_MSAT: u64 = FORTUNE_SATS * 1000;
/// No transaction is so small that the node could pay its fee at this rate.
const RUINOUS_SAT_PER_VB: u64 = 5_000;

/// The times that a list is asked for, in Unix seconds.
const SPAN_SECS: Range<u64> = 1_700_000_000..1_900_000_000;

const OK: &[Code] = &[Code::Ok];
const INVALID: &[Code] = &[Code::InvalidArgument];
const REFUSED: &[Code] = &[Code::FailedPrecondition];
const UNKNOWN: &[Code] = &[Code::NotFound];
const UNIMPLEMENTED: &[Code] = &[];
/// A label that the changes of a request make may be that of another.
const MADE: &[Code] = &[Code::Ok, Code::AlreadyExists];
/// Names that the changes of a request make may be taken, or too many.
/// Few may read the books at once.
const READ: &[Code] = &[Code::Ok, Code::ResourceExhausted];
const TAKEN: &[Code] = &[Code::AlreadyExists, Code::ResourceExhausted];

/// A sound request.
pub(crate) struct Base {
    /// The RPC it is for.
    pub(crate) method: &'static str,
    /// What it is answered with.
    pub(crate) codes: &'static [Code],
    /// Fields whose values must never be seen in an answer.
    pub(crate) secrets: &'static [&'static str],
    /// The encoded request.
    pub(crate) request: Vec<u8>,
    accepted: Vec<(&'static str, Rule)>,
    spared: Vec<(&'static str, Rule)>,
}

type Rule = fn(&Difference) -> bool;

impl Base {
    pub(crate) fn new(method: &'static str, codes: &'static [Code], request: impl Message) -> Self {
        Self {
            method,
            codes,
            secrets: &[],
            request: request.encode_to_vec(),
            accepted: Vec::new(),
            spared: Vec::new(),
        }
    }

    /// A field, or a message with all its fields: with what the rule holds for, the call may succeed.
    fn accepting(mut self, field: &'static str, rule: Rule) -> Self {
        self.accepted.push((field, rule));
        self
    }

    /// Accepts what is noted with an invoice.
    fn accepting_notes(self) -> Self {
        self.accepting("label", |text| rules::shorter_than(text, 256))
            .accepting("external_id", |text| rules::shorter_than(text, 256))
            .accepting("metadata", |_| true)
    }

    /// Accepts what is noted with a payment.
    fn accepting_payment_notes(self) -> Self {
        self.accepting("label", |text| rules::shorter_than(text, 256))
            .accepting("metadata", |_| true)
    }

    /// A field, or a message with all its fields, which must not be what the rule holds for.
    fn sparing(mut self, field: &'static str, rule: Rule) -> Self {
        self.spared.push((field, rule));
        self
    }

    pub(crate) fn secret(mut self, fields: &'static [&'static str]) -> Self {
        self.secrets = fields;
        self
    }

    /// Whether the call may succeed with this difference.
    pub(crate) fn accepts(&self, difference: &Difference) -> bool {
        matches(&self.accepted, difference)
    }

    /// Whether a request with these differences must not be sent.
    pub(crate) fn spares(&self, differences: &[Difference]) -> bool {
        differences.iter().any(|difference| matches(&self.spared, difference))
    }
}

fn matches(rules: &[(&str, Rule)], difference: &Difference) -> bool {
    rules.iter().any(|(field, rule)| {
        let rest = difference.field.strip_prefix(field);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) && rule(difference)
    })
}

/// A request as it is sent: what must be used once only is new each time.
pub(crate) fn freshened(request: &[u8]) -> Vec<u8> {
    static USED: AtomicU64 = AtomicU64::new(0);
    let mut fresh = request.to_vec();
    let places = request.windows(FRESH_HASH.len()).enumerate();
    let places = places.filter(|(_, text)| *text == FRESH_HASH.as_bytes()).map(|(place, _)| place);
    let new = format!("{}{:016x}", "5e".repeat(24), USED.fetch_add(1, Ordering::Relaxed));
    for place in places {
        fresh[place..place + new.len()].copy_from_slice(new.as_bytes());
    }
    fresh
}

/// The table.
pub(crate) fn all(network: &Fixture) -> Vec<Base> {
    [
        without_fields(),
        onchain(network),
        bolt11_receive(),
        hodl(),
        jit(),
        inbound(),
        send(network),
        before_paying(),
        bolt12_receive(),
        refunds(network),
        lnurl(),
        invoices(),
        open_channel(network),
        splice(network),
        change_channel(network),
        history(),
        peers(network),
        signatures(network),
        decode(network),
        graph(),
        events(),
        permissions(),
        webhooks(),
        backup(),
        books(),
        audit(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn without_fields() -> Vec<Base> {
    vec![
        Base::new("GetNodeInfo", OK, api::GetNodeInfoRequest {}),
        Base::new("GetBalances", OK, api::GetBalancesRequest {}),
        Base::new("StepDown", REFUSED, api::StepDownRequest {}),
        Base::new("OnchainReceive", OK, api::OnchainReceiveRequest {}),
        Base::new("ListChannels", OK, api::ListChannelsRequest {}),
        Base::new("ListPeers", OK, api::ListPeersRequest {}),
        Base::new("ExportPathfindingScores", OK, api::ExportPathfindingScoresRequest {}),
        Base::new("GraphListChannels", OK, api::GraphListChannelsRequest {}),
        Base::new("GraphListNodes", OK, api::GraphListNodesRequest {}),
        Base::new("ListEventConsumers", OK, api::ListEventConsumersRequest {}),
    ]
}

/// Refused for want of money, whichever of amount and fee rate is changed.
fn onchain(network: &Fixture) -> Vec<Base> {
    let send = Base::new(
        "OnchainSend",
        REFUSED,
        api::OnchainSendRequest {
            address: network.bob_address.clone(),
            amount_sats: Some(FORTUNE_SATS),
            send_all: None,
            fee_rate_sat_per_vb: Some(RUINOUS_SAT_PER_VB),
            all_funds: None,
            force: false,
            ..Default::default()
        },
    );
    let request = api::EstimateOnchainFeesRequest { wallet_inputs: Some(3) };
    let estimate =
        Base::new("EstimateOnchainFees", OK, request).accepting("wallet_inputs", |many| {
            many.value.is_none() || many.number().is_some_and(|many| (1..=1_000).contains(&many))
        });
    vec![send, estimate]
}

fn bolt11_receive() -> Vec<Base> {
    [direct(), hashed()]
        .map(|description| {
            Base::new(
                "Bolt11Receive",
                MADE,
                api::Bolt11ReceiveRequest {
                    amount_msat: Some(1_000),
                    description: Some(description),
                    expiry_secs: 3600,
                    preimage: FRESH_HASH.to_owned(),
                    ..Default::default()
                },
            )
            .accepting("amount_msat", rules::absent_or_money)
            .accepting("description", rules::described)
            .accepting("expiry_secs", |_| true)
            .accepting("preimage", |preimage| preimage.value.is_none() || rules::hash(preimage))
            .accepting_notes()
            .secret(&["preimage"])
        })
        .into()
}

fn hodl() -> Vec<Base> {
    let receive = [direct(), hashed()].map(|description| {
        Base::new(
            "Bolt11ReceiveForHash",
            MADE,
            api::Bolt11ReceiveForHashRequest {
                amount_msat: Some(1_000),
                description: Some(description),
                expiry_secs: 3600,
                payment_hash: FRESH_HASH.to_owned(),
                ..Default::default()
            },
        )
        .accepting_notes()
        .accepting("amount_msat", rules::absent_or_money)
        .accepting("description", rules::described)
        .accepting("expiry_secs", |_| true)
        .accepting("payment_hash", rules::hash)
    });
    let claim = Base::new(
        "Bolt11ClaimForHash",
        INVALID,
        api::Bolt11ClaimForHashRequest {
            payment_hash: None,
            claimable_amount_msat: Some(1_000),
            preimage: PREIMAGE.to_owned(),
        },
    );
    let claim_of_other = Base::new(
        "Bolt11ClaimForHash",
        INVALID,
        api::Bolt11ClaimForHashRequest {
            payment_hash: Some(FRESH_HASH.to_owned()),
            claimable_amount_msat: None,
            preimage: PREIMAGE.to_owned(),
        },
    );
    // Some of the hashes are those of the invoices that were made before.
    let fail = Base::new(
        "Bolt11FailForHash",
        INVALID,
        api::Bolt11FailForHashRequest { payment_hash: FRESH_HASH.to_owned() },
    )
    .accepting("payment_hash", rules::hash);
    let claims = [claim, claim_of_other].map(|claim| claim.secret(&["preimage"]));
    receive.into_iter().chain(claims).chain([fail]).collect()
}

/// The node has no liquidity provider.
fn jit() -> Vec<Base> {
    [direct(), hashed()]
        .into_iter()
        .flat_map(|description| {
            let fixed = api::Bolt11ReceiveViaJitChannelRequest {
                amount_msat: 50_000_000,
                description: Some(description.clone()),
                expiry_secs: 3600,
                max_total_lsp_fee_limit_msat: Some(1_000_000),
                ..Default::default()
            };
            let variable = api::Bolt11ReceiveVariableAmountViaJitChannelRequest {
                description: Some(description),
                expiry_secs: 3600,
                max_proportional_lsp_fee_limit_ppm_msat: Some(10_000),
                ..Default::default()
            };
            [
                Base::new("Bolt11ReceiveViaJitChannel", REFUSED, fixed),
                Base::new("Bolt11ReceiveVariableAmountViaJitChannel", REFUSED, variable),
            ]
        })
        .collect()
}

/// The node has no provider, no server of static invoices, and is none.
fn inbound() -> Vec<Base> {
    let channel = api::RequestInboundChannelRequest {
        lsp_balance_sats: 1_000_000,
        client_balance_sats: 1_000,
        channel_expiry_blocks: 4_320,
        announce_channel: true,
    };
    let order = api::GetInboundChannelOrderRequest { order_id: "3f1c9d52".to_owned() };
    let recipient = api::CreateAsyncRecipientPathsRequest { recipient_id: "carol".to_owned() };
    let server = api::SetStaticInvoiceServerRequest { paths: "0001".to_owned() };
    vec![
        Base::new("RequestInboundChannel", REFUSED, channel),
        Base::new("GetInboundChannelOrder", REFUSED, order),
        Base::new("CreateAsyncRecipientPaths", REFUSED, recipient),
        Base::new("SetStaticInvoiceServer", INVALID, server),
        Base::new("Bolt12ReceiveAsync", REFUSED, api::Bolt12ReceiveAsyncRequest {}),
    ]
}

/// Bob asks for more than any channel holds, and to the stranger there is no way.
fn send(network: &Fixture) -> Vec<Base> {
    let invoice = &network.unpayable_invoice;
    vec![
        Base::new(
            "Bolt11Send",
            REFUSED,
            api::Bolt11SendRequest {
                invoice: invoice.clone(),
                amount_msat: Some(FORTUNE_MSAT),
                route_parameters: Some(route_parameters()),
                allow_overpayment: true,
                ..Default::default()
            },
        ),
        Base::new(
            "UnifiedSend",
            REFUSED,
            api::UnifiedSendRequest {
                uri: invoice.clone(),
                amount_msat: Some(FORTUNE_MSAT),
                route_parameters: Some(route_parameters()),
                allow_overpayment: true,
                ..Default::default()
            },
        ),
        Base::new(
            "Bolt11SendUnderpaying",
            UNIMPLEMENTED,
            api::Bolt11SendUnderpayingRequest {
                invoice: invoice.clone(),
                amount_msat: FORTUNE_MSAT - 1,
                route_parameters: Some(route_parameters()),
            },
        ),
        // The channels cannot send so much.
        Base::new(
            "Bolt12Send",
            REFUSED,
            api::Bolt12SendRequest {
                offer: network.unpayable_offer.clone(),
                amount_msat: Some(FORTUNE_MSAT),
                quantity: None,
                payer_note: Some("coffee".to_owned()),
                route_parameters: Some(route_parameters()),
                allow_overpayment: true,
                ..Default::default()
            },
        )
        .accepting("allow_overpayment", |_| true)
        .accepting("offer", rules::offer)
        .accepting("amount_msat", |amount| {
            amount.value.is_none() || rules::at_least_a_fortune(amount)
        })
        .accepting("payer_note", |note| rules::shorter_than(note, 512))
        .accepting("route_parameters", rules::routable),
        Base::new(
            "SpontaneousSend",
            REFUSED,
            api::SpontaneousSendRequest {
                amount_msat: 1_000,
                node_id: STRANGER.to_owned(),
                route_parameters: Some(route_parameters()),
                custom_tlvs: vec![types::CustomTlvRecord {
                    type_num: 65_537,
                    value: b"tea".to_vec(),
                }],
                preimage: Some(PREIMAGE.to_owned()),
                ..Default::default()
            },
        )
        .secret(&["preimage"]),
    ]
}

fn before_paying() -> Vec<Base> {
    let (payee, amount_msat) = (|| STRANGER.to_owned(), Some(1_000));
    let route_parameters = || Some(route_parameters());
    let estimate = api::EstimateFeeRequest {
        payee: payee(),
        amount_msat,
        route_parameters: route_parameters(),
    };
    let query = api::QueryRouteRequest {
        payee: payee(),
        amount_msat,
        route_parameters: route_parameters(),
    };
    let probe = api::ProbePaymentRequest { payee: payee(), amount_msat, route_parameters: None };
    vec![
        Base::new("EstimateFee", OK, estimate)
            .accepting("payee", rules::key)
            .accepting("amount_msat", rules::positive)
            .accepting("route_parameters", rules::routable),
        Base::new("QueryRoute", REFUSED, query),
        Base::new("ProbePayment", REFUSED, probe),
    ]
}

fn bolt12_receive() -> Vec<Base> {
    vec![
        Base::new(
            "Bolt12Receive",
            MADE,
            api::Bolt12ReceiveRequest {
                description: "coffee".to_owned(),
                amount_msat: Some(1_000),
                expiry_secs: Some(3600),
                quantity: Some(2),
                ..Default::default()
            },
        )
        .accepting_notes()
        .accepting("description", |text| rules::shorter_than(text, 4096))
        .accepting("amount_msat", rules::absent_or_money)
        .accepting("expiry_secs", |secs| secs.value.is_none() || rules::positive(secs))
        .accepting("quantity", |items| items.value.is_none() || rules::positive(items)),
        Base::new(
            "Bolt12Receive",
            MADE,
            api::Bolt12ReceiveRequest { description: "tea".to_owned(), ..Default::default() },
        )
        .accepting_notes()
        .accepting("description", |text| rules::shorter_than(text, 4096))
        .accepting("amount_msat", rules::money)
        .accepting("expiry_secs", rules::positive),
    ]
}

/// Nobody claims those that are created. The one to claim is of more than the channels can receive.
fn refunds(network: &Fixture) -> Vec<Base> {
    let create = api::CreateRefundRequest {
        amount_msat: 1_000,
        expiry_secs: Some(3_600),
        quantity: Some(2),
        payer_note: Some("sorry".to_owned()),
        route_parameters: Some(route_parameters()),
        ..Default::default()
    };
    let claim = api::ClaimRefundRequest { refund: network.unpayable_refund.clone() };
    vec![
        Base::new("CreateRefund", OK, create)
            .accepting_payment_notes()
            .accepting("amount_msat", rules::money)
            .accepting("expiry_secs", |secs| secs.value.is_none() || rules::positive(secs))
            .accepting("quantity", |items| items.value.is_none() || rules::positive(items))
            .accepting("payer_note", |note| rules::shorter_than(note, 512))
            .accepting("route_parameters", rules::routable)
            .accepting("idempotency_key", rules::idempotency_key),
        Base::new("ClaimRefund", REFUSED, claim).accepting("refund", rules::refund),
    ]
}

/// On regtest no service is asked.
fn lnurl() -> Vec<Base> {
    let lnurl = || "shop@example.org".to_owned();
    let pay = api::LnurlPayRequest {
        lnurl: lnurl(),
        amount_msat: Some(1_000),
        comment: Some("tea".to_owned()),
        route_parameters: Some(route_parameters()),
        ..Default::default()
    };
    let withdraw = api::LnurlWithdrawRequest {
        lnurl: lnurl(),
        amount_msat: Some(1_000),
        description: Some("prize".to_owned()),
        expiry_secs: 3_600,
    };
    vec![
        Base::new("ResolveLnurl", REFUSED, api::ResolveLnurlRequest { lnurl: lnurl() })
            .accepting("lnurl", rules::address_at),
        Base::new("LnurlPay", REFUSED, pay)
            .accepting("lnurl", rules::address_at)
            .accepting("amount_msat", rules::absent_or_money)
            .accepting("comment", |_| true)
            .accepting("route_parameters", rules::routable),
        Base::new("LnurlWithdraw", REFUSED, withdraw)
            .accepting("lnurl", rules::address_at)
            .accepting("amount_msat", rules::absent_or_money)
            .accepting("description", |text| rules::shorter_than(text, 639))
            .accepting("expiry_secs", |_| true),
    ]
}

/// To a peer that is not there, and to one that is for more than there is.
/// A wait must be over at once.
fn invoices() -> Vec<Base> {
    let is_long = |secs: &Difference| secs.number().is_none_or(|secs| (1..=86_400).contains(&secs));
    let named = [
        Base::new(
            "GetInvoice",
            UNKNOWN,
            api::GetInvoiceRequest { payment_hash: FRESH_HASH.to_owned(), ..Default::default() },
        )
        .accepting("invoice", |_| true)
        .accepting("external_id", |_| true),
        Base::new(
            "CancelInvoice",
            UNKNOWN,
            api::CancelInvoiceRequest { payment_hash: FRESH_HASH.to_owned(), ..Default::default() },
        ),
        Base::new(
            "DeleteInvoice",
            UNKNOWN,
            api::DeleteInvoiceRequest {
                payment_hash: FRESH_HASH.to_owned(),
                state: types::InvoiceState::Cancelled.into(),
                ..Default::default()
            },
        )
        .accepting("state", |_| true),
        Base::new(
            "WaitInvoice",
            UNKNOWN,
            api::WaitInvoiceRequest {
                payment_hash: FRESH_HASH.to_owned(),
                timeout_secs: Some(0),
                ..Default::default()
            },
        )
        .sparing("timeout_secs", is_long),
    ];
    // Some of the hashes are those of the invoices that were made before.
    let named =
        named.map(|base| base.accepting("payment_hash", rules::hash).accepting("label", |_| true));
    let any = api::WaitAnyInvoiceRequest { last_pay_index: 0, timeout_secs: Some(0) };
    let any = Base::new("WaitAnyInvoice", OK, any)
        .accepting("last_pay_index", |_| true)
        .sparing("timeout_secs", is_long);
    let expired = api::DeleteExpiredInvoicesRequest { max_expiry: Some(1) };
    let expired = Base::new("DeleteExpiredInvoices", OK, expired).accepting("max_expiry", |_| true);
    named.into_iter().chain([any, expired, invoice_list(), wait_channel()]).collect()
}

fn wait_channel() -> Base {
    let is_long = |secs: &Difference| secs.number().is_none_or(|secs| (1..=86_400).contains(&secs));
    let request = api::WaitChannelRequest {
        user_channel_id: "7".to_owned(),
        state: types::ChannelProgress::Ready.into(),
        timeout_secs: Some(0),
    };
    Base::new("WaitChannel", UNKNOWN, request)
        .accepting("user_channel_id", |_| true)
        .accepting("state", |_| true)
        .sparing("timeout_secs", is_long)
}

fn invoice_list() -> Base {
    let request = api::ListInvoicesRequest {
        page_token: None,
        page_size: Some(1),
        states: vec![types::InvoiceState::Open.into()],
        kinds: vec![types::InvoiceKind::Bolt11.into()],
        external_id: "coffee".to_owned(),
        created_from: Some(SPAN_SECS.start),
        created_before: Some(SPAN_SECS.end),
    };
    let list = Base::new("ListInvoices", OK, request);
    ["page_token", "page_size", "states", "kinds", "external_id"]
        .into_iter()
        .fold(list, |list, field| list.accepting(field, |_| true))
        .accepting("created_from", |_| true)
        .accepting("created_before", |_| true)
}

fn open_channel(network: &Fixture) -> Vec<Base> {
    let request = |node_pubkey: &str, address: &str, sats| api::OpenChannelRequest {
        node_pubkey: node_pubkey.to_owned(),
        address: address.to_owned(),
        amount: Some(api::open_channel_request::Amount::ChannelAmountSats(sats)),
        push_to_counterparty_msat: Some(1_000),
        channel_config: Some(channel_config()),
        announce_channel: false,
        disable_counterparty_reserve: false,
        ..Default::default()
    };
    let absent = request(STRANGER, &network.closed_address, 100_000);
    let present = request(network.bob.id(), &network.bob.address(), FORTUNE_SATS);
    vec![
        Base::new("OpenChannel", REFUSED, absent).sparing("address", rules::names_a_host),
        Base::new("OpenChannel", REFUSED, present)
            .sparing("address", rules::names_a_host)
            .sparing("channel_amount_sats", rules::affordable)
            .sparing("all_funds", |_| true),
    ]
}

/// Of a channel with somebody else, and of more than there is.
fn splice(network: &Fixture) -> Vec<Base> {
    let bob = network.bob.id();
    [(STRANGER, INVALID, 100_000), (bob, REFUSED, FORTUNE_SATS)]
        .into_iter()
        .flat_map(|(counterparty, codes, sats)| {
            let splice_in = api::SpliceInRequest {
                user_channel_id: network.user_channel_id.clone(),
                counterparty_node_id: counterparty.to_owned(),
                amount: Some(api::splice_in_request::Amount::SpliceAmountSats(sats)),
                ..Default::default()
            };
            let splice_out = api::SpliceOutRequest {
                user_channel_id: network.user_channel_id.clone(),
                counterparty_node_id: counterparty.to_owned(),
                address: Some(network.bob_address.clone()),
                splice_amount_sats: sats,
                all_funds: None,
                ..Default::default()
            };
            [Base::new("SpliceIn", codes, splice_in), Base::new("SpliceOut", codes, splice_out)]
                .map(|base| {
                    if counterparty == STRANGER {
                        base
                    } else {
                        base.sparing("splice_amount_sats", rules::affordable)
                            .sparing("all_funds", |_| true)
                    }
                })
        })
        .collect()
}

/// The settings of the channel may change, since they are put back at the end; but it is not closed.
fn change_channel(network: &Fixture) -> Vec<Base> {
    let update = |counterparty: &str| api::UpdateChannelConfigRequest {
        user_channel_id: network.user_channel_id.clone(),
        counterparty_node_id: counterparty.to_owned(),
        channel_config: Some(channel_config()),
    };
    let (ours, not_ours) = (update(network.bob.id()), update(STRANGER));
    let close = api::CloseChannelRequest {
        user_channel_id: network.user_channel_id.clone(),
        counterparty_node_id: STRANGER.to_owned(),
    };
    let force_close = api::ForceCloseChannelRequest {
        user_channel_id: network.user_channel_id.clone(),
        counterparty_node_id: STRANGER.to_owned(),
        force_close_reason: Some("a test".to_owned()),
    };
    vec![
        Base::new("UpdateChannelConfig", OK, ours)
            .accepting("user_channel_id", rules::same_number)
            .accepting("counterparty_node_id", rules::same_text)
            .accepting("channel_config", rules::configurable),
        Base::new("UpdateChannelConfig", INVALID, not_ours),
        Base::new("CloseChannel", INVALID, close),
        Base::new("ForceCloseChannel", INVALID, force_close),
    ]
}

fn history() -> Vec<Base> {
    // One that is not known is no error.
    let details = Base::new(
        "GetPaymentDetails",
        OK,
        api::GetPaymentDetailsRequest { payment_id: FRESH_HASH.to_owned() },
    );
    let wait = Base::new(
        "WaitPayment",
        UNKNOWN,
        api::WaitPaymentRequest { payment_id: FRESH_HASH.to_owned(), timeout_secs: Some(0) },
    );
    let update = Base::new(
        "UpdatePayment",
        UNKNOWN,
        api::UpdatePaymentRequest {
            payment_id: FRESH_HASH.to_owned(),
            label: Some("tea".to_owned()),
            metadata: [("order".to_owned(), "17".to_owned())].into(),
            clear_metadata: false,
        },
    )
    .accepting_payment_notes();
    // That of a payment which this node has not seen, and of such a forwarded one.
    let payments = Base::new(
        "ListPayments",
        INVALID,
        api::ListPaymentsRequest {
            page_token: Some(types::PageToken {
                token: FRESH_HASH.to_owned(),
                index: 1_700_000_000,
            }),
            ..Default::default()
        },
    );
    let forwarded = Base::new(
        "ListForwardedPayments",
        INVALID,
        api::ListForwardedPaymentsRequest {
            page_token: Some(types::PageToken { token: "0".repeat(16), index: 1_700_000_000 }),
            ..Default::default()
        },
    );
    let first_page = Base::new("ListPayments", OK, api::ListPaymentsRequest::default());
    let first_forwarded =
        Base::new("ListForwardedPayments", OK, api::ListForwardedPaymentsRequest::default());
    let filtered = Base::new(
        "ListPayments",
        OK,
        api::ListPaymentsRequest {
            page_token: None,
            page_size: Some(1),
            status: Some(types::PaymentStatus::Succeeded.into()),
            direction: Some(types::PaymentDirection::Outbound.into()),
            method: types::PaymentMethod::Bolt11.into(),
            created_from: Some(SPAN_SECS.start),
            created_before: Some(SPAN_SECS.end),
            payment_hash: FRESH_HASH.to_owned(),
        },
    );
    let filtered_forwarded = Base::new(
        "ListForwardedPayments",
        OK,
        api::ListForwardedPaymentsRequest {
            page_token: None,
            page_size: Some(1),
            created_from: Some(SPAN_SECS.start),
            created_before: Some(SPAN_SECS.end),
        },
    );
    let in_spans = [filtered, filtered_forwarded].map(|base| {
        base.accepting("created_from", |time| time.number().is_none_or(|from| from < SPAN_SECS.end))
            .accepting("created_before", |time| {
                time.number().is_none_or(|before| before > SPAN_SECS.start)
            })
    });
    let pages = [payments, forwarded].map(|base| base.accepting("page_token", rules::no_token));
    let first_pages = [first_page, first_forwarded]
        .map(|base| base.accepting("created_from", |_| true).accepting("created_before", |_| true));
    let lists = pages.into_iter().chain(first_pages).chain(in_spans).map(|base| {
        base.accepting("page_size", |size| {
            size.number().is_none_or(|size| (1..=1_000).contains(&size))
        })
        .accepting("status", |status| rules::variant(status, 2))
        .accepting("direction", |direction| rules::variant(direction, 1))
        .accepting("method", |method| rules::variant(method, 6))
        .accepting("payment_hash", |hash| hash.value.is_none() || rules::hash(hash))
    });
    let of_one = [details, wait, update].map(|base| base.accepting("payment_id", rules::hash));
    lists.chain(of_one).collect()
}

fn peers(network: &Fixture) -> Vec<Base> {
    vec![
        Base::new(
            "ConnectPeer",
            REFUSED,
            api::ConnectPeerRequest {
                node_pubkey: STRANGER.to_owned(),
                address: network.closed_address.clone(),
                persist: true,
            },
        )
        .sparing("address", rules::names_a_host),
        // Not being connected to it is no error.
        Base::new(
            "DisconnectPeer",
            OK,
            api::DisconnectPeerRequest { node_pubkey: STRANGER.to_owned() },
        )
        .accepting("node_pubkey", rules::key),
    ]
}

fn signatures(network: &Fixture) -> Vec<Base> {
    vec![
        Base::new("SignMessage", OK, api::SignMessageRequest { message: b"coffee".to_vec() })
            .accepting("message", |_| true),
        // A signature that is not one is not valid, which is the answer.
        Base::new(
            "VerifySignature",
            OK,
            api::VerifySignatureRequest {
                message: b"coffee".to_vec(),
                signature: SIGNATURE.to_owned(),
                public_key: network.alice.id().to_owned(),
            },
        )
        .accepting("message", |_| true)
        .accepting("signature", |_| true)
        .accepting("public_key", rules::key),
    ]
}

fn decode(network: &Fixture) -> Vec<Base> {
    vec![
        Base::new(
            "DecodeInvoice",
            OK,
            api::DecodeInvoiceRequest { invoice: network.unpayable_invoice.clone() },
        )
        .accepting("invoice", rules::same_text),
        Base::new("DecodeOffer", OK, api::DecodeOfferRequest { offer: OFFER.to_owned() })
            .accepting("offer", rules::offer),
    ]
}

/// The graph is empty.
fn graph() -> Vec<Base> {
    vec![
        Base::new("GraphGetChannel", INVALID, api::GraphGetChannelRequest { short_channel_id: 1 }),
        Base::new(
            "GraphGetNode",
            INVALID,
            api::GraphGetNodeRequest { node_id: STRANGER.to_owned() },
        ),
    ]
}

fn events() -> Vec<Base> {
    let nobody = || "nobody".to_owned();
    let subscribe = |resume_after_index, consumer: &str| {
        let consumer = consumer.to_owned();
        let request = api::SubscribeEventsRequest { resume_after_index, consumer };
        Base::new("SubscribeEvents", OK, request)
            .accepting("resume_after_index", |_| true)
            .accepting("consumer", rules::absent_or_consumer)
    };
    let ack = api::AckEventsRequest { consumer: nobody(), event_index: 1 };
    let delete = api::DeleteEventConsumerRequest { consumer: nobody() };
    vec![
        subscribe(None, ""),
        subscribe(Some(0), "somebody"),
        // Another name may be one that was subscribed with.
        Base::new("AckEvents", UNKNOWN, ack)
            .accepting("consumer", rules::absent_or_consumer)
            .accepting("event_index", |_| true),
        Base::new("DeleteEventConsumer", UNKNOWN, delete)
            .accepting("consumer", rules::absent_or_consumer),
    ]
}

/// None gives anybody a right: keys are asked for that are there or that nobody has.
fn permissions() -> Vec<Base> {
    let nobody = || "nobody".to_owned();
    let create = api::CreateRuneRequest {
        restrictions: vec!["group=read".to_owned()],
        label: "reader".to_owned(),
        ..api::CreateRuneRequest::default()
    };
    let revoke = api::RevokeRuneRequest { first_id: 1 << 60, last_id: None };
    let check = api::CheckRuneRequest { rune: FOREIGN_RUNE.to_owned(), ..Default::default() };
    let key = api::CreateApiKeyRequest { name: "api_key".to_owned(), ..Default::default() };
    vec![
        Base::new("CreateRune", OK, create)
            .accepting("restrictions", |_| true)
            .accepting("label", |difference| rules::shorter_than(difference, 128))
            .accepting("expires_in_secs", |_| true),
        Base::new("ListRunes", OK, api::ListRunesRequest::default())
            .accepting("after_id", |_| true)
            .accepting("limit", |difference| {
                difference.number().is_none_or(|limit| limit <= 1_000)
            }),
        Base::new("RevokeRune", UNKNOWN, revoke)
            .accepting("first_id", |_| true)
            .accepting("last_id", |_| true),
        // Of most runes it can be said that they are not this server's.
        Base::new("CheckRune", OK, check)
            .accepting("rune", |_| true)
            .accepting("request", |_| true),
        Base::new("ListApiKeys", OK, api::ListApiKeysRequest {}),
        Base::new("CreateApiKey", TAKEN, key)
            .accepting("name", rules::key_name)
            .accepting("restrictions", |_| true),
        Base::new("RotateApiKey", UNKNOWN, api::RotateApiKeyRequest { name: nobody() })
            .accepting("name", rules::key_name)
            .sparing("name", |difference| difference.text() == Some("api_key")),
        Base::new("IssueClientCert", REFUSED, api::IssueClientCertRequest::default()),
        Base::new("ListClientCerts", REFUSED, api::ListClientCertsRequest {}),
        Base::new("RevokeClientCert", REFUSED, api::RevokeClientCertRequest::default()),
        Base::new("RevokeApiKey", UNKNOWN, api::RevokeApiKeyRequest { name: nobody() })
            .accepting("name", rules::key_name),
    ]
}

/// Two faults in each request that would make a webhook or change one, so that no change of it makes one.
fn webhooks() -> Vec<Base> {
    let nobody = || "wh_0000000000000000".to_owned();
    let create = api::CreateWebhookRequest {
        url: "https://127.0.0.1/".to_owned(),
        kinds: vec!["nothing".to_owned()],
        secret: format!("whsec_{SECRET}"),
        label: "shop".to_owned(),
    };
    let update = api::UpdateWebhookRequest {
        id: nobody(),
        url: Some("https://127.0.0.1/".to_owned()),
        secret: Some(format!("whsec_{SECRET}")),
        label: Some("shop".to_owned()),
    };
    vec![
        Base::new("CreateWebhook", INVALID, create).secret(&["secret"]),
        Base::new("ListWebhooks", OK, api::ListWebhooksRequest {}),
        Base::new("TestWebhook", UNKNOWN, api::TestWebhookRequest { id: nobody() })
            .accepting("id", |_| true),
        Base::new("UpdateWebhook", INVALID, update).secret(&["secret"]),
        Base::new("ResumeWebhook", UNKNOWN, api::ResumeWebhookRequest { id: nobody() })
            .accepting("id", |_| true),
        Base::new("DeleteWebhook", UNKNOWN, api::DeleteWebhookRequest { id: nobody() })
            .accepting("id", |_| true),
    ]
}

/// Refused, because the node's keys may not be had; a backup without them would take its time.
fn backup() -> Vec<Base> {
    let request = api::CreateBackupRequest {
        passphrase: PREIMAGE.to_owned(),
        recipients: Vec::new(),
        include_keys: true,
    };
    let base = Base::new("CreateBackup", REFUSED, request)
        .accepting("passphrase", rules::passphrase)
        .sparing("include_keys", |_| true)
        .secret(&["passphrase"]);
    vec![base]
}

/// A token is a place, whether or not there is a channel.
fn books() -> Vec<Base> {
    let (from, before) = (Some(SPAN_SECS.start), Some(SPAN_SECS.end));
    let token = types::PageToken { token: FRESH_HASH.to_owned(), index: 1_700_000_000 };
    let channels = api::ListChannelAccountsRequest {
        page_token: Some(token),
        page_size: Some(1),
        closed_only: true,
        from,
        before,
    };
    let bases = [
        Base::new("ExportPayments", READ, api::ExportPaymentsRequest { from, before }),
        Base::new("GetSummary", READ, api::GetSummaryRequest { from, before }),
        Base::new("ListChannelAccounts", READ, channels)
            .accepting("page_token", rules::place_by_id)
            .accepting("page_size", |size| {
                size.number().is_none_or(|size| (1..=1_000).contains(&size))
            })
            .accepting("closed_only", |_| true),
    ];
    let bases = bases.into_iter().map(|base| {
        base.accepting("from", |time| time.number().is_none_or(|from| from < SPAN_SECS.end))
            .accepting("before", |time| time.number().is_none_or(|before| before > SPAN_SECS.start))
    });
    bases.collect()
}

/// A token is a place, whether or not there is an entry.
fn audit() -> Vec<Base> {
    let token = types::PageToken { token: "0".repeat(16), index: 1_700_000_000 };
    let filtered = api::ListAuditEntriesRequest {
        page_token: Some(token),
        page_size: Some(1),
        method: "Bolt11Send".to_owned(),
        caller: "rune 3".to_owned(),
        result: "OK".to_owned(),
        created_from: Some(SPAN_SECS.start),
        created_before: Some(SPAN_SECS.end),
    };
    let first = Base::new("ListAuditEntries", OK, api::ListAuditEntriesRequest::default())
        .accepting("created_from", |_| true)
        .accepting("created_before", |_| true);
    let filtered = Base::new("ListAuditEntries", OK, filtered)
        .accepting("created_from", |time| time.number().is_none_or(|from| from < SPAN_SECS.end))
        .accepting("created_before", |time| {
            time.number().is_none_or(|before| before > SPAN_SECS.start)
        });
    let lists = [first, filtered].into_iter().map(|base| {
        base.accepting("page_token", rules::numbered_place)
            .accepting("page_size", |size| {
                size.number().is_none_or(|size| (1..=1_000).contains(&size))
            })
            .accepting("method", |method| method.value.is_none())
            .accepting("caller", |_| true)
            .accepting("result", |result| result.value.is_none())
    });
    lists.collect()
}

fn direct() -> types::Bolt11InvoiceDescription {
    let kind = types::bolt11_invoice_description::Kind::Direct("coffee".to_owned());
    types::Bolt11InvoiceDescription { kind: Some(kind) }
}

fn hashed() -> types::Bolt11InvoiceDescription {
    let kind = types::bolt11_invoice_description::Kind::Hash(FRESH_HASH.to_owned());
    types::Bolt11InvoiceDescription { kind: Some(kind) }
}

fn route_parameters() -> types::RouteParametersConfig {
    types::RouteParametersConfig {
        max_total_routing_fee_msat: Some(10_000),
        max_total_cltv_expiry_delta: 1008,
        max_path_count: 3,
        max_channel_saturation_power_of_half: 1,
        max_total_routing_fee_ppm: Some(10_000),
    }
}

fn channel_config() -> types::ChannelConfig {
    types::ChannelConfig {
        forwarding_fee_proportional_millionths: Some(100),
        forwarding_fee_base_msat: Some(1_000),
        cltv_expiry_delta: Some(72),
        force_close_avoidance_max_fee_satoshis: Some(1_000),
        accept_underpaying_htlcs: Some(false),
        max_dust_htlc_exposure: Some(
            types::channel_config::MaxDustHtlcExposure::FeeRateMultiplier(10_000),
        ),
    }
}
