//! OnchainSend.

use anyhow::Result;
use e2e_tests::{Node, invalid, refused};
use ldk_server_client::Code;
use ldk_server_client::api::{AllFunds, OnchainSendRequest};

use crate::requests::{STRANGER, TOO_MANY_SATS};

/// Of BIP 173, and two of other kinds: addresses of other networks.
const FOREIGN_ADDRESSES: [&str; 3] = [
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
];

/// The least that an output to a segwit address may have.
const DUST_LIMIT_SATS: u64 = 294;
/// Times the weight of a transaction, they do not fit the number that holds a fee.
const UNBEARABLE_RATES: [u64; 3] = [1_000_000_000_000_000, 10_000_000_000_000_000, u64::MAX / 250];

pub(super) async fn unusable_fields(node: &Node) -> Result<()> {
    let client = node.client();
    let send = |request| client.onchain_send(request);
    let address = node.new_address().await?;
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
        ("amount_sats", None, Some(false)),
        ("send_all", Some(1_000), Some(true)),
        ("send_all", Some(1_000), Some(false)),
    ] {
        invalid(send(OnchainSendRequest { amount_sats, send_all, ..to(&address) }).await, field);
    }
    let both = OnchainSendRequest { all_funds: Some(AllFunds {}), ..to(&address) };
    invalid(send(both).await, "all_funds");
    invalid(send(OnchainSendRequest { force: true, ..to(&address) }).await, "force");
    refused(send(to(&address)).await, Code::FailedPrecondition, &["funds"]);
    for rate in [0, u64::MAX] {
        let request = OnchainSendRequest { fee_rate_sat_per_vb: Some(rate), ..to(&address) };
        invalid(send(request).await, "fee_rate_sat_per_vb");
    }
    Ok(())
}

/// Rates that make the library panic, or worse, pay another fee.
pub(super) async fn unbearable_fee_rates(node: &Node) -> Result<()> {
    let address = node.new_address().await?;
    for rate in UNBEARABLE_RATES {
        let request = OnchainSendRequest { fee_rate_sat_per_vb: Some(rate), ..to(&address) };
        invalid(node.client().onchain_send(request).await, "fee_rate_sat_per_vb");
    }
    Ok(())
}

/// An ordinary payment, to be changed.
fn to(address: &str) -> OnchainSendRequest {
    OnchainSendRequest {
        address: address.to_owned(),
        amount_sats: Some(1_000),
        ..Default::default()
    }
}
