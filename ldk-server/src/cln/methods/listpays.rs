//! `listpays`.

use ldk_server_grpc::api::{DecodeInvoiceRequest, ListPaymentsRequest};
use ldk_server_grpc::types::{Payment, PaymentDirection, PaymentStatus};
use serde::Serialize;

use super::invoices::{Index, limit};
use super::{Method, payment};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Hash};
use crate::cln::error::RpcError;

/// `listpays`: the Lightning payments that were sent, in the order in which they began.
pub(super) struct ListPays {
    bolt11: Option<String>,
    payment_hash: Option<String>,
    status: Option<PaymentStatus>,
    start: u64,
    limit: usize,
}

#[derive(Serialize)]
pub(super) struct Listed {
    pays: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    payment_hash: String,
    status: &'static str,
    created_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preimage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_msat: Option<u64>,
    amount_sent_msat: u64,
    /// Payments have no number: the second in which each began stands for it.
    created_index: u64,
}

impl Row {
    fn of(payment: &Payment) -> Option<Self> {
        let is_pending = payment.status() == PaymentStatus::Pending;
        let sent_msat = payment::sent_msat(payment);
        Some(Self {
            payment_hash: payment::hash(payment)?,
            status: payment::status(payment),
            created_at: payment.created_at,
            completed_at: (!is_pending).then_some(payment.latest_update_timestamp),
            preimage: payment::preimage(payment),
            amount_msat: payment.amount_msat,
            amount_sent_msat: if payment.status() == PaymentStatus::Failed { 0 } else { sent_msat },
            created_index: payment.created_at,
        })
    }
}

fn status(text: &str) -> Result<PaymentStatus, RpcError> {
    match text {
        "pending" => Ok(PaymentStatus::Pending),
        "complete" => Ok(PaymentStatus::Succeeded),
        "failed" => Ok(PaymentStatus::Failed),
        _ => Err(RpcError::params("status: should be 'pending', 'complete' or 'failed'")),
    }
}

impl Method for ListPays {
    const NAME: &'static str = "listpays";
    const USAGE: &'static str = "[bolt11] [payment_hash] [status] [index] [start] [limit]";
    type Answer = Listed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        if matches!(Index::read(args)?, Some(Index::Updated)) {
            args.refuse(&["index"], "payments are listed by 'created' only")?;
        }
        let listing = Self {
            bolt11: args.optional("bolt11")?,
            payment_hash: args.optional::<Hash>("payment_hash")?.map(|hash| hash.0),
            status: args.optional::<String>("status")?.as_deref().map(status).transpose()?,
            start: args.optional("start")?.unwrap_or_default(),
            limit: limit(args)?,
        };
        if listing.bolt11.is_some() && listing.payment_hash.is_some() {
            return Err(RpcError::params("Can only specify one of {bolt11} or {payment_hash}"));
        }
        Ok(listing)
    }

    async fn run(self, call: Call) -> Result<Listed, RpcError> {
        let mut payments = sent(&call, self.hash(&call).await?, self.status).await?;
        payments.sort_by_key(|payment| payment.created_at);
        let rows = payments.iter().filter_map(Row::of);
        let pays = rows.filter(|row| row.created_index >= self.start).take(self.limit).collect();
        Ok(Listed { pays })
    }
}

impl ListPays {
    async fn hash(&self, call: &Call) -> Result<Option<String>, RpcError> {
        let Some(invoice) = self.bolt11.clone() else { return Ok(self.payment_hash.clone()) };
        let decoded = call.ask(rpc::DecodeInvoice, DecodeInvoiceRequest { invoice }).await;
        let decoded = decoded.map_err(|error| RpcError::params(format!("Invalid bolt11: {error}")));
        decoded.map(|decoded| Some(decoded.payment_hash))
    }
}

/// The payments that were sent, those with this hash and in this state.
pub(super) async fn sent(
    call: &Call,
    payment_hash: Option<String>,
    status: Option<PaymentStatus>,
) -> Result<Vec<Payment>, RpcError> {
    let (mut payments, mut page_token) = (Vec::new(), None);
    loop {
        let request = ListPaymentsRequest {
            page_token,
            page_size: Some(1_000),
            direction: Some(PaymentDirection::Outbound.into()),
            status: status.map(Into::into),
            payment_hash: payment_hash.clone().unwrap_or_default(),
            ..Default::default()
        };
        let page = call.ask(rpc::ListPayments, request).await?;
        payments.extend(page.payments);
        page_token = page.next_page_token;
        if page_token.is_none() {
            return Ok(payments);
        }
    }
}
