//! The two daemons of one node, each with a network of its own to the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use ldk_server_client::api::{Bolt11ReceiveRequest, GetNodeInfoRequest};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{sleep, timeout};

use crate::node::Node;
use crate::postgres::Postgres;
use crate::stress::group::Group;
use crate::stress::violation::{Kind, Violation};
use crate::tcp_proxy::TcpProxy;
use crate::wait::until;

/// Where the state of the node is.
pub(super) const SCHEMA: &str = "alice";
pub(super) const LEASE: Duration = Duration::from_secs(3);
/// The code of a daemon that cannot write its state.
const FENCED: i32 = 74;
/// How often a daemon is asked whether it serves.
const ASK_INTERVAL: Duration = Duration::from_millis(20);
/// A daemon that is stopped does not answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(120);

/// The two daemons.
pub(super) struct Machines {
    nodes: Vec<Arc<Node>>,
    proxies: [TcpProxy; 2],
    postgres: Arc<Postgres>,
    active: usize,
    /// The process that serves.
    pid: u32,
}

/// How it is when one serves and the other waits.
pub(super) struct Settled {
    /// Whether it is another process that serves than before.
    pub(super) is_other_process: bool,
    pub(super) violations: Vec<Violation>,
}

/// What a daemon says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Active,
    Standby,
}

impl Machines {
    /// Neither is started. Each has its own user in the database, by which an auditor can tell which of
    /// them has written.
    pub(super) async fn new(postgres: &Arc<Postgres>) -> Result<Self> {
        let proxies = [TcpProxy::closed()?, TcpProxy::closed()?];
        for (number, proxy) in proxies.iter().enumerate() {
            let user = user(number);
            postgres.query(&format!("CREATE ROLE {user} SUPERUSER LOGIN")).await?;
            proxy.open(postgres.address()).await?;
        }
        let postgres = Arc::clone(postgres);
        Ok(Self { nodes: Vec::new(), proxies, postgres, active: 0, pid: 0 })
    }

    /// What makes a daemon one of the two, as a section of the configuration.
    pub(super) fn section(&self, number: usize) -> String {
        let (user, address) = (user(number), self.proxies[number].address());
        let lease_secs = LEASE.as_secs();
        format!(
            "[storage.postgres]\nurl = \"postgres://{user}@{address}/postgres\"\n\
             schema = \"{SCHEMA}\"\nlease_secs = {lease_secs}\nstandby = true\n"
        )
    }

    /// Starts the second one, which waits. The first one is the first node of the group.
    pub(super) async fn start(&mut self, group: &Group) -> Result<()> {
        let first = Arc::clone(&group.nodes[0]);
        let mut config = group.network.config(&format!("{}2", first.alias()))?;
        config.sections = format!("[metrics]\nenabled = true\n{}", self.section(1));
        let second = group.network.standby_of(&first, config)?;
        self.pid = first.pid().await?;
        self.nodes = vec![first, second];
        self.settle().await.map(drop)
    }

    /// The one that serves.
    pub(super) fn active(&self) -> &Arc<Node> {
        &self.nodes[self.active]
    }

    /// The one that waits.
    pub(super) fn standby(&self) -> &Arc<Node> {
        &self.nodes[1 - self.active]
    }

    pub(super) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// The network between the one that serves and the database.
    pub(super) fn proxy(&self) -> &TcpProxy {
        &self.proxies[self.active]
    }

    /// Connects the one that serves with the database again.
    pub(super) async fn connect(&self, delay: Duration) -> Result<()> {
        self.proxy().open_slowly(self.postgres.address(), delay).await
    }

    /// Sends the one that serves a signal.
    pub(super) async fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.active().pid().await?.cast_signed()).context("no pid")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Ends the sessions of both.
    pub(super) async fn end_sessions(&self) -> Result<()> {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name = 'ldk-server'";
        self.postgres.query(sql).await.map(drop)
    }

    /// Waits until the one that waits serves. Returns how long that is after the beginning.
    pub(super) async fn taken_over(&self, begin: Instant) -> Result<Duration> {
        let standby = self.standby();
        let serves = async {
            while standby.client().get_node_info(GetNodeInfoRequest {}).await.is_err() {
                standby.ensure_running().await?;
                sleep(ASK_INTERVAL).await;
            }
            anyhow::Ok(begin.elapsed())
        };
        timeout(PATIENCE, serves).await.context("the standby does not take over")?
    }

    /// Starts those that have ended again, and waits until one serves and the other waits.
    pub(super) async fn settle(&mut self) -> Result<Settled> {
        let mut violations = Vec::new();
        self.active = until("one serves and the other waits", PATIENCE, async || {
            for node in &self.nodes {
                violations.extend(started(node).await?);
            }
            match tokio::join!(role(&self.nodes[0]), role(&self.nodes[1])) {
                (Ok(Role::Active), Ok(Role::Standby)) => Ok(0),
                (Ok(Role::Standby), Ok(Role::Active)) => Ok(1),
                roles => Err(anyhow!("{roles:?}")),
            }
        })
        .await?;
        let pid = self.active().pid().await?;
        let is_other_process = pid != std::mem::replace(&mut self.pid, pid);
        Ok(Settled { is_other_process, violations })
    }

    pub(super) async fn stop_standby(&self) -> Result<()> {
        self.standby().stop().await
    }

    /// Where to read of it.
    pub(super) fn logs(&self) -> String {
        let standby = self.standby().config();
        standby.storage_dir.join("output.log").display().to_string()
    }
}

/// Starts it again if it has ended. Only one that could not write may have ended by itself.
async fn started(node: &Node) -> Result<Option<Violation>> {
    if node.is_up().await {
        let Err(ended) = node.ensure_running().await else { return Ok(None) };
        let status = node.ended().await?;
        node.spawn_again().await?;
        let text = format!("{} ended by itself: {ended:#}", node.alias());
        return Ok((status.code() != Some(FENCED)).then(|| Violation::new(Kind::Stuck, text)));
    }
    node.spawn_again().await?;
    Ok(None)
}

/// What it does. One that serves has to be able to write, which one that has lost the lease is not.
async fn role(node: &Node) -> Result<Role> {
    let asked = async {
        if node.ensure_standby().await.is_ok() {
            return Ok(Role::Standby);
        }
        let request = Bolt11ReceiveRequest { expiry_secs: 3_600, ..Default::default() };
        match node.client().bolt11_receive(request).await {
            Ok(_) => Ok(Role::Active),
            Err(error) => bail!("{} cannot write: {error}", node.alias()),
        }
    };
    let asked = timeout(ANSWER_PATIENCE, asked).await;
    asked.with_context(|| format!("{} does not answer", node.alias()))?
}

fn user(number: usize) -> String {
    format!("machine_{number}")
}
