//! Decoded BOLT 12 offers, as the API shows them.

use std::time::Duration;

use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::constants::ChainHash;
use ldk_node::lightning::blinded_path::message::BlindedMessagePath;
use ldk_node::lightning::blinded_path::{Direction, IntroductionNode};
use ldk_node::lightning::offers::offer::{Amount, Offer, Quantity};
use ldk_server_grpc::api::DecodeOfferResponse;
use ldk_server_grpc::types;
use ldk_server_grpc::types::{offer_amount, offer_quantity};

use crate::wire::features;

/// The offer as the API shows it. `now` is the time since 1970.
pub(super) fn shown(offer: &Offer, now: Duration) -> DecodeOfferResponse {
    DecodeOfferResponse {
        offer_id: hex::encode(offer.id().0),
        description: offer.description().map(|description| description.0.to_owned()),
        issuer: offer.issuer().map(|issuer| issuer.0.to_owned()),
        amount: offer.amount().map(amount),
        issuer_signing_pubkey: offer.issuer_signing_pubkey().map(|key| key.to_string()),
        absolute_expiry: offer.absolute_expiry().map(|expiry| expiry.as_secs()),
        quantity: Some(quantity(offer.supported_quantity())),
        paths: offer.paths().iter().map(path).collect(),
        features: features::of_offer(offer.offer_features()),
        chains: offer.chains().into_iter().map(chain).collect(),
        metadata: offer.metadata().map(hex::encode),
        is_expired: offer.is_expired_no_std(now),
    }
}

fn amount(amount: Amount) -> types::OfferAmount {
    let amount = match amount {
        Amount::Bitcoin { amount_msats } => offer_amount::Amount::BitcoinAmountMsats(amount_msats),
        Amount::Currency { iso4217_code, amount } => {
            let iso4217_code = iso4217_code.as_str().to_owned();
            offer_amount::Amount::CurrencyAmount(types::CurrencyAmount { iso4217_code, amount })
        },
    };
    types::OfferAmount { amount: Some(amount) }
}

fn quantity(quantity: Quantity) -> types::OfferQuantity {
    let quantity = match quantity {
        Quantity::One => offer_quantity::Quantity::One(true),
        Quantity::Bounded(most) => offer_quantity::Quantity::Bounded(most.get()),
        Quantity::Unbounded => offer_quantity::Quantity::Unbounded(true),
    };
    types::OfferQuantity { quantity: Some(quantity) }
}

fn path(path: &BlindedMessagePath) -> types::BlindedPath {
    let (introduction_node_id, introduction_scid, direction) = match path.introduction_node() {
        IntroductionNode::NodeId(key) => (Some(key.to_string()), None, None),
        IntroductionNode::DirectedShortChannelId(Direction::NodeOne, scid) => {
            (None, Some(*scid), Some(types::ChannelDirection::NodeOne))
        },
        IntroductionNode::DirectedShortChannelId(Direction::NodeTwo, scid) => {
            (None, Some(*scid), Some(types::ChannelDirection::NodeTwo))
        },
    };
    types::BlindedPath {
        introduction_node_id,
        blinding_point: path.blinding_point().to_string(),
        num_hops: u32::try_from(path.blinded_hops().len()).unwrap_or(u32::MAX),
        introduction_scid,
        introduction_direction: direction.map(i32::from),
    }
}

/// The name of a chain, if it is one of the four that the contract names.
fn chain(hash: ChainHash) -> String {
    match Network::try_from(hash) {
        Ok(Network::Bitcoin) => "bitcoin".to_owned(),
        Ok(Network::Testnet) => "testnet".to_owned(),
        Ok(Network::Signet) => "signet".to_owned(),
        Ok(Network::Regtest) => "regtest".to_owned(),
        Ok(Network::Testnet4) | Err(_) => hex::encode(hash.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::decode::OfferError;
    use crate::wire::vectors;

    const KEY: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

    fn decode(text: &str, now: Duration) -> Result<DecodeOfferResponse, OfferError> {
        crate::ops::decode::offer(text).map(|offer| shown(&offer, now))
    }

    fn example(name: &str) -> DecodeOfferResponse {
        let answer = decode(vectors::text(vectors::BOLT12, name), Duration::ZERO).unwrap();
        assert_eq!(answer.offer_id.len(), 64);
        DecodeOfferResponse { offer_id: String::new(), ..answer }
    }

    /// What nearly all examples have in common.
    fn common() -> DecodeOfferResponse {
        DecodeOfferResponse {
            description: Some("Test vectors".to_owned()),
            issuer_signing_pubkey: Some(KEY.to_owned()),
            quantity: Some(quantity(Quantity::One)),
            chains: vec!["bitcoin".to_owned()],
            ..Default::default()
        }
    }

    #[test]
    fn the_examples_of_bolt_12_are_decoded_and_refused_as_it_says() {
        for (name, text) in vectors::all(vectors::BOLT12, true) {
            let decoded = decode(text, Duration::ZERO);
            assert!(decoded.is_ok(), "{name}: {decoded:?}");
        }
        for (name, text) in vectors::all(vectors::BOLT12, false) {
            assert!(decode(text, Duration::ZERO).is_err(), "{name}");
        }
    }

    #[test]
    fn what_an_offer_may_leave_out_is_absent() {
        let minimal = DecodeOfferResponse { description: None, ..common() };
        assert_eq!(example("minimal"), minimal);
        for name in ["description", "bitcoin", "odd field", "experimental field"] {
            assert_eq!(example(name), common(), "{name}");
        }
    }

    #[test]
    fn texts_and_data_are_shown() {
        let issuer = "https://bolt12.org BOLT12 industries".to_owned();
        assert_eq!(example("issuer"), DecodeOfferResponse { issuer: Some(issuer), ..common() });
        let metadata = Some("00".repeat(16));
        assert_eq!(example("metadata"), DecodeOfferResponse { metadata, ..common() });
    }

    #[test]
    fn amounts_are_bitcoin_or_a_currency() {
        let bitcoin = Some(amount(Amount::Bitcoin { amount_msats: 10_000 }));
        assert_eq!(example("amount"), DecodeOfferResponse { amount: bitcoin, ..common() });
        let currency = types::CurrencyAmount { iso4217_code: "USD".to_owned(), amount: 10_000 };
        let currency = offer_amount::Amount::CurrencyAmount(currency);
        let amount = Some(types::OfferAmount { amount: Some(currency) });
        assert_eq!(example("currency"), DecodeOfferResponse { amount, ..common() });
    }

    #[test]
    fn quantities_are_one_bounded_or_unbounded() {
        for (name, quantity) in [
            ("quantity 5", offer_quantity::Quantity::Bounded(5)),
            ("quantity 1", offer_quantity::Quantity::Bounded(1)),
            ("quantity unlimited", offer_quantity::Quantity::Unbounded(true)),
        ] {
            let quantity = Some(types::OfferQuantity { quantity: Some(quantity) });
            assert_eq!(example(name), DecodeOfferResponse { quantity, ..common() }, "{name}");
        }
    }

    #[test]
    fn chains_without_a_name_are_shown_by_hash() {
        assert_eq!(example("testnet").chains, ["testnet"]);
        let liquid = "1466275836220db2944ca059a3a10ef6fd2ea684b0688d2c379296888a206003";
        assert_eq!(example("liquid or bitcoin").chains, [liquid, "bitcoin"]);
        for (network, name) in [(Network::Signet, "signet"), (Network::Regtest, "regtest")] {
            assert_eq!(chain(ChainHash::using_genesis_block(network)), name);
        }
        let testnet4 = chain(ChainHash::using_genesis_block(Network::Testnet4));
        assert_eq!(testnet4.len(), 64, "{testnet4}");
    }

    #[test]
    fn an_offer_expires_by_the_clock() {
        let text = vectors::text(vectors::BOLT12, "expiry");
        let expiry = 2_051_184_600;
        let decoded = |secs| decode(text, Duration::from_secs(secs)).unwrap();
        assert_eq!(decoded(expiry).absolute_expiry, Some(expiry));
        assert!(!decoded(expiry).is_expired);
        assert!(decoded(expiry + 1).is_expired);
        assert!(!example("minimal").is_expired);
    }

    #[test]
    fn unknown_features_are_shown() {
        for (name, bit) in [("feature 99", 99), ("feature 122", 122)] {
            let feature = types::Bolt11Feature {
                name: "unknown".to_owned(),
                is_required: bit % 2 == 0,
                is_known: false,
            };
            assert_eq!(example(name).features, [(bit, feature)].into(), "{name}");
        }
    }

    #[test]
    fn paths_begin_at_a_node_or_at_a_channel() {
        let by_node = types::BlindedPath {
            introduction_node_id: Some(
                "0324653eac434488002cc06bbfb7f10fe18991e35f9fe4302dbea6d2353dc0ab1c".to_owned(),
            ),
            blinding_point: "02".repeat(33),
            num_hops: 2,
            introduction_scid: None,
            introduction_direction: None,
        };
        let by_channel = |scid, direction: types::ChannelDirection| types::BlindedPath {
            introduction_node_id: None,
            introduction_scid: Some(scid),
            introduction_direction: Some(direction.into()),
            ..by_node.clone()
        };
        assert_eq!(example("path by node").paths, std::slice::from_ref(&by_node));
        assert_eq!(
            example("path by channel").paths,
            [by_channel(42, types::ChannelDirection::NodeOne)]
        );
        let second = by_channel(1 << 40 | 2 << 16 | 3, types::ChannelDirection::NodeTwo);
        assert_eq!(example("two paths").paths, [by_node.clone(), second]);
        let no_key =
            DecodeOfferResponse { issuer_signing_pubkey: None, paths: vec![by_node], ..common() };
        assert_eq!(example("no key"), no_key);
    }

    #[test]
    fn why_an_offer_is_none_is_said_in_words() {
        for (text, expected) in [
            ("lno1+", "a + stands in a wrong place"),
            ("lno1 x+y", "it begins with white space"),
            ("lnr1zcss9mk8y3wkklfvevcrszlmu23kfrxh49px20665dqwmn4p72pksese", "lno1"),
            ("lno1pgx9getnwss8vetrw3hhyuc", "MissingIssuerSigningPubkey"),
        ] {
            let error = decode(text, Duration::ZERO).unwrap_err().to_string();
            assert!(error.starts_with("is not a BOLT 12 offer: "), "{error}");
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_offer_or_none(text in "(lno1)?[02-9ac-hj-np-z+ ]{0,200}|.{0,100}") {
            let _ = decode(&text, Duration::ZERO);
        }
    }
}
