//! Just-in-time channels, from others and to others.

use ldk_node::liquidity::LSPS2ServiceConfig;

use super::{missing, peer_address, public_key};
use crate::config::values::Values;
use crate::config::{ConfigError, Lsps2ClientConfig};

pub(in crate::config) fn lsps2_client(
    values: &Values,
) -> Result<Option<Lsps2ClientConfig>, ConfigError> {
    const NODE: &str = "liquidity.lsps2_client.node_pubkey";
    const ADDRESS: &str = "liquidity.lsps2_client.address";
    if !values.have_section("liquidity.lsps2_client") {
        return Ok(None);
    }
    let node_id = values.text(NODE).ok_or_else(|| missing(NODE))?;
    let address = values.text(ADDRESS).ok_or_else(|| missing(ADDRESS))?;
    Ok(Some(Lsps2ClientConfig {
        node_id: public_key(NODE, &node_id)?,
        address: peer_address(ADDRESS, &address)?,
        token: values.secret("liquidity.lsps2_client.token"),
    }))
}

/// All of the section but the token has to be set.
pub(in crate::config) fn lsps2_service(
    values: &Values,
) -> Result<Option<LSPS2ServiceConfig>, ConfigError> {
    const SECTION: &str = "liquidity.lsps2_service";
    if !values.have_section(SECTION) {
        return Ok(None);
    }
    let key = |name: &str| format!("{SECTION}.{name}");
    let is_on = |name: &str| match values.source(&key(name)) {
        Some(_) => Ok(values.is_on(&key(name))),
        None => Err(missing(&key(name))),
    };
    let small =
        |name: &str| values.number(&key(name), 0..=u32::MAX)?.ok_or_else(|| missing(&key(name)));
    let large = |name: &str| values.number(&key(name), 0..)?.ok_or_else(|| missing(&key(name)));
    Ok(Some(LSPS2ServiceConfig {
        require_token: values.text(&key("require_token")),
        advertise_service: is_on("advertise_service")?,
        channel_opening_fee_ppm: small("channel_opening_fee_ppm")?,
        channel_over_provisioning_ppm: small("channel_over_provisioning_ppm")?,
        min_channel_opening_fee_msat: large("min_channel_opening_fee_msat")?,
        min_channel_lifetime: small("min_channel_lifetime")?,
        max_client_to_self_delay: small("max_client_to_self_delay")?,
        min_payment_size_msat: large("min_payment_size_msat")?,
        max_payment_size_msat: large("max_payment_size_msat")?,
        client_trusts_lsp: is_on("client_trusts_lsp")?,
    }))
}
