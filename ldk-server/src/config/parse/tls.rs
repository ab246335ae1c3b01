//! The certificate of the service, and those of its clients.

use std::net::IpAddr;
use std::path::Path;

use ldk_node::bitcoin::Network;
use ldk_server_grpc::places;
use rustls_pki_types::DnsName;

use super::{grpc_address, missing};
use crate::config::keys::{self, Key, Text};
use crate::config::values::Values;
use crate::config::{ClientAuthConfig, ConfigError, TlsConfig};

pub(in crate::config) fn client_auth(
    values: &Values,
    storage_dir: &Path,
    network: Network,
) -> Result<Option<ClientAuthConfig>, ConfigError> {
    const KEY: Key<Text> = keys::TLS_CLIENT_AUTH;
    let is_required = match values.text(KEY).as_deref() {
        None | Some("off") => return Ok(None),
        Some("optional") => false,
        Some("required") => true,
        Some(other) => {
            let reason = format!("\"{other}\"; accepted are off, optional and required");
            return Err(ConfigError::new(KEY, reason));
        },
    };
    let dir = places::network_dir(storage_dir, &network.to_string());
    Ok(Some(ClientAuthConfig { is_required, dir }))
}

pub(in crate::config) fn tls(
    values: &Values,
    client_auth: Option<ClientAuthConfig>,
) -> Result<TlsConfig, ConfigError> {
    let path = |key| values.path(key).ok_or_else(|| missing(key));
    let hosts = values.list(keys::TLS_HOSTS);
    for host in &hosts {
        if host.parse::<IpAddr>().is_err() && DnsName::try_from(host.as_str()).is_err() {
            let reason = format!("\"{host}\" is neither an IP address nor a DNS name");
            return Err(ConfigError::new(keys::TLS_HOSTS, reason));
        }
    }
    let listening = Some(grpc_address(values)?.ip()).filter(|address| !address.is_unspecified());
    let (cert_path, key_path) = (path(keys::TLS_CERT_PATH)?, path(keys::TLS_KEY_PATH)?);
    Ok(TlsConfig { cert_path, key_path, hosts, listening, client_auth })
}
