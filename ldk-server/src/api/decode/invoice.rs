//! Decoded BOLT 11 invoices, as the API shows them.

use std::time::Duration;

use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::bitcoin::{Address, Network, WitnessProgram};
use ldk_node::lightning::routing::gossip::RoutingFees;
use ldk_node::lightning::routing::router::{RouteHint, RouteHintHop};
use ldk_node::lightning_invoice::{
    Currency, DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA, Fallback, SignedRawBolt11Invoice,
};
use ldk_server_grpc::api::DecodeInvoiceResponse;
use ldk_server_grpc::types;

use crate::ops::decode::DecodedInvoice;
use crate::wire::features;

/// The invoice as the API shows it. `now` is the time since 1970.
pub(super) fn shown(decoded: &DecodedInvoice, now: Duration) -> DecodeInvoiceResponse {
    let DecodedInvoice { invoice, payee, payment_hash, payment_secret, amount_msat } = decoded;
    DecodeInvoiceResponse {
        destination: payee.to_string(),
        payment_hash: hex::encode(payment_hash.0),
        amount_msat: *amount_msat,
        timestamp: decoded.timestamp(),
        expiry: decoded.expiry_secs(),
        description: invoice.description().map(|description| description.as_inner().0.clone()),
        fallback_address: fallback_address(invoice),
        min_final_cltv_expiry_delta: invoice
            .min_final_cltv_expiry_delta()
            .map_or(DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA, |delta| delta.0),
        payment_secret: hex::encode(payment_secret.0),
        route_hints: invoice.private_routes().into_iter().map(|route| route_hint(route)).collect(),
        features: invoice.features().map(features::of_invoice).unwrap_or_default(),
        currency: currency(&invoice.currency()).to_owned(),
        payment_metadata: invoice.payment_metadata().map(hex::encode),
        description_hash: invoice
            .description_hash()
            .map(|hash| hex::encode(hash.0.to_byte_array())),
        is_expired: decoded.is_expired(now),
    }
}

fn currency(currency: &Currency) -> &'static str {
    match currency {
        Currency::Bitcoin => "bitcoin",
        Currency::BitcoinTestnet => "testnet",
        Currency::Regtest => "regtest",
        Currency::Simnet => "simnet",
        Currency::Signet => "signet",
    }
}

/// The first of the addresses that has a form.
fn fallback_address(invoice: &SignedRawBolt11Invoice) -> Option<String> {
    let network = Network::from(invoice.currency());
    let address = |fallback: &Fallback| match fallback {
        Fallback::SegWitProgram { version, program } => {
            let program = WitnessProgram::new(*version, program).ok()?;
            Some(Address::from_witness_program(program, network))
        },
        Fallback::PubKeyHash(hash) => Some(Address::p2pkh(*hash, network)),
        Fallback::ScriptHash(hash) => Some(Address::p2sh_from_hash(*hash, network)),
    };
    invoice.fallbacks().into_iter().find_map(address).map(|address| address.to_string())
}

fn route_hint(RouteHint(hops): &RouteHint) -> types::Bolt11RouteHint {
    types::Bolt11RouteHint { hop_hints: hops.iter().map(hop_hint).collect() }
}

fn hop_hint(hop: &RouteHintHop) -> types::Bolt11HopHint {
    let RouteHintHop {
        src_node_id,
        short_channel_id,
        fees: RoutingFees { base_msat, proportional_millionths },
        cltv_expiry_delta,
        // Invoices do not carry these.
        htlc_minimum_msat: _,
        htlc_maximum_msat: _,
    } = hop;
    types::Bolt11HopHint {
        node_id: src_node_id.to_string(),
        short_channel_id: *short_channel_id,
        fee_base_msat: *base_msat,
        fee_proportional_millionths: *proportional_millionths,
        cltv_expiry_delta: (*cltv_expiry_delta).into(),
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::hashes::sha256;
    use ldk_node::bitcoin::secp256k1::{Secp256k1, SecretKey};
    use ldk_node::lightning_invoice::{
        Description, InvoiceBuilder, RawBolt11Invoice, RawTaggedField, TaggedField,
    };
    use ldk_node::lightning_types::features::Bolt11InvoiceFeatures;
    use ldk_node::lightning_types::payment::PaymentSecret;
    use proptest::prelude::*;

    use super::*;
    use crate::ops::decode::{InvoiceError, invoice};
    use crate::wire::vectors;

    /// When most of the examples were made.
    const CREATED: u64 = 1_496_314_658;
    const PAYEE: &str = "03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad";
    const HASH_OF_LIST: &str = "3925b6f67e2c340036ed12093dd44e0368df1b6ea26c53dbe4811f58fd5db8c1";

    fn decode(text: &str, now: Duration) -> Result<DecodeInvoiceResponse, InvoiceError> {
        invoice(text).map(|decoded| shown(&decoded, now))
    }

    fn example(name: &str) -> DecodeInvoiceResponse {
        decode(vectors::text(vectors::BOLT11, name), Duration::from_secs(CREATED)).unwrap()
    }

    /// What all the examples with two features have in common.
    fn common() -> DecodeInvoiceResponse {
        let feature = |name: &str, is_required| types::Bolt11Feature {
            name: name.to_owned(),
            is_required,
            is_known: true,
        };
        DecodeInvoiceResponse {
            destination: PAYEE.to_owned(),
            payment_hash: "0001020304050607080900010203040506070809000102030405060708090102"
                .to_owned(),
            timestamp: CREATED,
            expiry: 3600,
            min_final_cltv_expiry_delta: 18,
            payment_secret: "11".repeat(32),
            features: [
                (8, feature("VariableLengthOnion", true)),
                (14, feature("PaymentSecret", true)),
            ]
            .into(),
            currency: "bitcoin".to_owned(),
            ..Default::default()
        }
    }

    fn hop(node_id: &str, short_channel_id: u64, terms: [u32; 3]) -> types::Bolt11HopHint {
        types::Bolt11HopHint {
            node_id: node_id.to_owned(),
            short_channel_id,
            fee_base_msat: terms[0],
            fee_proportional_millionths: terms[1],
            cltv_expiry_delta: terms[2],
        }
    }

    #[test]
    fn the_examples_of_bolt_11_are_decoded_and_refused_as_it_says() {
        let now = Duration::from_secs(CREATED);
        for (name, text) in vectors::all(vectors::BOLT11, true) {
            assert!(decode(text, now).is_ok(), "{name}: {:?}", decode(text, now));
        }
        for (name, text) in vectors::all(vectors::BOLT11, false) {
            assert!(decode(text, now).is_err(), "{name}");
        }
    }

    #[test]
    fn descriptions_are_texts_or_hashes() {
        let donation = DecodeInvoiceResponse {
            description: Some("Please consider supporting this project".to_owned()),
            ..common()
        };
        assert_eq!(example("donation"), donation);
        // With the other half of the signature's values it is another's.
        let other = "02d0139ce7427d6dfffd26a326c18be754ef1e64672b42694ba5b23ef6e6e7803d";
        let high_s = DecodeInvoiceResponse { destination: other.to_owned(), ..donation };
        assert_eq!(example("high S"), high_s);
        let coffee = DecodeInvoiceResponse {
            amount_msat: Some(250_000_000),
            expiry: 60,
            description: Some("1 cup coffee".to_owned()),
            ..common()
        };
        assert_eq!(example("coffee"), coffee);
        let nonsense = DecodeInvoiceResponse {
            description: Some("ナンセンス 1杯".to_owned()),
            ..coffee
        };
        assert_eq!(example("nonsense"), nonsense);
        let hashed = DecodeInvoiceResponse {
            amount_msat: Some(2_000_000_000),
            description_hash: Some(HASH_OF_LIST.to_owned()),
            ..common()
        };
        assert_eq!(example("hashed"), hashed);
    }

    #[test]
    fn fallback_addresses_are_of_the_network() {
        for (name, address) in [
            ("testnet P2PKH", "mk2QpYatsKicvFVuTAQLBryyccRXMUaGHP"),
            ("P2PKH and route", "1RustyRX2oai4EYYDpQGWvEL62BBGqN9T"),
            ("P2SH", "3EktnHQD7RiAE6uzMj2ZifT9YgRrkSgzQX"),
            ("P2WPKH", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
            ("P2WSH", "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"),
            ("P2TR", "bc1pptdvg0d2nj99568qn6ssdy4cygnwuxgw2ukmnwgwz7jpqjz2kszse2s3lm"),
        ] {
            assert_eq!(example(name).fallback_address.as_deref(), Some(address), "{name}");
        }
        assert_eq!(example("testnet P2PKH").currency, "testnet");
    }

    #[test]
    fn route_hints_have_all_their_hops() {
        let nodes = ["02", "03"].map(|prefix| {
            format!("{prefix}9e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255")
        });
        let hop_hints = vec![
            hop(&nodes[0], 0x0102_0304_0506_0708, [1, 20, 3]),
            hop(&nodes[1], 0x0304_0506_0708_090a, [2, 30, 4]),
        ];
        assert_eq!(example("P2PKH and route").route_hints, [types::Bolt11RouteHint { hop_hints }]);
        let pico = example("pico");
        let node = "03d06758583bb5154774a6eb221b1276c9e82d65bbaceca806d90e20c108f4b1c7";
        let scid = 589_390 << 40 | 3_312 << 16 | 1;
        let hop_hints = vec![hop(node, scid, [1_000, 2_500, 40])];
        assert_eq!(pico.route_hints, [types::Bolt11RouteHint { hop_hints }]);
        assert_eq!(pico.amount_msat, Some(967_878_534));
        assert_eq!((pico.expiry, pico.min_final_cltv_expiry_delta), (604_800, 10));
    }

    #[test]
    fn unknown_features_are_shown() {
        let optional = example("features 8, 14 and 99").features;
        assert_eq!(optional.keys().copied().collect::<Vec<_>>(), [8, 14, 99]);
        let unknown = types::Bolt11Feature {
            name: "unknown".to_owned(),
            is_required: false,
            is_known: false,
        };
        assert_eq!(optional[&99], unknown);
        assert_eq!(example("upper case"), example("features 8, 14 and 99"));
        assert_eq!(example("fields to ignore").features, optional);
        // An invoice that nobody may pay who does not know the feature can be shown all the same.
        let required = example("feature 100").features;
        assert_eq!(required[&100], types::Bolt11Feature { is_required: true, ..unknown });
    }

    #[test]
    fn metadata_is_hex() {
        let answer = example("metadata");
        assert_eq!(answer.payment_metadata.as_deref(), Some("01fafaf0"));
        assert_eq!(answer.features[&48].name, "PaymentMetadata");
        assert!(answer.features[&48].is_required);
    }

    #[test]
    fn an_invoice_expires_by_the_clock() {
        let text = vectors::text(vectors::BOLT11, "coffee");
        let expired = |now| decode(text, now).unwrap().is_expired;
        let end = Duration::from_secs(CREATED + 60);
        assert!(!expired(end));
        assert!(expired(end + Duration::from_millis(1)));
    }

    /// An invoice that is signed as it is, whatever is in it.
    fn signed(change: impl FnOnce(&mut RawBolt11Invoice)) -> String {
        let key = SecretKey::from_slice(&[0x42; 32]).unwrap();
        let mut raw = InvoiceBuilder::new(Currency::Simnet)
            .description("tea".to_owned())
            .payment_hash(sha256::Hash::from_byte_array([7; 32]))
            .payment_secret(PaymentSecret([8; 32]))
            .duration_since_epoch(Duration::from_secs(CREATED))
            .min_final_cltv_expiry_delta(144)
            .build_raw()
            .unwrap();
        change(&mut raw);
        let sign = |hash: &_| Ok::<_, ()>(Secp256k1::new().sign_ecdsa_recoverable(hash, &key));
        raw.sign(sign).unwrap().to_string()
    }

    #[test]
    fn a_description_is_shown_as_it_is() {
        let text = "two\nlines\t\u{200d}\u{200c}\u{ad}\u{202e}\u{1b}";
        let description = Description::new(text.to_owned()).unwrap();
        let invoice = signed(|raw| {
            let is_description = |field: &RawTaggedField| {
                matches!(field, RawTaggedField::KnownSemantics(TaggedField::Description(_)))
            };
            raw.data.tagged_fields.retain(|field| !is_description(field));
            let field = TaggedField::Description(description);
            raw.data.tagged_fields.push(RawTaggedField::KnownSemantics(field));
        });
        assert_eq!(decoded(&invoice).unwrap().description.as_deref(), Some(text));
    }

    fn with_field(field: TaggedField) -> String {
        signed(|raw| raw.data.tagged_fields.push(RawTaggedField::KnownSemantics(field)))
    }

    fn decoded(text: &str) -> Result<DecodeInvoiceResponse, InvoiceError> {
        decode(text, Duration::from_secs(CREATED))
    }

    #[test]
    fn any_currency_of_the_library_has_a_name() {
        for (currency, name) in [
            (Currency::Bitcoin, "bitcoin"),
            (Currency::BitcoinTestnet, "testnet"),
            (Currency::Regtest, "regtest"),
            (Currency::Simnet, "simnet"),
            (Currency::Signet, "signet"),
        ] {
            let text = signed(|raw| raw.hrp.currency = currency);
            assert_eq!(decoded(&text).unwrap().currency, name);
        }
    }

    #[test]
    fn an_amount_that_overflows_is_not_taken_for_none() {
        let amount = |amount| signed(|raw| raw.hrp.raw_amount = Some(amount));
        let bitcoin = u64::MAX / 1_000_000_000_000;
        let most = bitcoin * 100_000_000_000;
        assert_eq!(decoded(&amount(bitcoin)).unwrap().amount_msat, Some(most));
        let error = decoded(&amount(bitcoin + 1)).unwrap_err().to_string();
        assert!(error.contains("amount is too large"), "{error}");
    }

    #[test]
    fn what_the_library_did_not_check_is_checked() {
        let required = |raw: &mut RawBolt11Invoice| {
            let features = Bolt11InvoiceFeatures::from_le_bytes(vec![0, 0, 0, 1]);
            raw.data.tagged_fields.retain(|field| {
                !matches!(field, RawTaggedField::KnownSemantics(TaggedField::Features(_)))
            });
            let field = RawTaggedField::KnownSemantics(TaggedField::Features(features));
            raw.data.tagged_fields.push(field);
        };
        let sound = decoded(&signed(required)).unwrap();
        assert_eq!(sound.features.keys().copied().collect::<Vec<_>>(), [24]);
        let fraction = signed(|raw| {
            required(raw);
            raw.hrp.raw_amount = Some(11);
            raw.hrp.si_prefix = Some(ldk_node::lightning_invoice::SiPrefix::Pico);
        });
        let refused = |text: &str| decoded(text).unwrap_err().to_string();
        assert!(refused(&fraction).contains("whole number of millisatoshis"));
        let stranger = ldk_node::lightning_invoice::PayeePubKey(PAYEE.parse().unwrap());
        let forged = signed(|raw| {
            required(raw);
            let field = TaggedField::PayeePubKey(stranger);
            raw.data.tagged_fields.push(RawTaggedField::KnownSemantics(field));
        });
        assert!(refused(&forged).contains("signature is not the payee's"));
    }

    #[test]
    fn fallbacks_without_address_are_passed_over() {
        let version = ldk_node::bitcoin::WitnessVersion::V0;
        let odd = Fallback::SegWitProgram { version, program: vec![1; 5] };
        assert_eq!(
            decoded(&with_field(TaggedField::Fallback(odd))).unwrap().fallback_address,
            None
        );
    }

    proptest! {
        #[test]
        fn any_features_and_texts_can_be_shown(
            flags in prop::collection::vec(any::<u8>(), 0..200),
            text in ".{0,639}",
        ) {
            let features = Bolt11InvoiceFeatures::from_le_bytes(flags.clone());
            let invoice = signed(|raw| {
                raw.data.tagged_fields.retain(|field| {
                    !matches!(field, RawTaggedField::KnownSemantics(TaggedField::Features(_)))
                });
                let field = TaggedField::Features(features);
                raw.data.tagged_fields.push(RawTaggedField::KnownSemantics(field));
            });
            let bits = flags.iter().map(|byte| byte.count_ones()).sum::<u32>();
            prop_assert_eq!(decoded(&invoice).unwrap().features.len(), bits as usize);
            let _ = decoded(&text);
        }
    }
}
