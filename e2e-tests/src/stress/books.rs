//! What the nodes say of their payments, by id and in their lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use futures_util::future::try_join_all;
use ldk_server_client::api::{GetPaymentDetailsRequest, ListPaymentsRequest};
use ldk_server_client::types::{Payment, PaymentStatus};

use super::ledger::{Entry, Ledger};
use super::violation::{Kind, Violation};
use crate::node::Node;

const PAGE: u32 = 200;
/// So many are asked for at once.
const AT_ONCE: usize = 16;
/// Records are made a moment after the request, and their time is in whole seconds.
const SLACK_SECS: u64 = 2;

/// Asks both ends for these payments, and notes what they say.
pub(super) async fn look(
    nodes: &[Arc<Node>],
    ledger: &Ledger,
    payments: &[(String, Entry)],
) -> Result<()> {
    for some in payments.chunks(AT_ONCE) {
        try_join_all(some.iter().map(|(id, entry)| look_at(nodes, ledger, id, entry))).await?;
    }
    Ok(())
}

async fn look_at(nodes: &[Arc<Node>], ledger: &Ledger, id: &str, entry: &Entry) -> Result<()> {
    let (payer_has, payee_has) =
        tokio::try_join!(find(&nodes[entry.payer], id), find(&nodes[entry.payee], id))?;
    ledger.change(id, |entry| {
        entry.payer_says = payer_has.as_ref().map(Payment::status);
        entry.fee_msat = payer_has.and_then(|payment| payment.fee_paid_msat).unwrap_or_default();
        entry.payee_says = payee_has.as_ref().map(Payment::status);
    });
    Ok(())
}

/// What of these payments the lists of the nodes do not have, or have in another state. Only what
/// was made from that time on is listed.
pub(super) async fn unlisted(
    nodes: &[Arc<Node>],
    payments: &[(String, Entry)],
    from_secs: u64,
) -> Result<Vec<Violation>> {
    let lists = try_join_all(nodes.iter().map(|node| list(node, from_secs))).await?;
    let mut violations = Vec::new();
    for (id, entry) in payments {
        let ends = [(entry.payer, entry.payer_says), (entry.payee, entry.payee_says)];
        for (node, says) in ends {
            let listed = lists[node].get(id).copied();
            if listed != says {
                let alias = nodes[node].alias();
                let text = format!("{alias} lists {id} as {listed:?}, and says it is {says:?}");
                violations.push(Violation::new(Kind::Missing, text));
            }
        }
    }
    Ok(violations)
}

async fn find(node: &Node, payment_id: &str) -> Result<Option<Payment>> {
    let request = GetPaymentDetailsRequest { payment_id: payment_id.to_owned() };
    Ok(node.client().get_payment_details(request).await?.payment)
}

/// Lists are in the order of time, the newest first.
async fn list(node: &Node, from_secs: u64) -> Result<BTreeMap<String, PaymentStatus>> {
    let mut payments = BTreeMap::new();
    let mut page_token = None;
    loop {
        let request =
            ListPaymentsRequest { page_token, page_size: Some(PAGE), ..Default::default() };
        let page = node.client().list_payments(request).await?;
        let is_old = |created_at: u64| created_at + SLACK_SECS < from_secs;
        let has_old = page.payments.last().is_some_and(|payment| is_old(payment.created_at));
        payments.extend(page.payments.iter().map(|payment| (payment.id.clone(), payment.status())));
        page_token = page.next_page_token;
        if has_old || page_token.is_none() {
            return Ok(payments);
        }
    }
}
