//! Invoices as rows: `listinvoices` and `delinvoice`, and how a row is shown.

use std::slice;

use ldk_server_grpc::api::{
    CancelInvoiceRequest, DeleteInvoiceRequest, GetInvoiceRequest, ListInvoicesRequest,
};
use ldk_server_grpc::types::{Invoice, InvoiceKind, InvoiceState};
use serde::Serialize;
use serde_json::json;

use super::preimages::Preimages;
use super::{Method, bolt11};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Hash, Label};
use crate::cln::error::{RpcError, code};
use crate::error::Error;
use crate::wire;

/// An invoice or a receipt.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bolt11: Option<String>,
    payment_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_msat: Option<u64>,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pay_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_received_msat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_preimage: Option<String>,
    description: String,
    expires_at: u64,
    created_index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_offer_id: Option<String>,
}

/// As Core Lightning calls it. What is held is not paid yet, and what was cancelled cannot be any more.
pub(super) fn status(state: InvoiceState) -> &'static str {
    match state {
        InvoiceState::Unspecified | InvoiceState::Open | InvoiceState::Held => "unpaid",
        InvoiceState::Paid => "paid",
        InvoiceState::Expired | InvoiceState::Cancelled => "expired",
    }
}

impl Row {
    /// Shows an invoice.
    pub(super) async fn of(call: &Call, invoice: Invoice) -> Result<Self, RpcError> {
        let preimages = Preimages::of(call, slice::from_ref(&invoice)).await?;
        Ok(Self::with(&preimages, invoice))
    }

    /// Shows an invoice whose preimage is here, if it is paid. One that was made without a label has its
    /// payment hash as its label.
    fn with(preimages: &Preimages, invoice: Invoice) -> Self {
        let payment_preimage = preimages.get(&invoice);
        let (state, payment_hash) = (invoice.state(), invoice.payment_hash.unwrap_or_default());
        Self {
            label: invoice.label.unwrap_or_else(|| payment_hash.clone()),
            bolt11: Some(invoice.invoice).filter(|text| !text.is_empty()),
            payment_hash,
            amount_msat: invoice.amount_msat,
            status: status(state),
            pay_index: invoice.pay_index,
            amount_received_msat: invoice.amount_received_msat,
            paid_at: invoice.paid_at,
            payment_preimage,
            description: invoice.description,
            // A receipt has no end of its own.
            expires_at: invoice.expires_at.or(invoice.paid_at).unwrap_or(invoice.created_at),
            created_index: invoice.number,
            updated_index: invoice.pay_index,
            local_offer_id: invoice.offer_id,
        }
    }
}

/// The invoice with this label, or, if it has none, with this payment hash.
pub(super) async fn labelled(call: &Call, label: &str) -> Result<Invoice, Error> {
    let request = GetInvoiceRequest { label: label.to_owned(), ..Default::default() };
    let found = match call.ask(rpc::GetInvoice, request).await {
        Err(Error::NotFound(_)) if is_hash(label) => {
            let payment_hash = label.to_owned();
            let request = GetInvoiceRequest { payment_hash, ..Default::default() };
            call.ask(rpc::GetInvoice, request).await
        },
        found => found,
    };
    found.map(|found| found.invoice.unwrap_or_default())
}

fn is_hash(text: &str) -> bool {
    hex::decode_to_slice(text, &mut [0; 32]).is_ok()
}

/// `listinvoices`: all, or what a filter leaves of them, in the order in which they were made.
pub(super) struct ListInvoices {
    label: Option<String>,
    invstring: Option<String>,
    payment_hash: Option<String>,
    offer_id: Option<String>,
    index: Option<Index>,
    start: u64,
    limit: usize,
}

/// By what number rows are counted.
#[derive(Clone, Copy)]
pub(super) enum Index {
    Created,
    Updated,
}

impl Index {
    pub(super) fn read(args: &Args) -> Result<Option<Self>, RpcError> {
        match args.optional::<String>("index")?.as_deref() {
            None => Ok(None),
            Some("created") => Ok(Some(Self::Created)),
            Some("updated") => Ok(Some(Self::Updated)),
            Some(_) => Err(RpcError::params("index: should be 'created' or 'updated'")),
        }
    }
}

/// The number of rows that are asked for.
pub(super) fn limit(args: &Args) -> Result<usize, RpcError> {
    Ok(args.optional::<u32>("limit")?.map_or(usize::MAX, |limit| limit as usize))
}

#[derive(Serialize)]
pub(super) struct Listed {
    invoices: Vec<Row>,
}

impl Method for ListInvoices {
    const NAME: &'static str = "listinvoices";
    const USAGE: &'static str =
        "[label] [invstring] [payment_hash] [offer_id] [index] [start] [limit]";
    type Answer = Listed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let listing = Self {
            label: args.optional::<Label>("label")?.map(|label| label.0),
            invstring: args.optional("invstring")?,
            payment_hash: args.optional::<Hash>("payment_hash")?.map(|hash| hash.0),
            offer_id: args.optional::<Hash>("offer_id")?.map(|hash| hash.0),
            index: Index::read(args)?,
            start: args.optional("start")?.unwrap_or_default(),
            limit: limit(args)?,
        };
        let filters =
            [&listing.label, &listing.invstring, &listing.payment_hash, &listing.offer_id];
        if filters.into_iter().flatten().count() > 1 {
            return Err(RpcError::params(
                "Can only specify one of {label}, {invstring}, {payment_hash} or {offer_id}",
            ));
        }
        Ok(listing)
    }

    async fn run(self, call: Call) -> Result<Listed, RpcError> {
        let mut invoices = match self.one(&call).await? {
            Some(found) => found,
            None => self.all(&call).await?,
        };
        let is_listed = |invoice: &Invoice| self.place(invoice).is_some_and(|at| at >= self.start);
        invoices.retain(is_listed);
        invoices.sort_by_key(|invoice| self.place(invoice));
        invoices.truncate(self.limit);
        let preimages = Preimages::of(&call, &invoices).await?;
        let rows = invoices.into_iter().map(|invoice| Row::with(&preimages, invoice));
        Ok(Listed { invoices: rows.collect() })
    }
}

impl ListInvoices {
    /// Where an invoice stands in the list, if it does.
    fn place(&self, invoice: &Invoice) -> Option<u64> {
        match self.index {
            None | Some(Index::Created) => Some(invoice.number),
            Some(Index::Updated) => invoice.pay_index,
        }
    }

    /// The invoice that the filter names, if it names one.
    async fn one(&self, call: &Call) -> Result<Option<Vec<Invoice>>, RpcError> {
        let by_hash = |payment_hash| GetInvoiceRequest { payment_hash, ..Default::default() };
        let found = if let Some(label) = &self.label {
            labelled(call, label).await
        } else if let Some(text) = &self.invstring {
            let decoded = bolt11::decode(call, text, "invstring: Invalid invstring").await?;
            let found = call.ask(rpc::GetInvoice, by_hash(decoded.payment_hash)).await;
            found.map(|found| found.invoice.unwrap_or_default())
        } else if let Some(payment_hash) = &self.payment_hash {
            let found = call.ask(rpc::GetInvoice, by_hash(payment_hash.clone())).await;
            found.map(|found| found.invoice.unwrap_or_default())
        } else {
            return Ok(None);
        };
        match found {
            Ok(invoice) if invoice.kind() == InvoiceKind::Bolt12Offer => Ok(Some(Vec::new())),
            Ok(invoice) => Ok(Some(vec![invoice])),
            Err(Error::NotFound(_)) => Ok(Some(Vec::new())),
            Err(error) => Err(error.into()),
        }
    }

    /// All but offers, or the receipts of one offer.
    async fn all(&self, call: &Call) -> Result<Vec<Invoice>, RpcError> {
        let mut invoices = all(call, without_offers()).await?;
        if self.offer_id.is_some() {
            invoices.retain(|invoice| invoice.offer_id == self.offer_id);
        }
        Ok(invoices)
    }
}

/// All invoices that a request filters, the newest first.
pub(super) async fn all(
    call: &Call,
    filter: ListInvoicesRequest,
) -> Result<Vec<Invoice>, RpcError> {
    let (mut invoices, mut page_token) = (Vec::new(), None);
    loop {
        let request = ListInvoicesRequest { page_token, page_size: Some(1_000), ..filter.clone() };
        let page = call.ask(rpc::ListInvoices, request).await?;
        invoices.extend(page.invoices);
        page_token = page.next_page_token;
        if page_token.is_none() {
            return Ok(invoices);
        }
    }
}

/// A request for everything but offers, which Core Lightning lists elsewhere.
fn without_offers() -> ListInvoicesRequest {
    let kinds = wire::invoice::KINDS_WITHOUT_OFFERS;
    ListInvoicesRequest { kinds: kinds.map(Into::into).to_vec(), ..Default::default() }
}

/// `delinvoice`: deletes an invoice, before that sees to it that nobody can pay it any more.
pub(super) struct DelInvoice {
    label: String,
    status: String,
}

impl Method for DelInvoice {
    const NAME: &'static str = "delinvoice";
    const USAGE: &'static str = "label status [desconly]";
    type Answer = Row;

    fn read(args: &Args) -> Result<Self, RpcError> {
        if args.optional("desconly")? == Some(true) {
            args.refuse(&["desconly"], "an invoice is deleted as a whole")?;
        }
        let status: String = args.required("status")?;
        if !["paid", "expired", "unpaid"].contains(&status.as_str()) {
            let reason = "status: should be 'paid', 'expired' or 'unpaid'";
            return Err(RpcError::params(reason));
        }
        Ok(Self { label: args.required::<Label>("label")?.0, status })
    }

    async fn run(self, call: Call) -> Result<Row, RpcError> {
        let found = labelled(&call, &self.label).await;
        let invoice = found.map_err(|error| match error {
            Error::NotFound(_) => RpcError::new(code::INVOICE_NOT_FOUND, "Unknown invoice"),
            other => other.into(),
        })?;
        let (state, current) = (invoice.state(), status(invoice.state()));
        if current != self.status {
            let reason = format!("Invoice status is {current} not {}", self.status);
            let data = json!({"current_status": current, "expected_status": self.status});
            return Err(RpcError::new(code::INVOICE_STATUS_UNEXPECTED, reason).with_data(data));
        }
        let row = Row::of(&call, invoice).await?;
        let payment_hash = row.payment_hash.clone();
        let state = match state {
            InvoiceState::Open | InvoiceState::Held | InvoiceState::Unspecified => {
                let label = String::new();
                let request = CancelInvoiceRequest { payment_hash: payment_hash.clone(), label };
                call.ask(rpc::CancelInvoice, request).await?;
                InvoiceState::Cancelled
            },
            state => state,
        };
        let request =
            DeleteInvoiceRequest { label: String::new(), payment_hash, state: state.into() };
        call.ask(rpc::DeleteInvoice, request).await?;
        Ok(row)
    }
}
