//! Feature bits and their names (BOLT 9).

use std::collections::BTreeMap;

use ldk_node::lightning_types::features::{Bolt11InvoiceFeatures, NodeFeatures, OfferFeatures};
use ldk_server_grpc::types::{Bolt11Feature, Feature};

/// The features that the library knows in one context: the even bit and the library's name. The bit
/// above has the same name, and means that the feature is optional.
type Names = &'static [(u32, &'static str)];

const OF_INVOICES: Names = &[
    (8, "VariableLengthOnion"),
    (14, "PaymentSecret"),
    (16, "BasicMPP"),
    (48, "PaymentMetadata"),
    (56, "Trampoline"),
];

const OF_OFFERS: Names = &[];

const OF_NODES: Names = &[
    (0, "DataLossProtect"),
    (4, "UpfrontShutdownScript"),
    (6, "GossipQueries"),
    (8, "VariableLengthOnion"),
    (12, "StaticRemoteKey"),
    (14, "PaymentSecret"),
    (16, "BasicMPP"),
    (18, "Wumbo"),
    (20, "AnchorsNonzeroFeeHtlcTx"),
    (22, "AnchorsZeroFeeHtlcTx"),
    (24, "RouteBlinding"),
    (26, "ShutdownAnySegwit"),
    (28, "DualFund"),
    (30, "Taproot"),
    (34, "Quiescence"),
    (38, "OnionMessages"),
    (42, "ProvideStorage"),
    (44, "ChannelType"),
    (46, "SCIDPrivacy"),
    (50, "ZeroConf"),
    (54, "Keysend"),
    (56, "Trampoline"),
    (60, "SimpleClose"),
    (62, "SpliceProduction"),
    (140, "AnchorZeroFeeCommitmentsStaging"),
    (152, "HtlcHold"),
    (258, "DnsResolver"),
];

/// What an unknown feature is called.
const UNKNOWN: &str = "unknown";

/// All features of an invoice, those included that the library does not know.
pub fn of_invoice(features: &Bolt11InvoiceFeatures) -> BTreeMap<u32, Bolt11Feature> {
    all(features.le_flags(), OF_INVOICES)
}

/// All features of an offer, those included that the library does not know.
pub fn of_offer(features: &OfferFeatures) -> BTreeMap<u32, Bolt11Feature> {
    all(features.le_flags(), OF_OFFERS)
}

/// The features of a node that the library knows.
pub fn of_node(features: &NodeFeatures) -> BTreeMap<u32, Feature> {
    bits(features.le_flags())
        .filter_map(|bit| {
            let name = name(bit, OF_NODES)?.to_owned();
            Some((bit, Feature { name, is_required: is_required(bit) }))
        })
        .collect()
}

fn all(flags: &[u8], names: Names) -> BTreeMap<u32, Bolt11Feature> {
    bits(flags)
        .map(|bit| {
            let known = name(bit, names);
            let feature = Bolt11Feature {
                name: known.unwrap_or(UNKNOWN).to_owned(),
                is_required: is_required(bit),
                is_known: known.is_some(),
            };
            (bit, feature)
        })
        .collect()
}

/// The bits that are set; the lowest is in the first byte.
fn bits(flags: &[u8]) -> impl Iterator<Item = u32> {
    let bytes = (0_u32..).step_by(8).zip(flags);
    bytes.flat_map(|(first, byte)| {
        (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| first + bit)
    })
}

fn name(bit: u32, names: Names) -> Option<&'static str> {
    let even = bit & !1;
    names.iter().find(|(known, _)| *known == even).map(|(_, name)| *name)
}

fn is_required(bit: u32) -> bool {
    bit.is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use super::*;

    /// Higher than any bit the library knows.
    const BITS: u32 = 400;

    /// Features with one bit set, as the library reads them.
    fn one_bit(bit: u32) -> Vec<u8> {
        let byte = usize::try_from(bit / 8).unwrap();
        let mut flags = vec![0; byte + 1];
        flags[byte] = 1 << (bit % 8);
        flags
    }

    /// The names that the library prints for features it finds.
    fn names_of_the_library(features: &impl Display) -> Vec<String> {
        let text = features.to_string();
        let fields = text.split(", ").filter_map(|field| field.split_once(": "));
        fields
            .filter(|(name, state)| *name != "unknown flags" && *state != "not supported")
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    #[track_caller]
    fn assert_as_in_the_library(bit: u32, ours: Option<&str>, library: &[String]) {
        match ours {
            Some(name) => assert!(library.iter().any(|known| known == name), "{bit}: {library:?}"),
            None => assert!(library.is_empty(), "{bit}: {library:?}"),
        }
    }

    #[test]
    fn the_names_are_those_of_the_library() {
        for bit in 0..BITS {
            let invoice = Bolt11InvoiceFeatures::from_le_bytes(one_bit(bit));
            let ours = of_invoice(&invoice)[&bit].clone();
            assert_eq!(ours.is_known, !invoice.supports_unknown_bits(), "{bit}");
            assert_eq!(ours.is_known, ours.name != UNKNOWN, "{bit}");
            let known = ours.is_known.then_some(ours.name.as_str());
            assert_as_in_the_library(bit, known, &names_of_the_library(&invoice));

            let offer = OfferFeatures::from_le_bytes(one_bit(bit));
            assert_eq!(of_offer(&offer)[&bit].is_known, !offer.supports_unknown_bits(), "{bit}");

            let node = NodeFeatures::from_le_bytes(one_bit(bit));
            let ours = of_node(&node);
            assert_eq!(ours.contains_key(&bit), !node.supports_unknown_bits(), "{bit}");
            let known = ours.get(&bit).map(|feature| feature.name.as_str());
            assert_as_in_the_library(bit, known, &names_of_the_library(&node));
        }
    }

    #[test]
    fn even_bits_are_required() {
        let features = of_invoice(&Bolt11InvoiceFeatures::from_le_bytes(vec![0, 0b0000_0011]));
        let feature = |is_required| Bolt11Feature {
            name: "VariableLengthOnion".to_owned(),
            is_required,
            is_known: true,
        };
        assert_eq!(features, [(8, feature(true)), (9, feature(false))].into());
    }

    #[test]
    fn every_bit_that_is_set_is_found() {
        assert_eq!(bits(&[]).count(), 0);
        assert_eq!(bits(&[0, 0]).count(), 0);
        assert_eq!(bits(&[0b1000_0001, 0, 0b0001_0000]).collect::<Vec<_>>(), [0, 7, 20]);
        let all = of_offer(&OfferFeatures::from_le_bytes(vec![0xff; 100]));
        assert_eq!(all.len(), 800);
        assert!(all.values().all(|feature| feature.name == UNKNOWN && !feature.is_known));
    }

    #[test]
    fn features_of_nodes_that_are_unknown_are_left_out() {
        let mut flags = vec![0xff; 40];
        flags[0] = 0b0000_0010;
        let features = of_node(&NodeFeatures::from_le_bytes(flags));
        let first = Feature { name: "DataLossProtect".to_owned(), is_required: false };
        assert_eq!(features.first_key_value(), Some((&1, &first)));
        assert_eq!(features.last_key_value().map(|(bit, _)| *bit), Some(259));
        assert!(!features.contains_key(&2), "initial_routing_sync is no feature of nodes");
    }
}
