//! Alice pays carol through bob, who earns a fee by it.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{
    Events, Network, Node, RawAnswer, RawConnection, grpc_frame, grpc_request, now_secs, until,
    x_auth, x_auth_of_request,
};
use futures_util::future::try_join_all;
use http_body_util::Full;
use ldk_server_client::Code;
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::{
    GetPaymentDetailsRequest, ListForwardedPaymentsRequest, ListForwardedPaymentsResponse,
    OpenChannelRequest, SpontaneousSendRequest,
};
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::types::{ForwardedPayment, PageToken, PaymentStatus, Spontaneous};
use prost::Message as _;

const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 25_000_000;
const SMALL_MSAT: u64 = 20_000;
/// More than a page.
const MANY: u64 = 104;
/// How many are under way at once.
const BATCH: u64 = 13;

#[tokio::test(flavor = "multi_thread")]
async fn forwards_are_told_of_listed_and_earn_a_fee() -> Result<()> {
    let network = Network::start_for(3).await?;
    let (alice, bob, carol) =
        tokio::try_join!(network.node("alice"), network.node("bob"), network.node("carol"))?;
    network.fund(&[&alice, &bob, &carol], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    // By default a node forwards to channels that are announced, and to no other.
    open_public_channel(&network, &bob, &carol).await?;
    alice_finds_carol(&alice, &carol).await?;

    let nodes = [alice, bob, carol];
    let mut told = vec![the_one_between_earns_what_the_payer_pays(&nodes).await?];
    told.extend(many_are_told_of(&nodes).await?);
    they_are_listed_newest_first(&nodes[1], &told).await?;
    crate::routes::are_known_before_the_payment(&nodes).await?;
    let newest = told.last().context("none was told of")?;
    each_generation_reads_its_own_numbers(&nodes, newest).await?;
    unusable_tokens_are_refused(&nodes[1]).await?;
    a_restart_neither_loses_nor_repeats(&nodes, &told).await?;
    network.stop().await
}

async fn open_public_channel(network: &Network, opener: &Node, accepter: &Node) -> Result<()> {
    let request = OpenChannelRequest {
        node_pubkey: accepter.id().to_owned(),
        address: accepter.address(),
        amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
        push_to_counterparty_msat: Some(CHANNEL_SATS / 2 * 1_000),
        announce_channel: true,
        ..Default::default()
    };
    opener.client().open_channel(request).await?;
    network.confirm_funding(opener).await?;
    network.usable(opener, accepter).await
}

/// Waits until the announcement of the second channel has come round.
async fn alice_finds_carol(alice: &Node, carol: &Node) -> Result<()> {
    until("alice finds a route to carol", PATIENCE, async || {
        let payment_id = alice.send(&carol.invoice(SMALL_MSAT).await?).await?;
        let payment = alice.settled(&payment_id).await?;
        ensure!(payment.status() == PaymentStatus::Succeeded, "{payment:?}");
        Ok(())
    })
    .await
}

async fn the_one_between_earns_what_the_payer_pays(
    nodes: &[Arc<Node>; 3],
) -> Result<ForwardedPayment> {
    let [alice, bob, carol] = nodes;
    let (at_rest, owned) = (rest(nodes).await?, owned_sats(nodes).await?);
    let mut events = bob.events().await?;
    let payment_id = alice.pays(carol, AMOUNT_MSAT).await?;

    let fee_msat = alice.payment(&payment_id).await?.fee_paid_msat.context("no fee was paid")?;
    assert!(fee_msat > 0, "bob works for nothing");
    let forward = next_forward(&mut events).await?;
    let incoming = bob.usable_channel(alice).await?;
    let outgoing = bob.usable_channel(carol).await?;
    let expected = ForwardedPayment {
        prev_channel_id: incoming.channel_id,
        next_channel_id: outgoing.channel_id,
        prev_user_channel_id: incoming.user_channel_id,
        next_user_channel_id: Some(outgoing.user_channel_id),
        total_fee_earned_msat: Some(fee_msat),
        skimmed_fee_msat: None,
        claim_from_onchain_tx: false,
        outbound_amount_forwarded_msat: Some(AMOUNT_MSAT),
        prev_node_id: alice.id().to_owned(),
        next_node_id: carol.id().to_owned(),
        created_at: 0,
    };
    assert_eq!(forward, expected);

    let [in_alice, in_bob, out_bob, out_carol] = at_rest;
    let moved = [
        in_alice - AMOUNT_MSAT - fee_msat,
        in_bob + AMOUNT_MSAT + fee_msat,
        out_bob - AMOUNT_MSAT,
        out_carol + AMOUNT_MSAT,
    ];
    assert_eq!(rest(nodes).await?, moved);
    // The same in GetBalances. The default fee on this amount is whole satoshis.
    assert_eq!(fee_msat % 1_000, 0);
    let (amount_sats, fee_sats) = (AMOUNT_MSAT / 1_000, fee_msat / 1_000);
    let expected = [owned[0] - amount_sats - fee_sats, owned[1] + fee_sats, owned[2] + amount_sats];
    until("the balances have moved", PATIENCE, async || {
        let owned = owned_sats(nodes).await?;
        ensure!(owned == expected, "{owned:?}, not {expected:?}");
        Ok(())
    })
    .await?;
    Ok(forward)
}

/// `types.ForwardedPayment` of the later generation, as far as it is looked at.
#[derive(Clone, PartialEq, prost::Message)]
struct HeadForward {
    #[prost(uint64, optional, tag = "1")]
    total_fee_earned_msat: Option<u64>,
    #[prost(uint64, optional, tag = "4")]
    outbound_amount_forwarded_msat: Option<u64>,
    #[prost(message, repeated, tag = "5")]
    prev_htlcs: Vec<HeadLocator>,
    #[prost(message, repeated, tag = "6")]
    next_htlcs: Vec<HeadLocator>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HeadLocator {
    #[prost(string, tag = "1")]
    channel_id: String,
    #[prost(string, optional, tag = "2")]
    user_channel_id: Option<String>,
    #[prost(string, optional, tag = "3")]
    node_id: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HeadForwards {
    #[prost(message, repeated, tag = "1")]
    forwarded_payments: Vec<HeadForward>,
}

/// `GetPaymentDetailsResponse` of the later generation, down to a payment without invoice.
#[derive(Clone, PartialEq, prost::Message)]
struct HeadDetails {
    #[prost(message, optional, tag = "1")]
    payment: Option<HeadPayment>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HeadPayment {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<HeadKind>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HeadKind {
    #[prost(message, optional, tag = "5")]
    spontaneous: Option<Spontaneous>,
}

/// The same as it is, for whom the form of the signature or the metadata says which numbers are read.
async fn each_generation_reads_its_own_numbers(
    [alice, bob, carol]: &[Arc<Node>; 3],
    forward: &ForwardedPayment,
) -> Result<()> {
    let list = grpc_frame(&[]);
    for (x_auth, said) in [
        (x_auth(bob.config(), now_secs()?, &list)?, None),
        (x_auth(bob.config(), now_secs()?, &[])?, Some("head")),
        (x_auth_of_request(bob.config(), "ListForwardedPayments", &list)?, Some("head")),
    ] {
        let answer = call(bob, "ListForwardedPayments", &list, &x_auth, said).await?;
        let read = HeadForwards::decode(answer.message()?)?.forwarded_payments;
        let amount_msat = forward.outbound_amount_forwarded_msat;
        let found = read.iter().find(|read| read.outbound_amount_forwarded_msat == amount_msat);
        let expected = HeadForward {
            total_fee_earned_msat: forward.total_fee_earned_msat,
            outbound_amount_forwarded_msat: amount_msat,
            prev_htlcs: vec![HeadLocator {
                channel_id: forward.prev_channel_id.clone(),
                user_channel_id: Some(forward.prev_user_channel_id.clone()),
                node_id: Some(alice.id().to_owned()),
            }],
            next_htlcs: vec![HeadLocator {
                channel_id: forward.next_channel_id.clone(),
                user_channel_id: forward.next_user_channel_id.clone(),
                node_id: Some(carol.id().to_owned()),
            }],
        };
        assert_eq!(found, Some(&expected));
    }
    for (x_auth, said) in [
        (x_auth(bob.config(), now_secs()?, &[])?, None),
        (x_auth_of_request(bob.config(), "ListForwardedPayments", &list)?, None),
        (x_auth(bob.config(), now_secs()?, &list)?, Some("base")),
    ] {
        let answer = call(bob, "ListForwardedPayments", &list, &x_auth, said).await?;
        let read = ListForwardedPaymentsResponse::decode(answer.message()?)?.forwarded_payments;
        let of_this = |read: &&ForwardedPayment| read.prev_channel_id == forward.prev_channel_id;
        ensure!(read.iter().any(|read| of_this(&read)), "{read:?}");
    }

    let request = SpontaneousSendRequest {
        amount_msat: SMALL_MSAT,
        node_id: bob.id().to_owned(),
        ..Default::default()
    };
    let id = alice.client().spontaneous_send(request).await?.payment_id;
    let details = GetPaymentDetailsRequest { payment_id: id.clone() };
    let details = grpc_frame(&details.encode_to_vec());
    let x_auth = x_auth(alice.config(), now_secs()?, &details)?;
    let answer = call(alice, "GetPaymentDetails", &details, &x_auth, None).await?;
    let payment = HeadDetails::decode(answer.message()?)?.payment.context("no payment")?;
    ensure!(payment.id == id, "{payment:?}");
    let spontaneous = payment.kind.and_then(|kind| kind.spontaneous).context("no keysend")?;
    ensure!(spontaneous.hash == id, "{spontaneous:?}");
    alice.settled(&id).await?;
    Ok(())
}

async fn call(
    node: &Node,
    method: &str,
    frame: &[u8],
    x_auth: &str,
    generation: Option<&str>,
) -> Result<RawAnswer> {
    let mut request = grpc_request(node.config(), method).header("x-auth", x_auth);
    if let Some(generation) = generation {
        request = request.header("x-ldk-server-api", generation);
    }
    let request = request.body(Full::from(frame.to_vec()))?;
    RawConnection::open(node.config()).await?.send(request).await
}

/// What alice and bob, and bob and carol, can send in the channel they share.
async fn rest([alice, bob, carol]: &[Arc<Node>; 3]) -> Result<[u64; 4]> {
    let [in_alice, in_bob] = Network::at_rest(alice, bob).await?;
    let [out_bob, out_carol] = Network::at_rest(bob, carol).await?;
    Ok([in_alice, in_bob, out_bob, out_carol])
}

/// What each has in channels.
async fn owned_sats(nodes: &[Arc<Node>; 3]) -> Result<[u64; 3]> {
    let mut owned = [0; 3];
    for (node, sats) in nodes.iter().zip(&mut owned) {
        *sats = node.balances().await?.total_lightning_balance_sats;
    }
    Ok(owned)
}

async fn next_forward(events: &mut Events) -> Result<ForwardedPayment> {
    let next = events.wait_for("PaymentForwarded", |event| match event {
        Event::PaymentForwarded(forwarded) => forwarded.forwarded_payment,
        _ => None,
    });
    next.await
}

/// Makes more payments than a page holds, and returns what bob is told of them, in that order.
async fn many_are_told_of([alice, bob, carol]: &[Arc<Node>; 3]) -> Result<Vec<ForwardedPayment>> {
    let mut events = bob.events().await?;
    let mut told = Vec::new();
    for batch in 0..MANY / BATCH {
        let amounts = (batch * BATCH..(batch + 1) * BATCH).map(|number| SMALL_MSAT + number);
        try_join_all(amounts.map(|amount_msat| alice.pays(carol, amount_msat))).await?;
        for _ in 0..BATCH {
            told.push(next_forward(&mut events).await?);
        }
    }
    let mut amounts: Vec<_> = told.iter().map(|told| told.outbound_amount_forwarded_msat).collect();
    amounts.sort_unstable();
    let sent: Vec<_> = (0..MANY).map(|number| Some(SMALL_MSAT + number)).collect();
    assert_eq!(amounts, sent);
    Ok(told)
}

async fn page(node: &Node, page_token: Option<PageToken>) -> Result<ListForwardedPaymentsResponse> {
    let request = ListForwardedPaymentsRequest { page_token, ..Default::default() };
    Ok(node.client().list_forwarded_payments(request).await?)
}

async fn all(node: &Node) -> Result<Vec<ForwardedPayment>> {
    let first = page(node, None).await?;
    let last = page(node, first.next_page_token).await?;
    assert_eq!(last.next_page_token, None);
    Ok([first.forwarded_payments, last.forwarded_payments].concat())
}

/// `told` are all but the first, by which alice found carol.
async fn they_are_listed_newest_first(node: &Node, told: &[ForwardedPayment]) -> Result<()> {
    let first = page(node, None).await?;
    assert_eq!(first.forwarded_payments.len(), 100);
    let token = first.next_page_token.context("there is more than a page")?;
    assert_eq!(page(node, Some(token)).await?.forwarded_payments.len(), told.len() + 1 - 100);
    let listed = all(node).await?;
    assert!(listed.is_sorted_by_key(|forward| Reverse(forward.created_at)), "{listed:?}");
    in_a_span_of_time(node, &listed).await?;
    let all = as_told(&listed);
    let newest_first: Vec<_> = told.iter().rev().cloned().collect();
    assert_eq!(all[..told.len()], newest_first);
    assert_eq!(all[told.len()].outbound_amount_forwarded_msat, Some(SMALL_MSAT));
    Ok(())
}

/// An event has a time of its own, and what it tells of has none.
fn as_told(listed: &[ForwardedPayment]) -> Vec<ForwardedPayment> {
    let told = |forward: &ForwardedPayment| {
        assert!(forward.created_at > 0, "{forward:?}");
        ForwardedPayment { created_at: 0, ..forward.clone() }
    };
    listed.iter().map(told).collect()
}

async fn in_a_span_of_time(node: &Node, all: &[ForwardedPayment]) -> Result<()> {
    let middle = all[all.len() / 2].created_at;
    let page = async |created_from, created_before| -> Result<_> {
        let page_size = Some(1_000);
        let request = ListForwardedPaymentsRequest {
            created_from,
            created_before,
            page_size,
            ..Default::default()
        };
        Ok(node.client().list_forwarded_payments(request).await?.forwarded_payments)
    };
    let older = all.partition_point(|forward| forward.created_at >= middle);
    assert_eq!(page(Some(middle), None).await?, all[..older]);
    assert_eq!(page(None, Some(middle)).await?, all[older..]);
    assert_eq!(
        page(Some(middle), Some(middle + 1)).await?.first().map(|row| row.created_at),
        Some(middle)
    );
    Ok(())
}

async fn unusable_tokens_are_refused(node: &Node) -> Result<()> {
    let good = page(node, None).await?.next_page_token.context("there is more than a page")?;
    for (token, index) in [
        (String::new(), good.index),
        (good.token[1..].to_owned(), good.index),
        (format!("{}00", good.token), good.index),
        ("zz".repeat(8), good.index),
        // That of a payment, and that of no forward.
        ("ab".repeat(32), good.index),
        ("ff".repeat(8), good.index),
        (good.token.clone(), -1),
    ] {
        let request = ListForwardedPaymentsRequest {
            page_token: Some(PageToken { token, index }),
            ..Default::default()
        };
        let refused = node.client().list_forwarded_payments(request).await;
        let error = refused.err().context("the token was accepted")?;
        assert_eq!(error.code(), Some(Code::InvalidArgument), "{error}");
        assert!(error.to_string().starts_with("page_token: "), "{error}");
    }
    Ok(())
}

async fn a_restart_neither_loses_nor_repeats(
    nodes: &[Arc<Node>; 3],
    told: &[ForwardedPayment],
) -> Result<()> {
    let [alice, bob, carol] = nodes;
    rest(nodes).await?;
    let before = all(bob).await?;
    bob.stop().await?;
    bob.start_again().await?;
    assert_eq!(all(bob).await?, before);

    // Equal to the last one, and yet another.
    rest(nodes).await?;
    let last = told.last().context("nothing was told")?;
    let mut events = bob.events().await?;
    let amount_msat = last.outbound_amount_forwarded_msat.context("no amount")?;
    alice.pays(carol, amount_msat).await?;
    assert_eq!(&next_forward(&mut events).await?, last);
    let after = all(bob).await?;
    assert_eq!(&as_told(&after)[0], last);
    assert_eq!(after[1..], before);
    Ok(())
}
