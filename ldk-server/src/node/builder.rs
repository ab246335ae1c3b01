//! Builds a node from the configuration.

use std::sync::Arc;

use ldk_node::config::{
    BackgroundSyncConfig, Config as NodeConfig, ElectrumSyncConfig, EsploraSyncConfig,
};
use ldk_node::{Builder, Node};
use secrecy::ExposeSecret as _;

use super::NodeStartError;
use crate::chain::bitcoind;
use crate::chain::gate::ChainGate;
use crate::config::{ChainSource, ChannelsConfig, Config, ConfigError, EsploraConfig};
use crate::gate::{NodeStore, PeerGate};
use crate::secrets::Entropy;
use crate::store::Store;

/// Builds the node. Reads all of its state, so it blocks for a while.
pub fn build(
    config: &Config,
    entropy: &Entropy,
    store: Arc<Store>,
    gate: Arc<PeerGate>,
    chain_gate: &ChainGate,
) -> Result<Node, NodeStartError> {
    let mut builder = Builder::from_config(node_config(config));
    builder
        .set_network(config.network)
        .set_storage_dir_path(config.network_dir().display().to_string())
        .set_log_facade_logger()
        .set_runtime(tokio::runtime::Handle::current());
    match entropy {
        Entropy::Mnemonic(mnemonic) => builder.set_entropy_bip39_mnemonic(mnemonic.clone(), None),
        Entropy::Seed(seed) => builder.set_entropy_seed_bytes(**seed),
    };
    match &config.rgs_server_url {
        Some(url) => builder.set_gossip_source_rgs(url.clone()),
        None => builder.set_gossip_source_p2p(),
    };
    if let Some(url) = &config.pathfinding_scores_url {
        builder.set_pathfinding_scores_source(url.clone());
    }
    set_liquidity(&mut builder, config, &gate)?;
    set_chain_source(&mut builder, chain_gate.source(), config.sync)?;
    set_identity(&mut builder, config, &gate)?;
    Ok(builder.build_with_store(Arc::new(NodeStore::new(store, gate)))?)
}

/// Channels from LSPs, and to others.
fn set_liquidity(
    builder: &mut Builder,
    config: &Config,
    gate: &PeerGate,
) -> Result<(), ConfigError> {
    if let Some(lsp) = &config.lsps1_client {
        let token = lsp.token.as_ref().map(|token| token.expose_secret().to_owned());
        let address = gate
            .configured_address(&lsp.address)
            .map_err(|error| ConfigError::new("liquidity.lsps1_client.address", error))?;
        builder.set_liquidity_source_lsps1(lsp.node_id, address, token);
    }
    if let Some(lsp) = &config.lsps2_client {
        let token = lsp.token.as_ref().map(|token| token.expose_secret().to_owned());
        let address = gate
            .configured_address(&lsp.address)
            .map_err(|error| ConfigError::new("liquidity.lsps2_client.address", error))?;
        builder.set_liquidity_source_lsps2(lsp.node_id, address, token);
    }
    if let Some(service) = &config.lsps2_service {
        tracing::warn!(
            "liquidity.lsps2_service is set: serving just-in-time channels is EXPERIMENTAL and \
             opens channels with your funds on request"
        );
        builder.set_liquidity_provider_lsps2(service.clone());
    }
    Ok(())
}

/// The settings that the builder has no setter for.
fn node_config(config: &Config) -> NodeConfig {
    let mut node_config = NodeConfig::default();
    let ChannelsConfig { trusted_peers_0conf, anchor_reserve_sats, anchor_trusted_peers, .. } =
        &config.channels;
    node_config.trusted_peers_0conf.clone_from(trusted_peers_0conf);
    if let Some(anchors) = &mut node_config.anchor_channels_config {
        anchors.per_channel_reserve_sats = *anchor_reserve_sats;
        anchors.trusted_peers_no_reserve.clone_from(anchor_trusted_peers);
        // The library accepts an anchor channel only if the wallet could pay for closing it, unless
        // the peer is trusted. A client of an LSP may have nothing on chain before its first channel
        // from the LSP. It trusts the LSP anyway, because that channel is used unconfirmed.
        if let Some(lsp) = &config.lsps2_client {
            anchors.trusted_peers_no_reserve.push(lsp.node_id);
            tracing::info!(
                node_id = %lsp.node_id,
                "liquidity.lsps2_client is set: this peer is trusted with unconfirmed channels, and \
                 to pay for closing them"
            );
        }
    }
    node_config
}

fn set_chain_source(
    builder: &mut Builder,
    source: &ChainSource,
    sync: BackgroundSyncConfig,
) -> Result<(), NodeStartError> {
    let background_sync_config = Some(sync);
    match source {
        ChainSource::Bitcoind(config) => {
            let (user, password) = bitcoind::credentials(&config.auth)?;
            let password = password.expose_secret().to_owned();
            let (host, port) = (config.rpc.host.clone(), config.rpc.port);
            match &config.rest {
                None => builder.set_chain_source_bitcoind_rpc(host, port, user, password),
                Some(rest) => builder.set_chain_source_bitcoind_rest(
                    rest.host.clone(),
                    rest.port,
                    host,
                    port,
                    user,
                    password,
                ),
            };
        },
        ChainSource::Electrum(electrum) => {
            let sync = ElectrumSyncConfig { background_sync_config };
            builder.set_chain_source_electrum(electrum.server_url(), Some(sync));
        },
        ChainSource::Esplora(EsploraConfig { server_url, headers, ca_cert_path: _ }) => {
            let sync = EsploraSyncConfig { background_sync_config };
            let headers = headers
                .iter()
                .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
                .collect();
            let url = server_url.clone();
            builder.set_chain_source_esplora_with_headers(url, headers, Some(sync));
        },
    }
    Ok(())
}

fn set_identity(
    builder: &mut Builder,
    config: &Config,
    gate: &PeerGate,
) -> Result<(), NodeStartError> {
    if !config.listening_addresses.is_empty() {
        builder.set_listening_addresses(gate.library_listening_addresses())?;
    }
    if let Some(alias) = &config.alias {
        // Otherwise the library would announce the addresses that it listens at.
        builder.set_announcement_addresses(gate.announcement_addresses().to_vec())?;
        builder.set_node_alias(alias.clone())?;
    }
    builder.set_async_payments_role(config.async_payments_role)?;
    Ok(())
}
