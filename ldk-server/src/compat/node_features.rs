//! The features that the node announces. The library only puts them into the node announcement,
//! which a node without a public channel never sends.

use ldk_node::lightning_types::features::NodeFeatures;

/// The features of a node of this library with the configuration that this server gives it: gossip by
/// peers, channels with anchors.
///
/// `is_async_server`: whether the node keeps static invoices and payments for offline clients.
pub(crate) fn announced(is_async_server: bool) -> NodeFeatures {
    let mut features = NodeFeatures::empty();
    // Of the channel manager.
    features.set_data_loss_protect_required();
    features.set_upfront_shutdown_script_optional();
    features.set_variable_length_onion_required();
    features.set_static_remote_key_required();
    features.set_payment_secret_required();
    features.set_basic_mpp_optional();
    features.set_wumbo_optional();
    features.set_shutdown_any_segwit_optional();
    features.set_channel_type_required();
    features.set_scid_privacy_optional();
    features.set_zero_conf_optional();
    features.set_route_blinding_optional();
    features.set_provide_storage_optional();
    features.set_quiescence_optional();
    features.set_splicing_optional();
    features.set_anchors_zero_fee_htlc_tx_optional();
    features.set_keysend_optional();
    if is_async_server {
        features.set_htlc_hold_optional();
    }
    // Of the handlers of gossip and of onion messages.
    features.set_gossip_queries_optional();
    features.set_onion_messages_optional();
    features
}
