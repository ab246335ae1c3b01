//! Two daemons with a channel between them.

use std::sync::Arc;

use anyhow::Result;
use e2e_tests::{Network, Node, Strace, Usage};

use crate::case::Case;
use crate::databases::Databases;
use crate::store::Store;
use crate::syncs::SyncTrace;

/// What each gets on chain beyond the channel: fees, and the reserve for the channel.
const RESERVE_SATS: u64 = 200_000;

/// Whether the daemons run under strace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracing {
    Off,
    /// It writes down each fsync and fdatasync.
    Syncs,
}

/// A daemon, and what tells of its fsyncs if it is traced.
pub(crate) struct Side {
    pub(crate) node: Arc<Node>,
    trace: Option<SyncTrace>,
}

/// Alice and bob, who keep their state in the same kind of store.
pub(crate) struct Pair {
    pub(crate) store: Store,
    alice: Side,
    bob: Side,
}

impl Pair {
    /// Starts both, and opens a channel of which half belongs to each.
    pub(crate) async fn start(
        network: &Network,
        databases: &Databases,
        store: Store,
        tracing: Tracing,
        channel_sats: u64,
    ) -> Result<Self> {
        let alice = Side::start(network, databases, "alice", store, tracing).await?;
        let bob = Side::start(network, databases, "bob", store, tracing).await?;
        network.fund(&[&alice.node, &bob.node], channel_sats + RESERVE_SATS).await?;
        network.open_channel(&alice.node, &bob.node, channel_sats, channel_sats / 2).await?;
        Ok(Self { store, alice, bob })
    }

    /// The payer and the payee of a case.
    pub(crate) fn payer_and_payee(&self, case: Case) -> [&Side; 2] {
        let [alice, bob] = self.sides();
        if case.turned { [bob, alice] } else { [alice, bob] }
    }

    /// Alice and bob.
    pub(crate) fn sides(&self) -> [&Side; 2] {
        [&self.alice, &self.bob]
    }

    /// Stops both.
    pub(crate) async fn stop(&self) -> Result<()> {
        self.alice.node.stop().await?;
        self.bob.node.stop().await
    }
}

impl Side {
    async fn start(
        network: &Network,
        databases: &Databases,
        name: &str,
        store: Store,
        tracing: Tracing,
    ) -> Result<Self> {
        let traced = if tracing == Tracing::Syncs { "-traced" } else { "" };
        let alias = format!("{name}-{store}{traced}");
        let mut config = network.config(&alias)?;
        // What is measured is not to be the writing of the log.
        config.log_level = "Info";
        let flag = match store {
            Store::Ours | Store::Keyed | Store::Uncut | Store::Postgres | Store::Distant => None,
            Store::Ungated => Some("--without-peer-gate"),
            Store::Library => Some("--library-store"),
        };
        config.sections += &match store {
            Store::Uncut => "[storage]\nconsistent_cuts = false\n".to_owned(),
            Store::Postgres | Store::Distant => {
                databases.section(store, &alias.replace('-', "_"))?
            },
            Store::Ours | Store::Keyed | Store::Ungated | Store::Library => String::new(),
        };
        config.args.extend(flag.map(str::to_owned));
        let trace = match tracing {
            Tracing::Off => None,
            Tracing::Syncs => Some(SyncTrace::of(&mut config, Strace::get().await?)),
        };
        Ok(Self { node: network.node_of(config).await?, trace })
    }

    /// What its process has used so far.
    pub(crate) async fn usage(&self) -> Result<Usage> {
        let syncs = self.trace.as_ref().map(SyncTrace::count).transpose()?;
        Usage::of(self.node.pid().await?, syncs)
    }
}
