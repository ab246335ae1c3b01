//! `decodeinvoice` and `decodeoffer`.

use std::collections::BTreeMap;

use ldk_server_grpc::api::{
    DecodeInvoiceRequest, DecodeInvoiceResponse, DecodeOfferRequest, DecodeOfferResponse,
};
use ldk_server_grpc::types::offer_amount::Amount;
use ldk_server_grpc::types::offer_quantity::Quantity;
use ldk_server_grpc::types::{Bolt11Feature, Bolt11HopHint};
use serde::Serialize;

use super::Call;
use super::answer::{Answer, Refusal};
use super::params::Params;
use crate::api::rpc;
use crate::error::Error;

/// The names of BOLT 9, by the even bit, of what invoices have.
const FEATURES: [(u32, &str); 5] = [
    (8, "var_onion_optin"),
    (14, "payment_secret"),
    (16, "basic_mpp"),
    (24, "option_route_blinding"),
    (48, "option_payment_metadata"),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invoice {
    chain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<u64>,
    payment_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description_hash: Option<String>,
    min_final_cltv_expiry_delta: u64,
    payment_secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_metadata: Option<String>,
    expiry_seconds: u64,
    extra_hops: Vec<Vec<Hop>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    features: Option<Features>,
    timestamp_seconds: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hop {
    node_id: String,
    short_channel_id: String,
    fee_base: u32,
    fee_proportional_millionths: u32,
    cltv_expiry_delta: u32,
}

#[derive(Serialize)]
struct Features {
    activated: BTreeMap<&'static str, &'static str>,
    unknown: Vec<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Offer {
    chain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer_id: Option<String>,
}

/// What an invoice says.
pub(super) async fn decode_invoice(
    call: &Call,
    invoice: &str,
) -> Result<DecodeInvoiceResponse, Refusal> {
    let request = DecodeInvoiceRequest { invoice: invoice.to_owned() };
    let decoded = call.ask(rpc::DecodeInvoice, request).await;
    decoded.map_err(|error| unreadable(error, "invoice", "bolt11invoice"))
}

/// What an offer says.
pub(super) async fn decode_offer(call: &Call, offer: &str) -> Result<DecodeOfferResponse, Refusal> {
    let decoded = call.ask(rpc::DecodeOffer, DecodeOfferRequest { offer: offer.to_owned() }).await;
    decoded.map_err(|error| unreadable(error, "offer", "offer"))
}

fn unreadable(error: Error, name: &str, expected: &str) -> Refusal {
    match error {
        Error::InvalidArgument { .. } => Refusal::invalid(name, expected),
        other => other.into(),
    }
}

pub(super) async fn invoice(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let decoded = decode_invoice(call, params.required("invoice")?).await?;
    Answer::json(&Invoice::of(decoded))
}

pub(super) async fn offer(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let decoded = decode_offer(call, params.required("offer")?).await?;
    Answer::json(&Offer::of(decoded))
}

impl Invoice {
    fn of(decoded: DecodeInvoiceResponse) -> Self {
        let hops = decoded.route_hints.into_iter();
        Self {
            chain: chain(&decoded.currency),
            amount: decoded.amount_msat,
            payment_hash: decoded.payment_hash,
            description: decoded.description,
            description_hash: decoded.description_hash,
            min_final_cltv_expiry_delta: decoded.min_final_cltv_expiry_delta,
            payment_secret: decoded.payment_secret,
            payment_metadata: decoded.payment_metadata,
            expiry_seconds: decoded.expiry,
            extra_hops: hops
                .map(|hint| hint.hop_hints.into_iter().map(Hop::of).collect())
                .collect(),
            features: Features::of(&decoded.features),
            timestamp_seconds: decoded.timestamp,
        }
    }
}

impl Hop {
    fn of(hop: Bolt11HopHint) -> Self {
        let (block, transaction) =
            (hop.short_channel_id >> 40, hop.short_channel_id >> 16 & 0xff_ffff);
        Self {
            node_id: hop.node_id,
            short_channel_id: format!("{block}x{transaction}x{}", hop.short_channel_id & 0xffff),
            fee_base: hop.fee_base_msat,
            fee_proportional_millionths: hop.fee_proportional_millionths,
            cltv_expiry_delta: hop.cltv_expiry_delta,
        }
    }
}

impl Features {
    fn of(features: &BTreeMap<u32, Bolt11Feature>) -> Option<Self> {
        let (mut activated, mut unknown) = (BTreeMap::new(), Vec::new());
        for (bit, feature) in features {
            match FEATURES.iter().find(|(even, _)| *even == bit & !1) {
                Some((_, name)) => {
                    let support = if feature.is_required { "Mandatory" } else { "Optional" };
                    activated.insert(*name, support);
                },
                None => unknown.push(*bit),
            }
        }
        (!features.is_empty()).then_some(Self { activated, unknown })
    }
}

impl Offer {
    fn of(decoded: DecodeOfferResponse) -> Self {
        let (amount, currency) = match decoded.amount.and_then(|amount| amount.amount) {
            Some(Amount::BitcoinAmountMsats(msat)) => (Some(msat), None),
            Some(Amount::CurrencyAmount(other)) => (Some(other.amount), Some(other.iso4217_code)),
            None => (None, None),
        };
        let quantity_max = match decoded.quantity.and_then(|quantity| quantity.quantity) {
            Some(Quantity::Bounded(most)) => Some(most),
            Some(Quantity::Unbounded(_)) => Some(i64::MAX.unsigned_abs()),
            Some(Quantity::One(_)) | None => None,
        };
        Self {
            chain: match decoded.chains.as_slice() {
                [only] => chain(only),
                _ => "unknown".to_owned(),
            },
            amount,
            currency,
            issuer: decoded.issuer,
            quantity_max,
            description: decoded.description,
            metadata: decoded.metadata,
            expiry_seconds: decoded.absolute_expiry,
            issuer_id: decoded.issuer_signing_pubkey,
        }
    }
}

/// As phoenixd calls it.
fn chain(network: &str) -> String {
    let name = match network {
        "bitcoin" => "mainnet",
        "testnet" => "testnet3",
        "signet" | "regtest" => network,
        _ => "unknown",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::types::{Bolt11RouteHint, OfferAmount};
    use serde_json::json;

    use super::*;

    #[test]
    fn an_invoice_has_phoenixds_members() {
        let feature = |is_required| Bolt11Feature { is_required, ..Default::default() };
        let hop = Bolt11HopHint {
            node_id: "02".to_owned(),
            short_channel_id: 450 << 40 | 3 << 16 | 2,
            fee_base_msat: 1,
            fee_proportional_millionths: 2,
            cltv_expiry_delta: 3,
        };
        let decoded = DecodeInvoiceResponse {
            currency: "bitcoin".to_owned(),
            amount_msat: Some(5),
            payment_hash: "aa".to_owned(),
            description: Some("tea".to_owned()),
            min_final_cltv_expiry_delta: 18,
            payment_secret: "bb".to_owned(),
            expiry: 3_600,
            timestamp: 7,
            route_hints: vec![Bolt11RouteHint { hop_hints: vec![hop] }],
            features: [(14, feature(true)), (17, feature(false)), (99, feature(false))].into(),
            ..Default::default()
        };
        let expected = json!({
            "chain": "mainnet",
            "amount": 5,
            "paymentHash": "aa",
            "description": "tea",
            "minFinalCltvExpiryDelta": 18,
            "paymentSecret": "bb",
            "expirySeconds": 3_600,
            "extraHops": [[{
                "nodeId": "02",
                "shortChannelId": "450x3x2",
                "feeBase": 1,
                "feeProportionalMillionths": 2,
                "cltvExpiryDelta": 3,
            }]],
            "features": {
                "activated": {"payment_secret": "Mandatory", "basic_mpp": "Optional"},
                "unknown": [99],
            },
            "timestampSeconds": 7,
        });
        assert_eq!(serde_json::to_value(Invoice::of(decoded)).unwrap(), expected);
    }

    #[test]
    fn an_offer_has_phoenixds_members() {
        let amount = Some(Amount::BitcoinAmountMsats(5));
        let decoded = DecodeOfferResponse {
            amount: Some(OfferAmount { amount }),
            description: Some("tea".to_owned()),
            issuer_signing_pubkey: Some("02".to_owned()),
            chains: vec!["regtest".to_owned()],
            ..Default::default()
        };
        let expected =
            json!({"chain": "regtest", "amount": 5, "description": "tea", "issuerId": "02"});
        assert_eq!(serde_json::to_value(Offer::of(decoded)).unwrap(), expected);
    }
}
