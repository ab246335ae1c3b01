//! `wait`: until something has a number. One who waits costs no thread.

mod forwards;

use std::time::Duration;

use ldk_server_grpc::api::{ListInvoicesRequest, WaitAnyInvoiceRequest};
use ldk_server_grpc::types::Invoice;
use serde::Serialize;

use super::Method;
use super::invoices::status;
use crate::api::{MAX_WAIT_SECS, rpc};
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::ops::waits;

/// What has numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    /// Each invoice has one, in the order in which they are made.
    InvoiceCreated,
    /// Those that are paid have one, in the order in which they are.
    InvoiceUpdated,
    /// Each forward that is settled has one.
    ForwardCreated,
}

/// `wait`: until the highest number is this one, or higher.
pub(super) struct Wait {
    index: Index,
    next_value: u64,
}

#[derive(Serialize)]
pub(super) struct Waited {
    subsystem: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<u64>,
    /// What it was that was waited for. Absent if it was there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    invoices: Option<Details>,
}

#[derive(Serialize)]
struct Details {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bolt11: Option<String>,
}

impl Details {
    fn of(invoice: Invoice) -> Self {
        Self {
            status: status(invoice.state()),
            label: invoice.label.or(invoice.payment_hash),
            description: invoice.description,
            bolt11: Some(invoice.invoice).filter(|text| !text.is_empty()),
        }
    }
}

impl Waited {
    fn of(index: Index, value: u64, invoices: Option<Details>) -> Self {
        let (subsystem, created, updated) = match index {
            Index::InvoiceCreated => ("invoices", Some(value), None),
            Index::InvoiceUpdated => ("invoices", None, Some(value)),
            Index::ForwardCreated => ("forwards", Some(value), None),
        };
        Self { subsystem, created, updated, invoices }
    }
}

impl Index {
    fn read(subsystem: &str, name: &str) -> Result<Self, RpcError> {
        let refused = |reason| Err(RpcError::params(reason));
        match (subsystem, name) {
            ("invoices", "created") => Ok(Self::InvoiceCreated),
            ("invoices", "updated") => Ok(Self::InvoiceUpdated),
            ("forwards", "created") => Ok(Self::ForwardCreated),
            ("forwards", "updated") => refused(
                "indexname: is not supported: a forward is told of once, when it is settled",
            ),
            ("invoices" | "forwards", "deleted") => {
                refused("indexname: is not supported: deletions have no numbers on this node")
            },
            ("invoices" | "forwards", _) => {
                refused("indexname: should be 'created', 'updated' or 'deleted'")
            },
            ("sendpays" | "htlcs" | "chainmoves" | "channelmoves" | "networkevents", _) => refused(
                "subsystem: is not supported: only invoices and forwards have numbers on this node; \
                 SubscribeEvents of its own API tells of everything else",
            ),
            _ => refused("subsystem: unknown subsystem"),
        }
    }
}

impl Method for Wait {
    const NAME: &'static str = "wait";
    const USAGE: &'static str = "subsystem indexname nextvalue";
    type Answer = Waited;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let subsystem: String = args.required("subsystem")?;
        let index = Index::read(&subsystem, &args.required::<String>("indexname")?)?;
        Ok(Self { index, next_value: args.required("nextvalue")? })
    }

    async fn run(self, call: Call) -> Result<Waited, RpcError> {
        match self.index {
            Index::InvoiceCreated => self.until_created(&call).await,
            Index::InvoiceUpdated => self.until_updated(&call).await,
            Index::ForwardCreated => {
                let latest = forwards::until_created(&call, self.next_value).await?;
                Ok(Waited::of(self.index, latest, None))
            },
        }
    }
}

impl Wait {
    async fn until_created(&self, call: &Call) -> Result<Waited, RpcError> {
        // Who may list invoices may be told of them.
        let request = ListInvoicesRequest { page_size: Some(1), ..Default::default() };
        call.ask(rpc::ListInvoices, request.clone()).await?;
        let app = call.cln.0.dispatcher.app()?;
        let latest = app.store.invoice_log().last_number();
        if latest >= self.next_value {
            return Ok(Waited::of(self.index, latest, None));
        }
        let latest = loop {
            let timeout = Duration::from_secs(MAX_WAIT_SECS.into());
            let waiting = waits::invoices::made(&app, &call.caller, self.next_value, timeout);
            let waited = call.cln.0.dispatcher.unless_stopping(waiting).await?;
            if !waited.timed_out {
                break waited.latest;
            }
        };
        let newest = call.ask(rpc::ListInvoices, request).await?.invoices.into_iter().next();
        let made = newest.filter(|newest| newest.number == latest).map(Details::of);
        Ok(Waited::of(self.index, latest, made))
    }

    async fn until_updated(&self, call: &Call) -> Result<Waited, RpcError> {
        let request = ListInvoicesRequest { page_size: Some(1), ..Default::default() };
        let mut latest = call.ask(rpc::ListInvoices, request).await?.last_pay_index;
        if latest >= self.next_value {
            return Ok(Waited::of(self.index, latest, None));
        }
        loop {
            let timeout_secs = Some(MAX_WAIT_SECS);
            let request = WaitAnyInvoiceRequest { last_pay_index: latest, timeout_secs };
            let waited = call.ask(rpc::WaitAnyInvoice, request).await?;
            let Some(invoice) = waited.invoice else { continue };
            latest = invoice.pay_index.unwrap_or(latest);
            if latest >= self.next_value {
                return Ok(Waited::of(self.index, latest, Some(Details::of(invoice))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn some_things_have_numbers() {
        let read = |params| Wait::read(&Args::of(Wait::USAGE, Some(params)).unwrap());
        let wait = read(json!(["invoices", "updated", 7])).unwrap();
        assert_eq!((wait.index, wait.next_value), (Index::InvoiceUpdated, 7));
        for (params, reason) in [
            (json!(["sendpays", "created", 0]), "only invoices and forwards"),
            (json!(["invoices", "deleted", 0]), "deletions have no numbers"),
            (json!(["forwards", "updated", 0]), "told of once"),
            (json!(["nosuch", "created", 0]), "unknown subsystem"),
            (json!(["invoices", "nosuch", 0]), "should be 'created'"),
        ] {
            let refused = read(params).err().unwrap();
            assert_eq!(refused.code, -32602);
            assert!(refused.message.contains(reason), "{refused:?}");
        }
    }

    #[test]
    fn what_is_there_already_has_no_details() {
        let waited = serde_json::to_value(Waited::of(Index::InvoiceCreated, 24, None)).unwrap();
        assert_eq!(waited, json!({"subsystem": "invoices", "created": 24}));
    }
}
