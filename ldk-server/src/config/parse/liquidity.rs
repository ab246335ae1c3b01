//! Channels that are ordered or opened just in time, from others and to others.

use ldk_node::liquidity::LSPS2ServiceConfig;

use super::{missing, peer_address, public_key};
use crate::config::keys::{self, Boolean, Key, Number, Text};
use crate::config::values::Values;
use crate::config::{ConfigError, LspConfig};

pub(in crate::config) fn lsps1_client(values: &Values) -> Result<Option<LspConfig>, ConfigError> {
    let keys = ProviderKeys {
        section: "liquidity.lsps1_client",
        node: keys::LIQUIDITY_LSPS1_CLIENT_NODE_PUBKEY,
        address: keys::LIQUIDITY_LSPS1_CLIENT_ADDRESS,
        token: keys::LIQUIDITY_LSPS1_CLIENT_TOKEN,
    };
    provider(values, &keys)
}

pub(in crate::config) fn lsps2_client(values: &Values) -> Result<Option<LspConfig>, ConfigError> {
    let keys = ProviderKeys {
        section: "liquidity.lsps2_client",
        node: keys::LIQUIDITY_LSPS2_CLIENT_NODE_PUBKEY,
        address: keys::LIQUIDITY_LSPS2_CLIENT_ADDRESS,
        token: keys::LIQUIDITY_LSPS2_CLIENT_TOKEN,
    };
    provider(values, &keys)
}

/// The keys of a section that names a provider.
struct ProviderKeys {
    section: &'static str,
    node: Key<Text>,
    address: Key<Text>,
    token: Key<Text>,
}

fn provider(values: &Values, keys: &ProviderKeys) -> Result<Option<LspConfig>, ConfigError> {
    if !values.have_section(keys.section) {
        return Ok(None);
    }
    let node_id = values.text(keys.node).ok_or_else(|| missing(keys.node))?;
    let address = values.text(keys.address).ok_or_else(|| missing(keys.address))?;
    Ok(Some(LspConfig {
        node_id: public_key(keys.node, &node_id)?,
        address: peer_address(keys.address, &address)?,
        token: values.secret(keys.token),
    }))
}

/// Every key of the section but the token must be set.
pub(in crate::config) fn lsps2_service(
    values: &Values,
) -> Result<Option<LSPS2ServiceConfig>, ConfigError> {
    if !values.have_section("liquidity.lsps2_service") {
        return Ok(None);
    }
    let is_on = |key: Key<Boolean>| match values.source(key) {
        Some(_) => Ok(values.is_on(key)),
        None => Err(missing(key)),
    };
    let small = |key: Key<Number>| values.number(key, 0..=u32::MAX)?.ok_or_else(|| missing(key));
    let large = |key: Key<Number>| values.number(key, 0..)?.ok_or_else(|| missing(key));
    Ok(Some(LSPS2ServiceConfig {
        require_token: values.text(keys::LIQUIDITY_LSPS2_SERVICE_REQUIRE_TOKEN),
        advertise_service: is_on(keys::LIQUIDITY_LSPS2_SERVICE_ADVERTISE_SERVICE)?,
        channel_opening_fee_ppm: small(keys::LIQUIDITY_LSPS2_SERVICE_CHANNEL_OPENING_FEE_PPM)?,
        channel_over_provisioning_ppm: small(
            keys::LIQUIDITY_LSPS2_SERVICE_CHANNEL_OVER_PROVISIONING_PPM,
        )?,
        min_channel_opening_fee_msat: large(
            keys::LIQUIDITY_LSPS2_SERVICE_MIN_CHANNEL_OPENING_FEE_MSAT,
        )?,
        min_channel_lifetime: small(keys::LIQUIDITY_LSPS2_SERVICE_MIN_CHANNEL_LIFETIME)?,
        max_client_to_self_delay: small(keys::LIQUIDITY_LSPS2_SERVICE_MAX_CLIENT_TO_SELF_DELAY)?,
        min_payment_size_msat: large(keys::LIQUIDITY_LSPS2_SERVICE_MIN_PAYMENT_SIZE_MSAT)?,
        max_payment_size_msat: large(keys::LIQUIDITY_LSPS2_SERVICE_MAX_PAYMENT_SIZE_MSAT)?,
        client_trusts_lsp: is_on(keys::LIQUIDITY_LSPS2_SERVICE_CLIENT_TRUSTS_LSP)?,
    }))
}
