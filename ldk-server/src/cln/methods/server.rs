//! `waitblockheight`, `listconfigs` and `stop`: the server itself.

use std::time::Duration;

use ldk_server_grpc::api::{GetNodeInfoRequest, ListRunesRequest};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::Method;
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::{RpcError, code};
use crate::error::quoted;
use crate::process;

/// `waitblockheight`: until the node has a block.
pub(super) struct WaitBlockHeight {
    height: u32,
    timeout: Duration,
}

#[derive(Serialize)]
pub(super) struct Reached {
    blockheight: u32,
}

impl Method for WaitBlockHeight {
    const NAME: &'static str = "waitblockheight";
    const USAGE: &'static str = "blockheight [timeout]";
    type Answer = Reached;

    fn read(args: &Args) -> Result<Self, RpcError> {
        const DEFAULT_SECS: u32 = 60;
        let secs = args.optional::<u32>("timeout")?.unwrap_or(DEFAULT_SECS);
        Ok(Self {
            height: args.required("blockheight")?,
            timeout: Duration::from_secs(secs.into()),
        })
    }

    async fn run(self, call: Call) -> Result<Reached, RpcError> {
        // The library tells nobody of blocks; its status is a few fields in memory.
        const INTERVAL: Duration = Duration::from_millis(500);
        call.ask(rpc::GetNodeInfo, GetNodeInfoRequest {}).await?;
        let deadline = Instant::now() + self.timeout;
        loop {
            let app = call.cln.0.dispatcher.app()?;
            let blockheight = app.node.status().current_best_block.height;
            if blockheight >= self.height {
                return Ok(Reached { blockheight });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RpcError::new(code::WAIT_TIMEOUT, "Timed out."));
            }
            sleep(left.min(INTERVAL)).await;
        }
    }
}

/// `listconfigs`: the settings that have the same meaning in Core Lightning.
pub(super) struct ListConfigs {
    config: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Configs {
    configs: Map<String, Value>,
}

impl Method for ListConfigs {
    const NAME: &'static str = "listconfigs";
    const USAGE: &'static str = "[config]";
    type Answer = Configs;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { config: args.optional("config")? })
    }

    async fn run(self, call: Call) -> Result<Configs, RpcError> {
        let info = call.ask(rpc::GetNodeInfo, GetNodeInfoRequest {}).await?;
        let fees = call.cln.0.dispatcher.app()?.channel_defaults;
        let source = "ldk-server";
        let text = |value: String| json!({"value_str": value, "source": source});
        let number = |value: u32| json!({"value_int": value, "source": source});
        let texts = |values: Vec<String>| {
            let sources = vec![source; values.len()];
            json!({"values_str": values, "sources": sources})
        };
        let shared = &call.cln.0;
        let color = info.node_id.chars().take(6).collect();
        let all = [
            ("lightning-dir", text(shared.network_dir.display().to_string())),
            ("network", text(shared.network.to_string())),
            ("rgb", text(color)),
            ("alias", text(info.node_alias.unwrap_or_default())),
            ("rpc-file-mode", text("0600".to_owned())),
            ("bind-addr", texts(info.listening_addresses)),
            ("announce-addr", texts(info.announcement_addresses)),
            ("fee-base", number(fees.forwarding_fee_base_msat)),
            ("fee-per-satoshi", number(fees.forwarding_fee_proportional_millionths)),
            ("cltv-delta", number(fees.cltv_expiry_delta.into())),
        ];
        let wanted = |name: &str| self.config.as_deref().is_none_or(|wanted| wanted == name);
        let configs: Map<_, _> = all
            .into_iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        match self.config {
            Some(name) if configs.is_empty() => {
                Err(RpcError::params(format!("Unknown config option {}", quoted(&name))))
            },
            _ => Ok(Configs { configs }),
        }
    }
}

/// `stop`: ends the daemon, as a signal does.
pub(super) struct Stop;

#[derive(Serialize)]
pub(super) struct Stopped {
    result: &'static str,
}

impl Method for Stop {
    const NAME: &'static str = "stop";
    const USAGE: &'static str = "";
    type Answer = Stopped;

    fn read(_: &Args) -> Result<Self, RpcError> {
        Ok(Self)
    }

    async fn run(self, call: Call) -> Result<Stopped, RpcError> {
        // The API has no such call. Who may list runes may do everything.
        call.ask(rpc::ListRunes, ListRunesRequest::default()).await?;
        tracing::info!("asked to stop by a client of Core Lightning's interface");
        process::ask_to_stop().map_err(|error| RpcError::internal(&error))?;
        Ok(Stopped { result: "Shutdown complete" })
    }
}
