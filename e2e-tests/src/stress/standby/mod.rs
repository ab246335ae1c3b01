//! A node whose state is in PostgreSQL and that has a standby, and an ordinary one: they pay each other
//! the whole time, while daemons of the first are killed, stopped and cut off.

mod auditor;
mod fault;
mod log;
mod machines;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::time::sleep;

use self::auditor::Auditor;
use self::fault::Fault;
use self::machines::{Machines, SCHEMA};
use super::group::Group;
use super::ledger::Ledger;
use super::load::{Current, Load};
use super::payments::Payments;
use super::summary::Summary;
use super::{Ending, Plan, Subject};
use crate::node::Node;
use crate::postgres::Postgres;
use crate::raw::now_secs;

/// So often something is done to the node with the standby before the channel has to be at rest, and
/// is checked.
const FAULTS_A_CHECK: u32 = 10;
/// As for nodes without a standby.
const MOST_FAULTS: u32 = 100;
/// Something is done so long after the node came back, at most.
const LONGEST_LOAD: Duration = Duration::from_millis(3_000);

/// Alice, who has two daemons, and bob.
pub(super) struct Standby {
    payments: Payments,
    machines: Machines,
    auditor: Auditor,
    /// The two nodes that pay each other, as they are now.
    current: watch::Sender<Vec<Arc<Node>>>,
    load: Option<(Load, u64)>,
    ending: Ending,
    faults: u32,
}

impl Standby {
    pub(super) async fn start(plan: &Plan, dir: &Path, seed: u64) -> Result<Self> {
        let postgres = Arc::new(Postgres::start().await?);
        let mut machines = Machines::new(&postgres).await?;
        let ledger = Arc::<Ledger>::default();
        let nodes = [("alice", machines.section(0)), ("bob", String::new())];
        let group = Group::start_with(plan, dir, &nodes, &ledger).await?;
        let payments = Payments::between(group, ledger, plan.ending, seed).await?;
        let auditor = Auditor::start(&postgres, SCHEMA).await?;
        machines.start(&payments.group).await?;
        let current = watch::Sender::new(payments.group.nodes.clone());
        let (ending, load, faults) = (plan.ending, None, 0);
        Ok(Self { payments, machines, auditor, current, load, ending, faults })
    }

    fn rng(&mut self) -> &mut StdRng {
        &mut self.payments.rng
    }

    /// Begins to pay in both directions, unless that is going on.
    fn pay(&mut self) -> Result<()> {
        if self.load.is_none() {
            let Payments { ledger, rng, round, .. } = &mut self.payments;
            *round += 1;
            let current: Current = self.current.subscribe();
            let began_secs = now_secs()?;
            self.load = Some((Load::start_lasting(&current, ledger, *round, rng), began_secs));
        }
        Ok(())
    }

    /// Does something to a daemon of alice or to what it needs, and waits until one serves and the other
    /// waits.
    async fn disturb(&mut self, fault: Fault, summary: &mut Summary) -> Result<()> {
        *summary.faults.entry(fault.name()).or_default() += 1;
        let away = fault.strike(&self.machines).await.with_context(|| fault.name())?;
        summary.outages.extend(away);
        let settled = self.machines.settle().await.with_context(|| fault.name())?;
        summary.violations.extend(settled.violations);
        if settled.is_other_process {
            let active = Arc::clone(self.machines.active());
            self.payments.group.replace(0, &active).await?;
            self.current.send_replace(self.payments.group.nodes.clone());
        }
        self.payments.group.reconnect().await
    }

    /// Stops paying, and checks that nothing is lost.
    async fn check(&mut self, summary: &mut Summary) -> Result<()> {
        let Some((load, began_secs)) = self.load.take() else { return Ok(()) };
        load.stop().await;
        if self.payments.check(began_secs, summary).await? {
            summary.most_survived = self.faults;
        }
        summary.violations.extend(self.auditor.seen());
        Ok(())
    }
}

impl Subject for Standby {
    async fn round(&mut self) -> Result<Summary> {
        self.faults += 1;
        let mut summary = Summary { kills: 1, ..Default::default() };
        self.pay()?;
        let pause = self.rng().random_range(Duration::ZERO..LONGEST_LOAD);
        sleep(pause).await;
        let ending = self.ending;
        let fault = Fault::choose(ending, self.rng());
        self.disturb(fault, &mut summary).await?;
        if self.faults.is_multiple_of(FAULTS_A_CHECK) {
            self.check(&mut summary).await?;
        }
        Ok(summary)
    }

    fn is_over(&self) -> bool {
        self.payments.is_closed || self.faults == MOST_FAULTS
    }

    async fn end(mut self) -> Result<Summary> {
        let mut summary = Summary::default();
        self.check(&mut summary).await?;
        self.machines.stop_standby().await?;
        let Self { payments, auditor, .. } = self;
        let is_closed = payments.is_closed;
        summary.add(payments.end().await?);
        if !is_closed {
            auditor.finish(&mut summary).await?;
        }
        Ok(summary)
    }

    fn place(&self) -> String {
        let logs = self.machines.logs();
        format!("fault {} of {logs}, {}", self.faults, self.payments.group.logs())
    }
}
