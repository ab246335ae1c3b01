//! An ldk-server node: its process, and the ways to talk to it.

mod standby;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use ldk_server_client::Client;
use ldk_server_client::api::{
    Bolt11ReceiveRequest, Bolt11SendRequest, ConnectPeerRequest, DisconnectPeerRequest,
    GetBalancesRequest, GetBalancesResponse, GetNodeInfoRequest, GetPaymentDetailsRequest,
    GraphGetChannelRequest, GraphListChannelsRequest, ListChannelsRequest, ListPeersRequest,
    OnchainReceiveRequest, SubscribeEventsRequest,
};
use ldk_server_client::types::{Channel, Payment, PaymentStatus};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::command_output::{CommandOutput, run};
use crate::events::Events;
use crate::node_config::NodeConfig;
use crate::process::{Group, Log, Process};
use crate::raw::RawConnection;
use crate::tools::Tools;
use crate::wait::until;

const START_PATIENCE: Duration = Duration::from_secs(60);
const REFUSAL_PATIENCE: Duration = Duration::from_secs(30);
const CLI_PATIENCE: Duration = Duration::from_secs(130);
const CONNECTION_PATIENCE: Duration = Duration::from_secs(30);
const PAYMENT_PATIENCE: Duration = Duration::from_secs(30);
const INVOICE_EXPIRY_SECS: u32 = 3600;

/// A node that was started. Dropping it kills its process.
pub struct Node {
    config: NodeConfig,
    config_file: PathBuf,
    id: String,
    client: Client,
    /// `None` while it is down.
    process: Mutex<Option<Process>>,
    log: Log,
    tools: Tools,
    group: Group,
}

impl Node {
    /// Writes the configuration into the node's storage directory, starts the daemon, and waits
    /// until it answers.
    pub async fn start(config: NodeConfig, tools: &Tools, group: Group) -> Result<Self> {
        fs::create_dir_all(&config.storage_dir)?;
        let config_file = config.storage_dir.join("config.toml");
        fs::write(&config_file, config.to_toml())?;
        let log = Log::new(config.storage_dir.join("output.log"));
        let mut process = spawn(&config, tools, &config_file, &log, group)?;
        let (client, id) = ready(&config.alias, &mut process, &config_file, &log).await?;
        let process = Mutex::new(Some(process));
        Ok(Self { config, config_file, id, client, process, log, tools: tools.clone(), group })
    }

    /// Starts the daemon again on the same data, and waits until it answers.
    pub async fn start_again(&self) -> Result<()> {
        let mut slot = self.process.lock().await;
        ensure!(slot.is_none(), "{} is running", self.alias());
        let mut process =
            spawn(&self.config, &self.tools, &self.config_file, &self.log, self.group)?;
        let (_, id) = ready(self.alias(), &mut process, &self.config_file, &self.log).await?;
        ensure!(id == self.id, "{} came back as another node, {id}", self.alias());
        *slot = Some(process);
        Ok(())
    }

    /// Stops the daemon with SIGTERM and waits until it has ended, with code 0.
    pub async fn stop(&self) -> Result<()> {
        let status = self.take_process().await?.terminate().await?;
        ensure!(status.success(), "{} ended with {status}", self.alias());
        Ok(())
    }

    /// Ends the daemon with SIGKILL.
    pub async fn kill(&self) -> Result<()> {
        self.take_process().await?.kill().await
    }

    /// Lets none of its files grow beyond this, from now on: as if the disk were full.
    #[cfg(target_os = "linux")]
    pub async fn limit_file_size(&self, bytes: u64) -> Result<()> {
        let mut slot = self.process.lock().await;
        let process = slot.as_mut().with_context(|| format!("{} is down", self.alias()))?;
        process.limit_file_size(bytes)
    }

    /// Waits until the daemon, which cannot go on, has ended by itself.
    pub async fn ended(&self) -> Result<ExitStatus> {
        self.take_process().await?.ended().await
    }

    /// Whether it was started and has not been stopped.
    pub async fn is_up(&self) -> bool {
        self.process.lock().await.is_some()
    }

    /// Fails if the daemon has ended by itself.
    pub async fn ensure_running(&self) -> Result<()> {
        let mut slot = self.process.lock().await;
        slot.as_mut().with_context(|| format!("{} is down", self.alias()))?.ensure_running()
    }

    /// The id of the daemon's process.
    pub async fn pid(&self) -> Result<u32> {
        let slot = self.process.lock().await;
        let process = slot.as_ref().with_context(|| format!("{} is down", self.alias()))?;
        Ok(process.pid()?.as_raw_nonzero().get().cast_unsigned())
    }

    /// Fails if the daemon has ended by itself; not if it was stopped or killed.
    pub async fn ensure_not_crashed(&self) -> Result<()> {
        self.process.lock().await.as_mut().map_or(Ok(()), Process::ensure_running)
    }

    /// Its name.
    pub fn alias(&self) -> &str {
        &self.config.alias
    }

    /// Its public key, in hex.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where other nodes reach it, `host:port`.
    pub fn address(&self) -> String {
        self.config.lightning.address()
    }

    /// What it was configured with.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The configuration file, which also tells clients where to find it.
    pub fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// The Rust client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The command-line client, called for this node.
    pub fn cli_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.tools.ldk_server_cli);
        command.arg("--config").arg(&self.config_file).args(args);
        command
    }

    /// Runs a command of the command-line client, which may fail.
    pub async fn cli_output(&self, args: &[&str]) -> Result<CommandOutput> {
        run(self.cli_command(args), CLI_PATIENCE).await
    }

    /// Runs a command of the command-line client that must not fail, and returns the JSON that it
    /// prints.
    pub async fn cli(&self, args: &[&str]) -> Result<Value> {
        let printed = self.cli_output(args).await?.success()?;
        serde_json::from_str(&printed).with_context(|| format!("{args:?} printed {printed}"))
    }

    /// Follows its events from now on.
    pub async fn events(&self) -> Result<Events> {
        let stream = self.client.subscribe_events(SubscribeEventsRequest::default()).await?;
        Ok(Events::new(self.alias(), stream))
    }

    /// The height of the chain as it knows it.
    pub async fn height(&self) -> Result<u32> {
        let info = self.client.get_node_info(GetNodeInfoRequest {}).await?;
        Ok(info.current_best_block.context("no best block")?.height)
    }

    /// Its balances.
    pub async fn balances(&self) -> Result<GetBalancesResponse> {
        Ok(self.client.get_balances(GetBalancesRequest {}).await?)
    }

    /// A new address of its wallet.
    pub async fn new_address(&self) -> Result<String> {
        Ok(self.client.onchain_receive(OnchainReceiveRequest {}).await?.address)
    }

    /// Connects to another node, if it is not connected. By itself it looks for a peer that it has lost
    /// once a minute only.
    pub async fn connect_to(&self, peer: &Self) -> Result<()> {
        let request = ConnectPeerRequest {
            node_pubkey: peer.id().to_owned(),
            address: peer.address(),
            persist: false,
        };
        // A node may not have noticed yet that an earlier connection has ended.
        until("both are connected", CONNECTION_PATIENCE, async || {
            self.client.connect_peer(request.clone()).await.context("cannot connect")?;
            self.ensure_connected(peer).await?;
            peer.ensure_connected(self).await
        })
        .await
    }

    async fn ensure_connected(&self, peer: &Self) -> Result<()> {
        let peers = self.client.list_peers(ListPeersRequest {}).await?.peers;
        let found = peers.iter().find(|known| known.node_id == peer.id);
        let is_connected = found.is_some_and(|known| known.is_connected);
        ensure!(is_connected, "{} is not connected to {}", self.alias(), peer.alias());
        Ok(())
    }

    /// Its channels.
    pub async fn channels(&self) -> Result<Vec<Channel>> {
        Ok(self.client.list_channels(ListChannelsRequest {}).await?.channels)
    }

    /// Its channel with that node, if it can be used now.
    pub async fn usable_channel(&self, peer: &Self) -> Result<Channel> {
        let channels = self.channels().await?;
        let usable = channels
            .iter()
            .find(|channel| channel.counterparty_node_id == peer.id && channel.is_usable);
        usable.cloned().with_context(|| format!("{} has {channels:?}", self.alias()))
    }

    /// A BOLT 11 invoice.
    pub async fn invoice(&self, amount_msat: u64) -> Result<String> {
        let request = Bolt11ReceiveRequest {
            amount_msat: Some(amount_msat),
            expiry_secs: INVOICE_EXPIRY_SECS,
            ..Default::default()
        };
        Ok(self.client.bolt11_receive(request).await?.invoice)
    }

    /// Begins to pay a BOLT 11 invoice, and returns the id of the payment.
    pub async fn send(&self, invoice: &str) -> Result<String> {
        let request = Bolt11SendRequest { invoice: invoice.to_owned(), ..Default::default() };
        Ok(self.client.bolt11_send(request).await?.payment_id)
    }

    /// A payment that must be known.
    pub async fn payment(&self, payment_id: &str) -> Result<Payment> {
        let request = GetPaymentDetailsRequest { payment_id: payment_id.to_owned() };
        let answer = self.client.get_payment_details(request).await?;
        answer.payment.with_context(|| format!("{} knows no {payment_id}", self.alias()))
    }

    /// Waits until a payment has succeeded or failed.
    pub async fn settled(&self, payment_id: &str) -> Result<Payment> {
        until(&format!("{payment_id} is settled"), PAYMENT_PATIENCE, async || {
            let payment = self.payment(payment_id).await?;
            ensure!(payment.status() != PaymentStatus::Pending, "{payment:?}");
            Ok(payment)
        })
        .await
    }

    /// Pays an invoice of that node, waits until it has succeeded on both sides, and returns the
    /// id of the payment.
    pub async fn pays(&self, payee: &Self, amount_msat: u64) -> Result<String> {
        let payment_id = self.send(&payee.invoice(amount_msat).await?).await?;
        for node in [self, payee] {
            let payment = node.settled(&payment_id).await?;
            if payment.status() != PaymentStatus::Succeeded {
                bail!("the payment did not succeed: {payment:?}");
            }
        }
        Ok(payment_id)
    }

    /// The number of calls that wait for something to happen. Needs `metrics.enabled`.
    pub async fn waiting_calls(&self) -> Result<usize> {
        let text = self.metrics().await?;
        let number = text.lines().find_map(|line| line.strip_prefix("ldk_server_waiting_calls "));
        Ok(number.with_context(|| format!("no number of those who wait: {text}"))?.parse()?)
    }

    /// What it has counted, as Prometheus reads it. Needs `metrics.enabled`.
    pub async fn metrics(&self) -> Result<String> {
        let answer = RawConnection::get(&self.config, "/metrics").await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Fails unless it knows so many public channels, with the terms of both directions.
    pub async fn knows_channels(&self, count: usize) -> Result<()> {
        let request = GraphListChannelsRequest {};
        let ids = self.client().graph_list_channels(request).await?.short_channel_ids;
        ensure!(ids.len() == count, "it knows {ids:?}");
        for short_channel_id in ids {
            let request = GraphGetChannelRequest { short_channel_id };
            let channel = self.client().graph_get_channel(request).await?.channel;
            let channel = channel.context("no channel")?;
            let has_terms = channel.one_to_two.is_some() && channel.two_to_one.is_some();
            ensure!(has_terms, "it knows {channel:?}");
        }
        Ok(())
    }

    /// Waits until it knows so many public channels. News comes at once, or a minute later if one of the
    /// nodes was not ready for it: what was missed comes when they connect anew.
    pub async fn hears_of_channels(&self, count: usize, from: &Self) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(90);
        const NEWS_PATIENCE: Duration = Duration::from_secs(3);
        until("the node has heard of the channels", PATIENCE, async || {
            let news = until("news", NEWS_PATIENCE, async || self.knows_channels(count).await);
            let heard = news.await;
            if heard.is_err() {
                let node_pubkey = from.id().to_owned();
                self.client().disconnect_peer(DisconnectPeerRequest { node_pubkey }).await?;
                self.connect_to(from).await?;
            }
            heard
        })
        .await
    }

    /// What it has written.
    pub fn log(&self) -> &Log {
        &self.log
    }

    async fn take_process(&self) -> Result<Process> {
        let process = self.process.lock().await.take();
        process.with_context(|| format!("{} is not running", self.alias()))
    }
}

/// Runs a daemon that is expected to refuse to start, and to say why.
pub async fn refusal(tools: &Tools, args: &[&str]) -> Result<CommandOutput> {
    let mut command = Command::new(&tools.ldk_server);
    command.args(args);
    run(command, REFUSAL_PATIENCE).await
}

fn spawn(
    config: &NodeConfig,
    tools: &Tools,
    config_file: &Path,
    log: &Log,
    group: Group,
) -> Result<Process> {
    let command = config.command(&tools.ldk_server, config_file);
    Process::spawn(&config.alias, command, log, group)
}

/// Waits until the daemon answers; returns a client and the node's id.
pub(crate) async fn ready(
    alias: &str,
    process: &mut Process,
    config_file: &Path,
    log: &Log,
) -> Result<(Client, String)> {
    let answers = async || {
        let client = Client::from_config_file(config_file)?;
        let id = client.get_node_info(GetNodeInfoRequest {}).await?.node_id;
        Ok((client, id))
    };
    process
        .until(&format!("{alias} answers"), START_PATIENCE, answers)
        .await
        .map_err(|error| anyhow!("{error:#}\n{}", log.tail()))
}
