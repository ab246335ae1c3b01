//! EstimateOnchainFees: what it says is what is paid, and each chain source is asked.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{
    Authority, ConfigBuilder, ElectrumIndex, Esplora, Network, Node, invalid, refused, until,
};
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::{
    CloseChannelRequest, EstimateOnchainFeesRequest, EstimateOnchainFeesResponse,
    OnchainSendRequest, OpenChannelRequest,
};
use ldk_server_client::types::OnchainFeeEstimate;
use ldk_server_client::{Client, Code};

const PATIENCE: Duration = Duration::from_secs(60);
const FUNDS_SATS: u64 = 2_000_000;
const CHANNEL_SATS: u64 = 500_000;
/// Signatures are of 71 or 72 bytes, and outputs of various sizes.
const TOLERANCE_SATS: u64 = 14;
/// The library's lowest rate.
const LOWEST_SAT_PER_KVB: u64 = 1_012;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_estimated_is_what_is_paid() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    network.fund(&[&alice], FUNDS_SATS).await?;
    unusable_numbers_are_refused(&alice).await;
    // Alice has one coin, and then the change.
    let estimates = estimate(alice.client(), Some(1)).await?;
    ensure!(estimates.fee_rates.iter().all(|rate| rate.is_fallback), "{estimates:?}");
    ensure!(
        estimates.fee_rates.iter().all(|rate| rate.sat_per_kvb == LOWEST_SAT_PER_KVB),
        "{estimates:?}"
    );

    let request = OnchainSendRequest {
        address: bob.new_address().await?,
        amount_sats: Some(100_000),
        ..Default::default()
    };
    alice.client().onchain_send(request).await?;
    is_paid(&network, estimates.onchain_send).await?;
    let request = OpenChannelRequest {
        node_pubkey: bob.id().to_owned(),
        address: bob.address(),
        amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
        push_to_counterparty_msat: Some(CHANNEL_SATS * 500),
        ..Default::default()
    };
    alice.client().open_channel(request).await?;
    is_paid(&network, estimates.open_channel).await?;
    network.mine(5).await?;
    network.usable(&alice, &bob).await?;
    let channel = alice.usable_channel(&bob).await?;
    let request = CloseChannelRequest {
        user_channel_id: channel.user_channel_id,
        counterparty_node_id: bob.id().to_owned(),
    };
    alice.client().close_channel(request).await?;
    is_paid(&network, estimates.close_channel).await?;
    network.stop().await
}

async fn unusable_numbers_are_refused(alice: &Node) {
    for wallet_inputs in [0, 1_001, u32::MAX] {
        let request = EstimateOnchainFeesRequest { wallet_inputs: Some(wallet_inputs) };
        let answer = alice.client().estimate_onchain_fees(request).await;
        invalid(answer, "wallet_inputs");
    }
}

async fn estimate(
    client: &Client,
    wallet_inputs: Option<u32>,
) -> Result<EstimateOnchainFeesResponse> {
    Ok(client.estimate_onchain_fees(EstimateOnchainFeesRequest { wallet_inputs }).await?)
}

/// Waits for the transaction, which is the only one, and confirms it.
async fn is_paid(network: &Network, estimate: Option<OnchainFeeEstimate>) -> Result<()> {
    let estimate = estimate.context("no estimate")?;
    let bitcoind = network.bitcoind();
    let txid = until("the transaction is with bitcoind", PATIENCE, async || {
        bitcoind.mempool().await?.pop().context("the mempool is empty")
    })
    .await?;
    let entry = bitcoind.call("getmempoolentry", &[txid.into()]).await?;
    let fee_sats = (entry["fees"]["base"].as_f64().context("no fee")? * 1e8).round() as u64;
    let vbytes = entry["vsize"].as_u64().context("no size")?;
    let expected = estimate.fee_sats.saturating_sub(TOLERANCE_SATS)
        ..=estimate.max_fee_sats.unwrap_or(estimate.fee_sats + TOLERANCE_SATS);
    ensure!(expected.contains(&fee_sats), "{fee_sats} sat were paid: {estimate:?}");
    ensure!(
        u64::from(estimate.vbytes).abs_diff(vbytes) <= TOLERANCE_SATS,
        "{vbytes}: {estimate:?}"
    );
    network.mine(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_chain_source_is_asked() -> Result<()> {
    let network = Network::start().await?;
    let esplora = Esplora::start().await?;
    let builder = ConfigBuilder::new(&network, "esplora")?
        .unset("bitcoind")?
        .set("esplora.server_url", esplora.url())?;
    let mut daemon = builder.start()?;
    let client = daemon.ready().await?;
    // Our own server has 2 sat/vB for the next block, and 1 sat/vB for later ones.
    rates_are(&client, [2_000, 1_012, 1_012, 1_012, 1_012]).await?;
    drop(esplora);
    let answer = client.estimate_onchain_fees(EstimateOnchainFeesRequest::default()).await;
    refused(answer, Code::Unavailable, &["the chain source does not answer"]);
    daemon.stop().await?;

    let authority = Authority::new("localhost")?;
    let electrum = ElectrumIndex::start_with_tls(&network, &authority).await?;
    let builder = ConfigBuilder::new(&network, "electrum")?
        .unset("bitcoind")?
        .set("electrum.server_url", electrum.url())?
        .set("electrum.ca_cert_path", authority.ca_cert_path().display().to_string())?;
    let mut daemon = builder.start()?;
    rates_are(&daemon.ready().await?, [1_012; 5]).await?;
    daemon.stop().await?;
    network.stop().await
}

async fn rates_are(client: &Client, expected: [u64; 5]) -> Result<()> {
    let estimates = until("it is ready", PATIENCE, async || estimate(client, None).await).await?;
    let rates: Vec<_> = estimates.fee_rates.iter().map(|rate| rate.sat_per_kvb).collect();
    ensure!(rates == expected, "{estimates:?}");
    ensure!(!estimates.fee_rates.iter().any(|rate| rate.is_fallback), "{estimates:?}");
    Ok(())
}
