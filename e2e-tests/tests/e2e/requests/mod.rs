//! Requests with something wrong in them: each is refused with the right status and in words that
//! name what is wrong, and the node goes on.

mod bolt11;
mod channels;
mod cli;
mod onchain;
mod payments;
mod peers;
mod unimplemented;

use anyhow::{Result, ensure};
use e2e_tests::{ConfigBuilder, Network};
use ldk_server_client::api::{GetNodeInfoRequest, OpenChannelRequest};

/// The key of nobody who is there.
const STRANGER: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

/// More than there can ever be.
const TOO_MANY_SATS: u64 = 21_000_000 * 100_000_000 + 1;

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

const BAD_PEER_ADDRESSES: [&str; 5] = ["", ":9735", "127.0.0.1:99999", "::1:9735", "a host:9735"];

#[tokio::test(flavor = "multi_thread")]
async fn unusable_fields_are_named() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    payments::unusable_ids(alice.client()).await;
    peers::unusable_fields(&alice).await?;
    channels::unusable_to_open(&alice).await?;
    channels::unusable_to_close(alice.client()).await;
    bolt11::unusable_to_make(alice.client()).await;
    bolt11::unusable_to_pay(&alice).await?;
    onchain::unusable_fields(&alice).await?;
    unimplemented::calls_say_so(&alice).await?;
    cli::says_the_same(&alice).await?;
    // Nothing of all this has hurt the node.
    alice.client().get_node_info(GetNodeInfoRequest {}).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_name_announces_nothing() -> Result<()> {
    let network = Network::start().await?;
    let builder = ConfigBuilder::new(&network, "nameless")?;
    let mut nameless = builder.unset("node.alias")?.unset("node.listening_addresses")?.start()?;
    let client = nameless.ready().await?;
    channels::cannot_be_announced(&client).await;
    nameless.stop().await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_and_money_are_guarded() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    network.fund(&[&alice, &bob], 1_000_000).await?;
    let request = OpenChannelRequest { address: bob.address(), ..channels::channel_to(bob.id()) };
    let user_channel_id = alice.client().open_channel(request).await?.user_channel_id;
    let channel = [user_channel_id.as_str(), bob.id()];
    channels::closed_only_with_its_counterparty(alice.client(), channel[0]).await;
    channels::unbearable_fields(alice.client(), channel).await;
    onchain::unbearable_fee_rates(&alice).await?;
    ensure!(alice.channels().await?.len() == 1, "the channel is gone");
    network.stop().await
}
