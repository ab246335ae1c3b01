//! The public network graph.

use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::routing::gossip::{
    ChannelInfo, ChannelUpdateInfo, NodeAnnouncementInfo, NodeInfo, RoutingFees,
};
use ldk_server_grpc::types;

use super::{features, text};

/// A channel as the API shows it.
pub fn channel(info: ChannelInfo) -> types::GraphChannel {
    // Private fields keep this struct from being taken apart completely.
    let ChannelInfo { node_one, node_two, capacity_sats, one_to_two, two_to_one, .. } = info;
    types::GraphChannel {
        node_one: node_one.to_string(),
        node_two: node_two.to_string(),
        capacity_sats,
        one_to_two: one_to_two.map(channel_update),
        two_to_one: two_to_one.map(channel_update),
    }
}

fn channel_update(info: ChannelUpdateInfo) -> types::GraphChannelUpdate {
    let ChannelUpdateInfo {
        htlc_minimum_msat,
        htlc_maximum_msat,
        fees: RoutingFees { base_msat, proportional_millionths },
        last_update,
        cltv_expiry_delta,
        enabled,
        // The same once more, as it was received.
        last_update_message: _,
    } = info;
    types::GraphChannelUpdate {
        last_update,
        enabled,
        cltv_expiry_delta: cltv_expiry_delta.into(),
        htlc_minimum_msat,
        htlc_maximum_msat,
        fees: Some(types::GraphRoutingFees { base_msat, proportional_millionths }),
    }
}

/// A node as the API shows it.
pub fn node(info: NodeInfo) -> types::GraphNode {
    // Private fields keep this struct from being taken apart completely.
    let NodeInfo { channels, announcement_info, .. } = info;
    types::GraphNode {
        channels,
        announcement_info: announcement_info.as_ref().map(node_announcement),
    }
}

fn node_announcement(info: &NodeAnnouncementInfo) -> types::GraphNodeAnnouncement {
    types::GraphNodeAnnouncement {
        last_update: info.last_update(),
        alias: text::alias(info.alias()),
        rgb: hex::encode(info.rgb()),
        addresses: info.addresses().iter().filter_map(address).collect(),
        features: features::of_node(info.features()),
    }
}

/// An address as `host:port`. Those of the second version of onion services have no such form, and
/// nobody can connect to them any more.
fn address(address: &SocketAddress) -> Option<String> {
    match address {
        SocketAddress::OnionV2(_) => None,
        SocketAddress::TcpIpV4 { .. }
        | SocketAddress::TcpIpV6 { .. }
        | SocketAddress::OnionV3 { .. }
        | SocketAddress::Hostname { .. } => Some(address.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::routing::gossip::{NodeAlias, NodeAnnouncementDetails};
    use ldk_node::lightning_types::features::NodeFeatures;

    use super::*;

    fn announced(alias: &[u8], addresses: Vec<SocketAddress>) -> types::GraphNodeAnnouncement {
        let mut bytes = [0; 32];
        bytes[..alias.len()].copy_from_slice(alias);
        node_announcement(&NodeAnnouncementInfo::Local(NodeAnnouncementDetails {
            features: NodeFeatures::from_le_bytes(vec![0b0000_0010, 0b0100_0000]),
            last_update: 7,
            rgb: [0, 0xab, 0xff],
            alias: NodeAlias(bytes),
            addresses,
        }))
    }

    #[test]
    fn an_announcement_is_shown_in_full() {
        let shown = announced("käse".as_bytes(), Vec::new());
        let feature =
            |name: &str, is_required| types::Feature { name: name.to_owned(), is_required };
        assert_eq!(
            shown,
            types::GraphNodeAnnouncement {
                last_update: 7,
                alias: "käse".to_owned(),
                rgb: "00abff".to_owned(),
                addresses: Vec::new(),
                features: [
                    (1, feature("DataLossProtect", false)),
                    (14, feature("PaymentSecret", true))
                ]
                .into(),
            }
        );
    }

    #[test]
    fn an_alias_is_shown_as_it_is() {
        assert_eq!(announced(b"a\x1b[31m\n", Vec::new()).alias, "a\x1b[31m\n");
    }

    #[test]
    fn addresses_are_host_and_port() {
        let texts = [
            "127.0.0.1:9735",
            "[2001:db8::1]:9735",
            "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion:9735",
            "node.example:1",
        ];
        let mut addresses: Vec<SocketAddress> =
            texts.iter().map(|text| text.parse().unwrap()).collect();
        addresses.push(SocketAddress::OnionV2([1; 12]));
        let shown = announced(b"", addresses).addresses;
        assert_eq!(shown[0], texts[0]);
        assert_eq!(shown[1], "[2001:0db8:0000:0000:0000:0000:0000:0001]:9735");
        assert_eq!(shown[2..], texts[2..]);
    }

    #[test]
    fn a_channel_update_is_shown_in_full() {
        let update = ChannelUpdateInfo {
            htlc_minimum_msat: 1,
            htlc_maximum_msat: 2,
            fees: RoutingFees { base_msat: 3, proportional_millionths: 4 },
            last_update: 5,
            cltv_expiry_delta: 6,
            enabled: true,
            last_update_message: None,
        };
        assert_eq!(
            channel_update(update),
            types::GraphChannelUpdate {
                last_update: 5,
                enabled: true,
                cltv_expiry_delta: 6,
                htlc_minimum_msat: 1,
                htlc_maximum_msat: 2,
                fees: Some(types::GraphRoutingFees { base_msat: 3, proportional_millionths: 4 }),
            }
        );
    }
}
