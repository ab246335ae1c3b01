//! `decode`: BOLT 11 invoices.

use ldk_node::bitcoin::address::NetworkUnchecked;
use ldk_node::bitcoin::{Address, AddressType};
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_server_grpc::api::{DecodeInvoiceRequest, DecodeInvoiceResponse};
use ldk_server_grpc::types::Bolt11RouteHint;
use serde::Serialize;

use super::{Method, features};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::error::Error;

/// `decode`: what an invoice says.
pub(super) struct Decode {
    string: String,
}

#[derive(Serialize)]
pub(super) struct Decoded {
    #[serde(rename = "type")]
    kind: &'static str,
    valid: bool,
    currency: String,
    created_at: u64,
    expiry: u64,
    payee: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_msat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description_hash: Option<String>,
    min_final_cltv_expiry: u64,
    payment_secret: String,
    features: String,
    payment_hash: String,
    signature: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_metadata: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fallbacks: Vec<Fallback>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Vec<Hop>>,
}

#[derive(Serialize)]
struct Fallback {
    #[serde(rename = "type")]
    kind: &'static str,
    addr: String,
    hex: String,
}

#[derive(Serialize)]
struct Hop {
    pubkey: String,
    short_channel_id: String,
    fee_base_msat: u32,
    fee_proportional_millionths: u32,
    cltv_expiry_delta: u32,
}

impl Method for Decode {
    const NAME: &'static str = "decode";
    const USAGE: &'static str = "string";
    type Answer = Decoded;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { string: args.required("string")? })
    }

    async fn run(self, call: Call) -> Result<Decoded, RpcError> {
        let text = self.string.strip_prefix("lightning:").unwrap_or(&self.string).to_lowercase();
        if text.starts_with("lno") || text.starts_with("lni") || text.starts_with("lnr") {
            let reason =
                "string: BOLT 12 is not supported yet; use DecodeOffer of the node's own API";
            return Err(RpcError::params(reason));
        }
        let request = DecodeInvoiceRequest { invoice: text.clone() };
        let decoded = call.ask(rpc::DecodeInvoice, request).await;
        let decoded = decoded.map_err(|error| match error {
            Error::InvalidArgument { reason, .. } => {
                RpcError::params(format!("Unparsable string: {reason}"))
            },
            other => other.into(),
        })?;
        Ok(shown(decoded, signature(&text)?))
    }
}

fn shown(invoice: DecodeInvoiceResponse, signature: String) -> Decoded {
    Decoded {
        kind: "bolt11 invoice",
        valid: true,
        currency: hrp(&invoice.currency).to_owned(),
        created_at: invoice.timestamp,
        expiry: invoice.expiry,
        payee: invoice.destination,
        amount_msat: invoice.amount_msat,
        description: invoice.description,
        description_hash: invoice.description_hash,
        min_final_cltv_expiry: invoice.min_final_cltv_expiry_delta,
        payment_secret: invoice.payment_secret,
        features: features::bits(&invoice.features),
        payment_hash: invoice.payment_hash,
        signature,
        payment_metadata: invoice.payment_metadata,
        fallbacks: invoice.fallback_address.as_deref().and_then(fallback).into_iter().collect(),
        routes: invoice.route_hints.into_iter().map(hops).collect(),
    }
}

/// The prefix of addresses of the network, by which Core Lightning names it.
fn hrp(currency: &str) -> &str {
    match currency {
        "bitcoin" => "bc",
        "testnet" | "testnet4" => "tb",
        "signet" => "tbs",
        "regtest" => "bcrt",
        other => other,
    }
}

/// The signature as DER.
fn signature(text: &str) -> Result<String, RpcError> {
    let invoice: Bolt11Invoice = text.parse().map_err(|_| RpcError::params("Unparsable string"))?;
    let signature = invoice.into_signed_raw().signature().0.to_standard();
    Ok(hex::encode(&*signature.serialize_der()))
}

fn fallback(address: &str) -> Option<Fallback> {
    let parsed = address.parse::<Address<NetworkUnchecked>>().ok()?.assume_checked();
    let kind = match parsed.address_type()? {
        AddressType::P2pkh => "P2PKH",
        AddressType::P2sh => "P2SH",
        AddressType::P2wpkh => "P2WPKH",
        AddressType::P2wsh => "P2WSH",
        AddressType::P2tr => "P2TR",
        _ => return None,
    };
    Some(Fallback { kind, addr: address.to_owned(), hex: parsed.script_pubkey().to_hex_string() })
}

fn hops(hint: Bolt11RouteHint) -> Vec<Hop> {
    let hops = hint.hop_hints.into_iter().map(|hop| Hop {
        pubkey: hop.node_id,
        short_channel_id: scid(hop.short_channel_id),
        fee_base_msat: hop.fee_base_msat,
        fee_proportional_millionths: hop.fee_proportional_millionths,
        cltv_expiry_delta: hop.cltv_expiry_delta,
    });
    hops.collect()
}

/// The number of a channel as block, transaction and output (BOLT 7).
pub(in crate::cln) fn scid(number: u64) -> String {
    format!("{}x{}x{}", number >> 40, (number >> 16) & 0xff_ffff, number & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_channel_has_three_parts() {
        assert_eq!(scid((450 << 40) | (1 << 16)), "450x1x0");
        assert_eq!(scid(u64::MAX), "16777215x16777215x65535");
    }
}
