//! `decode` and `decodepay`: what a text says.

use ldk_node::bitcoin::address::NetworkUnchecked;
use ldk_node::bitcoin::{Address, AddressType};
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_server_grpc::api::DecodeInvoiceResponse;
use ldk_server_grpc::types::Bolt11RouteHint;
use serde::Serialize;
use serde_json::Value;

use super::scid::scid;
use super::{Method, bolt11, bolt12, features, rune_text};
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;

/// `decode`: what an invoice, a text of BOLT 12 or a rune says.
pub(super) struct Decode {
    string: String,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Decoded {
    Bolt11(Box<DecodedInvoice>),
    Other(Value),
}

#[derive(Serialize)]
pub(super) struct DecodedInvoice {
    #[serde(rename = "type")]
    kind: &'static str,
    valid: bool,
    #[serde(flatten)]
    invoice: Invoice,
}

#[derive(Serialize)]
pub(super) struct Invoice {
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
        let text = bolt12::without_scheme(&self.string);
        if let Some(kind) = bolt12::Kind::of(text) {
            return bolt12::decode(kind, text).map(Decoded::Other);
        }
        if let Some(rune) = rune_text::decode(text) {
            return Ok(Decoded::Other(rune));
        }
        let text = text.to_lowercase();
        let decoded = bolt11::decode(&call, &text, "string: Unparsable string").await?;
        let invoice = shown(decoded, signature(&text)?);
        let decoded = DecodedInvoice { kind: "bolt11 invoice", valid: true, invoice };
        Ok(Decoded::Bolt11(Box::new(decoded)))
    }
}

/// `decodepay`: what an invoice says, as Core Lightning before 26.06 tells it.
pub(super) struct DecodePay {
    bolt11: String,
    description: Option<String>,
}

impl Method for DecodePay {
    const NAME: &'static str = "decodepay";
    const USAGE: &'static str = "bolt11 [description]";
    type Answer = Invoice;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { bolt11: args.required("bolt11")?, description: args.optional("description")? })
    }

    async fn run(self, call: Call) -> Result<Invoice, RpcError> {
        let text = bolt12::without_scheme(&self.bolt11).to_lowercase();
        let decoded = bolt11::decode(&call, &text, "Invalid bolt11").await?;
        bolt11::check_description(&decoded, self.description.as_deref())?;
        Ok(shown(decoded, signature(&text)?))
    }
}

fn shown(invoice: DecodeInvoiceResponse, signature: String) -> Invoice {
    Invoice {
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
