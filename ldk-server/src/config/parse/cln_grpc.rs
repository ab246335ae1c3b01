//! The gRPC service for clients of Core Lightning.

use std::path::Path;

use ldk_node::bitcoin::Network;
use ldk_server_grpc::{AuthorityFiles, places};

use super::socket_address;
use crate::config::keys;
use crate::config::values::Values;
use crate::config::{ClientAuthConfig, ClnGrpcConfig, ConfigError, TlsConfig};

pub(in crate::config) fn cln_grpc(
    values: &Values,
    storage_dir: &Path,
    network: Network,
) -> Result<Option<ClnGrpcConfig>, ConfigError> {
    let Some(text) = values.text(keys::CLN_GRPC_ADDRESS) else { return Ok(None) };
    let address = socket_address(keys::CLN_GRPC_ADDRESS, &text)?;
    let dir = places::network_dir(storage_dir, &network.to_string());
    let AuthorityFiles { server_cert, server_key, .. } = AuthorityFiles::in_dir(&dir);
    let tls = TlsConfig {
        cert_path: server_cert,
        key_path: server_key,
        hosts: values.list(keys::TLS_HOSTS),
        listening: Some(address.ip()).filter(|ip| !ip.is_unspecified()),
        client_auth: Some(ClientAuthConfig { is_required: true, dir }),
    };
    Ok(Some(ClnGrpcConfig { address, tls }))
}
