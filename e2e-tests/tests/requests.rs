//! Requests with something wrong in them: each is refused with the right status and in words that
//! name what is wrong, and the node goes on.

use std::fmt::Debug;

use anyhow::{Result, ensure};
use e2e_tests::{
    Draft, Network, Node, NodeConfig, Port, RawConnection, grpc_frame, signed_request,
};
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::{
    AllFunds, Bolt11ReceiveRequest, Bolt11SendRequest, Bolt11SendUnderpayingRequest,
    CloseChannelRequest, ConnectPeerRequest, DisconnectPeerRequest, ForceCloseChannelRequest,
    GetNodeInfoRequest, GetPaymentDetailsRequest, OnchainSendRequest, OpenChannelRequest,
    SubscribeEventsRequest,
};
use ldk_server_client::types::bolt11_invoice_description::Kind;
use ldk_server_client::types::{Bolt11InvoiceDescription, ChannelConfig, RouteParametersConfig};
use ldk_server_client::{Client, Code, Error};
use ldk_server_grpc::RPC_NAMES;

/// The keys of nobody.
const STRANGER: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

/// Not 32 bytes of hexadecimal.
const BAD_HASHES: [&str; 6] = [
    "",
    "ab",
    "abc",
    "abababababababababababababababababababababababababababababababa",
    "ababababababababababababababababababababababababababababababababab",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
];

/// Not compressed public keys: wrong in form, beyond the field, and without a point on the curve.
const BAD_KEYS: [&str; 7] = [
    "",
    "02ab",
    "eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619",
    "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f28368661",
    "zzeec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619",
    "02ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "020000000000000000000000000000000000000000000000000000000000000005",
];

const BAD_PEER_ADDRESSES: [&str; 6] =
    ["", "127.0.0.1", ":9735", "127.0.0.1:99999", "::1:9735", "a host:9735"];

/// Of BIP 173, and two of other kinds: addresses of other networks.
const FOREIGN_ADDRESSES: [&str; 3] = [
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
];

/// The first of the examples of BOLT 11.
const MAINNET_INVOICE: &str = "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs\
    pp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae\
    8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52v\
    jjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql";

/// Invalid examples of BOLT 11: a wrong checksum, no separator, too short, an unknown multiplier,
/// and a fraction of a millisatoshi.
const BAD_INVOICES: [&str; 5] = [
    "lnbc2500u1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpquwpc4curk03c9wlrswe\
     78q4eyqc7d8d0xqzpuyk0sg5g70me25alkluzd2x62aysf2pyy8edtjeevuv4p2d5p76r4zkmneet7uvyakky2zr4cusd45\
     tftc9c5fh0nnqpnl2jfll544esqchsrnt",
    "pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpquwpc4curk03c9wlrswe78q4eyqc7d\
     8d0xqzpuyk0sg5g70me25alkluzd2x62aysf2pyy8edtjeevuv4p2d5p76r4zkmneet7uvyakky2zr4cusd45tftc9c5fh0\
     nnqpnl2jfll544esqchsrny",
    "lnbc1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetj\
     ypeh2ursdae8g6na6hlh",
    "lnbc2500x1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4j\
     sxqzpusp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs9qrsgqrrzc4cvfue4zp3hggxp47ag7xnrl\
     r8vgcmkjxk3j5jqethnumgkpqp23z9jclu3v0a7e0aruz366e9wqdykw6dxhdzcjjhldxq0w6wgqcnu43j",
    "lnbc2500000001p1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7e\
     nxv4jsxqzpusp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs9qrsgq0lzc236j96a95uv0m3umg28\
     gclm5lqxtqqwk32uuk4k6673k6n5kfvx3d2h8s295fad45fdhmusm8sjudfhlf6dcsxmfvkeywmjdkxcp99202x",
];

/// The least that an output to a segwit address may have.
const DUST_LIMIT_SATS: u64 = 294;
const MIN_CHANNEL_SATS: u64 = 1_000;
/// More than there can ever be.
const TOO_MANY_SATS: u64 = 21_000_000 * 100_000_000 + 1;
const MAX_DESCRIPTION_BYTES: usize = 639;
const LONGEST_PEER_MESSAGE_BYTES: usize = 65_535;

const IMPLEMENTED: [&str; 15] = [
    "GetNodeInfo",
    "GetBalances",
    "OnchainReceive",
    "OnchainSend",
    "Bolt11Receive",
    "Bolt11Send",
    "OpenChannel",
    "CloseChannel",
    "ForceCloseChannel",
    "ListChannels",
    "GetPaymentDetails",
    "ConnectPeer",
    "DisconnectPeer",
    "ListPeers",
    "SubscribeEvents",
];

#[tokio::test(flavor = "multi_thread")]
async fn unusable_fields_are_named() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let client = alice.client();
    payment_ids(client).await;
    peers(&alice).await;
    channels_to_open(&alice).await;
    channels_to_close(client).await;
    invoices_to_make(client).await;
    invoices_to_pay(&alice).await?;
    what_cannot_be_done_yet_says_so(&alice).await?;
    the_command_line_says_the_same(&alice).await?;
    on_chain_payments(&alice).await?;
    // Nothing of all this has hurt the node.
    client.get_node_info(GetNodeInfoRequest {}).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_name_announces_nothing() -> Result<()> {
    let network = Network::start().await?;
    let draft = Draft::new(&network, "nameless")?;
    let mut nameless = draft.unset("node.alias").unset("node.listening_addresses").start()?;
    let client = nameless.ready().await?;
    let request = OpenChannelRequest { announce_channel: true, ..channel_to(STRANGER) };
    refused(
        client.open_channel(request).await,
        Code::FailedPrecondition,
        &["announce_channel", "alias"],
    );
    nameless.stop().await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_and_money_are_guarded() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    network.fund(&[&alice, &bob], 1_000_000).await?;
    let request = OpenChannelRequest { address: bob.address(), ..channel_to(bob.id()) };
    let user_channel_id = alice.client().open_channel(request).await?.user_channel_id;
    a_channel_is_closed_only_with_its_counterparty(alice.client(), &user_channel_id).await;
    what_the_library_cannot_bear_is_kept_from_it(&alice, [&user_channel_id, bob.id()]).await?;
    ensure!(alice.channels().await?.len() == 1, "the channel is gone");
    network.stop().await
}

async fn a_channel_is_closed_only_with_its_counterparty(client: &Client, user_channel_id: &str) {
    let ids = [user_channel_id, STRANGER];
    invalid(client.close_channel(close(ids)).await, "counterparty_node_id");
    invalid(client.force_close_channel(force_close(ids)).await, "counterparty_node_id");
}

/// Values that make it panic, which is the end of the node.
async fn what_the_library_cannot_bear_is_kept_from_it(
    node: &Node,
    channel: [&str; 2],
) -> Result<()> {
    let client = node.client();
    let request = OpenChannelRequest {
        channel_config: Some(ChannelConfig {
            force_close_avoidance_max_fee_satoshis: Some(u64::MAX),
            ..Default::default()
        }),
        ..channel_to(channel[1])
    };
    let field = "channel_config.force_close_avoidance_max_fee_satoshis";
    invalid(client.open_channel(request).await, field);

    let force_close_reason = Some("a".repeat(LONGEST_PEER_MESSAGE_BYTES));
    let request = ForceCloseChannelRequest { force_close_reason, ..force_close(channel) };
    invalid(client.force_close_channel(request).await, "force_close_reason");

    let address = node.new_address().await?;
    for rate in [1_000_000_000_000_000, 10_000_000_000_000_000, u64::MAX / 250] {
        let request = OnchainSendRequest {
            address: address.clone(),
            amount_sats: Some(1_000),
            fee_rate_sat_per_vb: Some(rate),
            ..Default::default()
        };
        invalid(client.onchain_send(request).await, "fee_rate_sat_per_vb");
    }
    Ok(())
}

async fn payment_ids(client: &Client) {
    for payment_id in BAD_HASHES {
        let request = GetPaymentDetailsRequest { payment_id: payment_id.to_owned() };
        invalid(client.get_payment_details(request).await, "payment_id");
    }
    let request = GetPaymentDetailsRequest { payment_id: "ab".repeat(32) };
    let answer = client.get_payment_details(request).await;
    assert!(matches!(&answer, Ok(found) if found.payment.is_none()), "{answer:?}");
}

async fn peers(node: &Node) {
    let client = node.client();
    let connect = |node_pubkey: &str, address: &str| {
        client.connect_peer(ConnectPeerRequest {
            node_pubkey: node_pubkey.to_owned(),
            address: address.to_owned(),
            persist: false,
        })
    };
    for key in BAD_KEYS {
        invalid(connect(key, "127.0.0.1:9735").await, "node_pubkey");
        let request = DisconnectPeerRequest { node_pubkey: key.to_owned() };
        invalid(client.disconnect_peer(request).await, "node_pubkey");
    }
    invalid(connect(node.id(), "127.0.0.1:9735").await, "own");
    for address in BAD_PEER_ADDRESSES {
        invalid(connect(STRANGER, address).await, "address");
    }
    let closed = Port::claim().unwrap().address();
    refused(connect(STRANGER, &closed).await, Code::FailedPrecondition, &[STRANGER, &closed]);
}

async fn channels_to_open(node: &Node) {
    let client = node.client();
    let open = |request| client.open_channel(request);
    let channel = || channel_to(STRANGER);
    for key in BAD_KEYS {
        invalid(open(channel_to(key)).await, "node_pubkey");
    }
    invalid(open(channel_to(node.id())).await, "own");
    for address in BAD_PEER_ADDRESSES {
        let address = address.to_owned();
        invalid(open(OpenChannelRequest { address, ..channel() }).await, "address");
    }
    for sats in [0, 1, MIN_CHANNEL_SATS - 1, TOO_MANY_SATS, u64::MAX] {
        let amount = Some(Amount::ChannelAmountSats(sats));
        invalid(open(OpenChannelRequest { amount, ..channel() }).await, "channel_amount_sats");
    }
    let unset = OpenChannelRequest { amount: None, ..channel() };
    invalid(open(unset).await, "channel_amount_sats");
    for msat in [MIN_CHANNEL_SATS * 1_000 + 1, u64::MAX] {
        let amount = Some(Amount::ChannelAmountSats(MIN_CHANNEL_SATS));
        let push_to_counterparty_msat = Some(msat);
        let request = OpenChannelRequest { amount, push_to_counterparty_msat, ..channel() };
        invalid(open(request).await, "push_to_counterparty_msat");
    }
    let config = ChannelConfig { cltv_expiry_delta: Some(65_536), ..Default::default() };
    let request = OpenChannelRequest { channel_config: Some(config), ..channel() };
    invalid(open(request).await, "channel_config.cltv_expiry_delta");

    let without_reserve = || OpenChannelRequest { disable_counterparty_reserve: true, ..channel() };
    let announced = OpenChannelRequest { announce_channel: true, ..without_reserve() };
    invalid(open(announced).await, "disable_counterparty_reserve");
    let named = ["disable_counterparty_reserve"];
    refused(open(without_reserve()).await, Code::Unimplemented, &named);
    let all_funds = Some(Amount::AllFunds(AllFunds {}));
    let request = OpenChannelRequest { amount: all_funds, ..channel() };
    refused(open(request).await, Code::Unimplemented, &["all_funds"]);
    let address = Port::claim().unwrap().address();
    let request = OpenChannelRequest { address: address.clone(), ..channel() };
    refused(open(request).await, Code::FailedPrecondition, &[STRANGER, &address]);
}

async fn channels_to_close(client: &Client) {
    let too_large = format!("{}0", u128::MAX);
    for user_channel_id in ["", "-1", "+1", "0x1", "1.0", " 1", &too_large] {
        let ids = [user_channel_id, STRANGER];
        invalid(client.close_channel(close(ids)).await, "user_channel_id");
        invalid(client.force_close_channel(force_close(ids)).await, "user_channel_id");
    }
    for key in BAD_KEYS {
        let ids = ["42", key];
        invalid(client.close_channel(close(ids)).await, "counterparty_node_id");
        invalid(client.force_close_channel(force_close(ids)).await, "counterparty_node_id");
    }
    // The library takes a channel that it does not know for closed.
    let unknown = ["340282366920938463463374607431768211455", STRANGER];
    let closed = client.close_channel(close(unknown)).await;
    refused(closed, Code::InvalidArgument, &["user_channel_id", unknown[0]]);
    let closed = client.force_close_channel(force_close(unknown)).await;
    refused(closed, Code::InvalidArgument, &["user_channel_id", unknown[0]]);
}

async fn invoices_to_make(client: &Client) {
    let make = |request| client.bolt11_receive(request);
    let invoice = || Bolt11ReceiveRequest { expiry_secs: 3_600, ..Default::default() };
    for amount in [0, TOO_MANY_SATS * 1_000, u64::MAX] {
        let amount_msat = Some(amount);
        invalid(make(Bolt11ReceiveRequest { amount_msat, ..invoice() }).await, "amount_msat");
    }
    invalid(make(Bolt11ReceiveRequest { expiry_secs: 0, ..invoice() }).await, "expiry_secs");
    let described = |kind| Bolt11ReceiveRequest {
        description: Some(Bolt11InvoiceDescription { kind: Some(kind) }),
        ..invoice()
    };
    for hash in BAD_HASHES {
        invalid(make(described(Kind::Hash(hash.to_owned()))).await, "description.hash");
    }
    let too_long = "a".repeat(MAX_DESCRIPTION_BYTES + 1);
    invalid(make(described(Kind::Direct(too_long))).await, "description.direct");
    let longest = make(described(Kind::Direct("a".repeat(MAX_DESCRIPTION_BYTES)))).await;
    assert!(longest.is_ok(), "{longest:?}");
}

async fn invoices_to_pay(node: &Node) -> Result<()> {
    let client = node.client();
    let pay = |invoice: &str, amount_msat| {
        let invoice = invoice.to_owned();
        client.bolt11_send(Bolt11SendRequest { invoice, amount_msat, ..Default::default() })
    };
    let long = "lnbcrt1".repeat(1_000);
    for garbage in ["", "lnbcrt1", "coffee", &long].into_iter().chain(BAD_INVOICES) {
        invalid(pay(garbage, None).await, "invoice");
    }
    refused(
        pay(MAINNET_INVOICE, Some(1_000)).await,
        Code::InvalidArgument,
        &["invoice", "regtest"],
    );

    let own = node.invoice(1_000).await?;
    let request = Bolt11ReceiveRequest { expiry_secs: 3_600, ..Default::default() };
    let own_without_amount = client.bolt11_receive(request).await?.invoice;
    for (invoice, amount_msat) in [
        (&own, Some(0)),
        (&own, Some(999)),
        (&own, Some(u64::MAX)),
        (&own_without_amount, None),
        (&own_without_amount, Some(0)),
        (&own_without_amount, Some(TOO_MANY_SATS * 1_000)),
        (&own_without_amount, Some(u64::MAX)),
    ] {
        invalid(pay(invoice, amount_msat).await, "amount_msat");
    }
    refused(pay(&own, None).await, Code::FailedPrecondition, &["own"]);

    for (field, route_parameters) in [
        (
            "route_parameters.max_path_count",
            RouteParametersConfig { max_path_count: 256, ..Default::default() },
        ),
        (
            "route_parameters.max_channel_saturation_power_of_half",
            RouteParametersConfig {
                max_channel_saturation_power_of_half: u32::MAX,
                ..Default::default()
            },
        ),
    ] {
        let invoice = own.clone();
        let route_parameters = Some(route_parameters);
        let request = Bolt11SendRequest { invoice, route_parameters, ..Default::default() };
        invalid(client.bolt11_send(request).await, field);
    }
    Ok(())
}

async fn on_chain_payments(node: &Node) -> Result<()> {
    let client = node.client();
    let send = |request| client.onchain_send(request);
    let address = node.new_address().await?;
    let to = |address: &str| OnchainSendRequest {
        address: address.to_owned(),
        amount_sats: Some(1_000),
        ..Default::default()
    };
    let mistyped = format!("{}b", &address[..address.len() - 1]);
    let long = address.repeat(200);
    for garbage in ["", "bcrt1q", "coffee", STRANGER, &mistyped, &long] {
        invalid(send(to(garbage)).await, "address");
    }
    for foreign in FOREIGN_ADDRESSES {
        refused(send(to(foreign)).await, Code::InvalidArgument, &["address", "regtest"]);
    }
    for sats in [0, 1, DUST_LIMIT_SATS - 1, TOO_MANY_SATS, u64::MAX] {
        let request = OnchainSendRequest { amount_sats: Some(sats), ..to(&address) };
        invalid(send(request).await, "amount_sats");
    }
    for (field, amount_sats, send_all) in [
        ("amount_sats", None, None),
        ("send_all", None, Some(false)),
        ("send_all", Some(1_000), Some(true)),
        ("send_all", Some(1_000), Some(false)),
    ] {
        invalid(send(OnchainSendRequest { amount_sats, send_all, ..to(&address) }).await, field);
    }
    refused(send(to(&address)).await, Code::FailedPrecondition, &["funds"]);
    for rate in [0, u64::MAX] {
        let request = OnchainSendRequest { fee_rate_sat_per_vb: Some(rate), ..to(&address) };
        invalid(send(request).await, "fee_rate_sat_per_vb");
    }
    Ok(())
}

async fn what_cannot_be_done_yet_says_so(node: &Node) -> Result<()> {
    let request = Bolt11SendUnderpayingRequest::default();
    let answer = node.client().bolt11_send_underpaying(request).await;
    refused(answer, Code::Unimplemented, &["0.7.1", "less than"]);
    let request = SubscribeEventsRequest { resume_after_index: Some(0) };
    let answer = node.client().subscribe_events(request).await;
    refused(answer, Code::Unimplemented, &["resume_after_index"]);

    let missing = RPC_NAMES
        .iter()
        .filter(|name| !IMPLEMENTED.contains(name) && **name != "Bolt11SendUnderpaying");
    let mut count = 0;
    for method in missing {
        let (status, message) = raw_answer(node.config(), method).await?;
        assert_eq!(status, Code::Unimplemented as i32, "{method}");
        assert!(message.to_lowercase().contains("not yet"), "{method}: {message}");
        count += 1;
    }
    assert_eq!(count + IMPLEMENTED.len() + 1, RPC_NAMES.len());
    Ok(())
}

/// Status and message of the answer to an empty request.
async fn raw_answer(node: &NodeConfig, method: &str) -> Result<(i32, String)> {
    let request = signed_request(node, method, grpc_frame(&[]))?;
    let answer = RawConnection::open(node).await?.send(request).await?;
    let message = answer.headers["grpc-message"].to_str()?.replace("%20", " ");
    Ok((answer.grpc_status()?, message))
}

async fn the_command_line_says_the_same(node: &Node) -> Result<()> {
    let peer = format!("{STRANGER}@{}", Port::claim()?.address());
    let address = node.new_address().await?;
    for (args, code, expected) in [
        (&["bolt11-send", "coffee"][..], 1, "Error (Invalid Request): invoice: "),
        (&["bolt11-send", MAINNET_INVOICE, "1sat"], 1, "Error (Invalid Request): invoice: "),
        (&["bolt11-receive", "0sat"], 1, "Error (Invalid Request): amount_msat: "),
        (&["bolt11-receive", "100"], 2, "error: "),
        (&["get-payment-details", "abc"], 1, "Error (Invalid Request): payment_id: "),
        (&["onchain-send", "coffee", "1000sat"], 1, "Error (Invalid Request): address: "),
        (&["onchain-send", &address], 1, "Error (Invalid Request): amount_sats: "),
        (&["onchain-send", &address, "1000sat"], 1, "Error (Lightning Error): "),
        (&["onchain-send", &address, "1500msat"], 1, "Error: amount 1500msats is not evenly "),
        (&["onchain-send", &address, "1000sat", "--send-all", "perhaps"], 2, "error: "),
        (&["connect-peer", &peer], 1, "Error (Lightning Error): "),
        (&["connect-peer", STRANGER], 1, "Error: address is required"),
        (&["close-channel", "42", STRANGER], 1, "Error (Invalid Request): user_channel_id: "),
        (&["close-channel", "42"], 2, "error: "),
        (&["no-such-command"], 2, "error: "),
    ] {
        let finished = node.cli_finished(args).await?;
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert!(finished.stderr.starts_with(expected), "{finished:?}");
        assert_eq!(finished.stdout, "");
    }
    Ok(())
}

/// An ordinary channel, to be changed. Where the peer should be, nobody listens.
fn channel_to(node_pubkey: &str) -> OpenChannelRequest {
    OpenChannelRequest {
        node_pubkey: node_pubkey.to_owned(),
        address: "127.0.0.1:1".to_owned(),
        amount: Some(Amount::ChannelAmountSats(100_000)),
        ..Default::default()
    }
}

fn close([user_channel_id, counterparty_node_id]: [&str; 2]) -> CloseChannelRequest {
    CloseChannelRequest {
        user_channel_id: user_channel_id.to_owned(),
        counterparty_node_id: counterparty_node_id.to_owned(),
    }
}

fn force_close([user_channel_id, counterparty_node_id]: [&str; 2]) -> ForceCloseChannelRequest {
    ForceCloseChannelRequest {
        user_channel_id: user_channel_id.to_owned(),
        counterparty_node_id: counterparty_node_id.to_owned(),
        force_close_reason: None,
    }
}

#[track_caller]
fn invalid<T: Debug>(answer: Result<T, Error>, field: &str) {
    refused(answer, Code::InvalidArgument, &[field]);
}

/// Checks that a call was refused with this status, in words that have all of these among them.
#[track_caller]
fn refused<T: Debug>(answer: Result<T, Error>, code: Code, words: &[&str]) {
    let error = match answer {
        Err(error) => error,
        Ok(answer) => panic!("not refused: {answer:?}"),
    };
    let message = error.to_string();
    assert_eq!(error.code(), Some(code), "{message}");
    assert!(words.iter().all(|word| message.contains(word)), "not {words:?} in {message}");
}
