//! The shape of the configuration file. A key that is not here is refused by the parser.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) node: Node,
    pub(super) storage: Storage,
    pub(super) bitcoind: Option<Bitcoind>,
    pub(super) electrum: Option<Server>,
    pub(super) esplora: Option<Server>,
    pub(super) log: Log,
    pub(super) tls: Tls,
    pub(super) auth: Auth,
    pub(super) liquidity: Liquidity,
    pub(super) hodl: Hodl,
    pub(super) history: History,
    pub(super) events: Events,
    pub(super) hrn: Hrn,
    pub(super) metrics: Metrics,
    pub(super) tor: Option<Tor>,
    // Refused whole, so what is in it does not matter.
    pub(super) probing: Option<toml::Table>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Node {
    pub(super) network: Option<String>,
    pub(super) listening_addresses: Option<Vec<String>>,
    pub(super) announcement_addresses: Option<Vec<String>>,
    pub(super) grpc_service_address: Option<String>,
    pub(super) alias: Option<String>,
    pub(super) pathfinding_scores_source_url: Option<String>,
    pub(super) rgs_server_url: Option<String>,
    pub(super) async_payments_role: Option<String>,
    pub(super) enable_zero_fee_commitments: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Storage {
    pub(super) disk: Disk,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Disk {
    pub(super) dir_path: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Bitcoind {
    pub(super) rpc_address: Option<String>,
    pub(super) rpc_user: Option<String>,
    #[serde(deserialize_with = "secret")]
    pub(super) rpc_password: Option<SecretString>,
    pub(super) rpc_cookie_file: Option<PathBuf>,
    pub(super) rest_address: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) server_url: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) level: Option<String>,
    pub(super) file: Option<PathBuf>,
    pub(super) log_to_file: Option<bool>,
    pub(super) format: Option<String>,
    pub(super) targets: Vec<String>,
    pub(super) max_size_mb: Option<u64>,
    pub(super) rotation_interval_hours: Option<u64>,
    pub(super) max_files: Option<usize>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    pub(super) cert_path: Option<PathBuf>,
    pub(super) key_path: Option<PathBuf>,
    pub(super) hosts: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Auth {
    pub(super) accept_timestamp_only: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Liquidity {
    pub(super) lsps2_client: Option<Lsps2Client>,
    pub(super) lsps2_service: Option<Lsps2Service>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lsps2Client {
    pub(super) node_pubkey: String,
    pub(super) address: String,
    #[serde(default, deserialize_with = "secret")]
    pub(super) token: Option<SecretString>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lsps2Service {
    pub(super) advertise_service: bool,
    pub(super) channel_opening_fee_ppm: u32,
    pub(super) channel_over_provisioning_ppm: u32,
    pub(super) min_channel_opening_fee_msat: u64,
    pub(super) min_channel_lifetime: u32,
    pub(super) max_client_to_self_delay: u32,
    pub(super) min_payment_size_msat: u64,
    pub(super) max_payment_size_msat: u64,
    pub(super) client_trusts_lsp: bool,
    pub(super) require_token: Option<String>,
    pub(super) allow_client_0reserve: Option<bool>,
    pub(super) disable_client_reserve: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hodl {
    pub(super) fail_before_deadline_blocks: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct History {
    pub(super) keep_expired_invoices_secs: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Events {
    pub(super) keep_secs: Option<u64>,
    pub(super) keep_count: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hrn {
    pub(super) mode: Option<String>,
    pub(super) dns_server_address: Option<String>,
    pub(super) timeout_secs: Option<u64>,
    pub(super) enable_resolution_service: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tor {
    pub(super) proxy_address: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Metrics {
    pub(super) enabled: bool,
    pub(super) poll_metrics_interval: Option<u64>,
    pub(super) username: Option<String>,
    #[serde(deserialize_with = "secret")]
    pub(super) password: Option<SecretString>,
}

/// A text that no error quotes, as serde's own would a value of the wrong type.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => Ok(Some(text.into())),
        other => Err(D::Error::custom(format!("expected a string, found {}", other.type_str()))),
    }
}
