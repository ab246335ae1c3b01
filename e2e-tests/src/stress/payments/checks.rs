//! What must hold after each kill, and at the end.

use std::time::Duration;

use anyhow::{Result, ensure};
use ldk_server_client::types::PaymentStatus;

use super::Payments;
use crate::stress::books;
use crate::stress::group::Group;
use crate::stress::settle::{self, OnChain};
use crate::stress::summary::Summary;
use crate::stress::violation::{Kind, Violation};
use crate::wait::until;

/// How long the two ends of a payment may tell different things of it when its channel is at rest.
const BOOKS_PATIENCE: Duration = Duration::from_secs(15);

impl Payments {
    /// Checks that what the nodes can send has changed by what has arrived.
    pub(super) async fn check_channels(
        &mut self,
        spendable_msat: Vec<[u64; 2]>,
        summary: &mut Summary,
    ) -> Result<()> {
        let adds_up = until("the channels have what has arrived", BOOKS_PATIENCE, async || {
            self.look().await?;
            let before = self.spendable_msat.iter();
            for (channel, (had, has)) in before.zip(&spendable_msat).enumerate() {
                let moved_msat = self.ledger.unbooked_msat(channel);
                let awaited =
                    [had[0].checked_add_signed(-moved_msat), had[1].checked_add_signed(moved_msat)];
                ensure!(
                    has.map(Some) == awaited,
                    "in channel {channel} {had:?} msat could be sent, then {moved_msat} msat \
                     arrived, and now it is {has:?}"
                );
            }
            Ok(())
        });
        summary.violations.extend(mismatch(adds_up.await));
        self.spendable_msat = spendable_msat;
        self.book();
        Ok(())
    }

    pub(super) async fn check_payments(&self, from_secs: u64, summary: &mut Summary) -> Result<()> {
        let mut violations = Vec::new();
        let all_is_right = until("the books are right", BOOKS_PATIENCE, async || {
            self.look().await?;
            let mut open = self.ledger.open(self.round);
            violations = open.iter().flat_map(|(id, entry)| entry.violations(id)).collect();
            open.retain(|(_, entry)| entry.round == self.round);
            violations.extend(books::unlisted(&self.group.nodes, &open, from_secs).await?);
            ensure!(violations.is_empty(), "they are not");
            Ok(())
        });
        if let Err(error) = all_is_right.await {
            ensure!(!violations.is_empty(), "the books cannot be read: {error:#}");
            summary.violations.append(&mut violations);
        }
        Ok(())
    }

    /// Checks all payments once more, and that there was an event for each.
    pub(super) async fn check_all(&self, summary: &mut Summary) -> Result<()> {
        let nodes = &self.group.nodes;
        books::look(nodes, &self.ledger, &self.ledger.all()).await?;
        let all = self.ledger.all();
        summary.violations.extend(all.iter().flat_map(|(id, entry)| entry.violations(id)));
        summary.violations.extend(books::unlisted(nodes, &all, self.began_secs).await?);
        self.group.check_events(summary).await?;
        for (id, entry) in &all {
            let payee_told = self.group.follower(entry.payee).has_received(id);
            let payer_told = self.group.follower(entry.payer).has_paid(id);
            let has_paid = entry.payer_says == Some(PaymentStatus::Succeeded);
            for (is_lost, what) in [
                (entry.has_arrived() && !payee_told, "arrived, and no event told so"),
                (has_paid && !payer_told, "succeeded, and no event told so"),
            ] {
                if is_lost {
                    let text = format!("payment {id} has {what}: {entry:?}");
                    summary.violations.push(Violation::new(Kind::Events, text));
                }
            }
        }
        Ok(())
    }

    /// Brings all that was in the channels back on chain, and counts it.
    pub(super) async fn sweep(&mut self, summary: &mut Summary) -> Result<()> {
        let Group { network, nodes, .. } = &self.group;
        settle::claim(network, nodes).await?;
        settle::sweep(network, nodes).await?;
        let fees_sats = self.before.fees_sats_since(network).await?;
        let adds_up = until("what has arrived is on chain", BOOKS_PATIENCE, async || {
            self.look().await?;
            let moved = self.moved_msat.iter().enumerate();
            let moved: Vec<_> =
                moved.map(|(channel, msat)| msat + self.ledger.unbooked_msat(channel)).collect();
            self.before.check(&OnChain::now(network, nodes).await?, &moved, fees_sats)
        });
        summary.violations.extend(mismatch(adds_up.await));
        summary.fees_sats += fees_sats;
        self.book();
        Ok(())
    }
}

fn mismatch(adds_up: Result<()>) -> Option<Violation> {
    adds_up.err().map(|error| Violation::new(Kind::Balance, format!("{error:#}")))
}
