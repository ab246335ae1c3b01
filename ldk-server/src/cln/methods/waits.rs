//! Waiting for invoices: `waitinvoice` and `waitanyinvoice`. One who waits costs no thread.

use ldk_server_grpc::api::{WaitAnyInvoiceRequest, WaitInvoiceRequest};
use ldk_server_grpc::types::InvoiceState;

use super::Method;
use super::invoices::{Row, labelled};
use crate::api::{MAX_WAIT_SECS, rpc};
use crate::cln::Call;
use crate::cln::args::{Args, Label};
use crate::cln::error::{RpcError, code};
use crate::error::Error;

/// `waitinvoice`: until an invoice is paid, or cannot be any more.
pub(super) struct WaitInvoice {
    label: String,
}

impl Method for WaitInvoice {
    const NAME: &'static str = "waitinvoice";
    const USAGE: &'static str = "label";
    type Answer = Row;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { label: args.required::<Label>("label")?.0 })
    }

    async fn run(self, call: Call) -> Result<Row, RpcError> {
        let unknown = |error| match error {
            Error::NotFound(_) => RpcError::generic("Label not found"),
            other => other.into(),
        };
        let found = labelled(&call, &self.label).await.map_err(unknown)?;
        let payment_hash = found.payment_hash.unwrap_or_default();
        loop {
            let (label, timeout_secs) = (String::new(), Some(MAX_WAIT_SECS));
            let payment_hash = payment_hash.clone();
            let request = WaitInvoiceRequest { label, payment_hash, timeout_secs };
            let waited =
                call.ask_while_permitted(rpc::WaitInvoice, request).await.map_err(unknown)?;
            if waited.timed_out {
                continue;
            }
            let invoice = waited.invoice.unwrap_or_default();
            if invoice.state() == InvoiceState::Paid {
                return Row::of(&call, invoice).await;
            }
            let expired = code::INVOICE_EXPIRED_DURING_WAIT;
            return Err(RpcError::new(expired, "invoice expired during wait"));
        }
    }
}

/// `waitanyinvoice`: until the next invoice is paid after the one with a given number.
pub(super) struct WaitAnyInvoice {
    lastpay_index: u64,
    timeout_secs: Option<u64>,
}

impl Method for WaitAnyInvoice {
    const NAME: &'static str = "waitanyinvoice";
    const USAGE: &'static str = "[lastpay_index] [timeout]";
    type Answer = Row;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self {
            lastpay_index: args.optional("lastpay_index")?.unwrap_or_default(),
            timeout_secs: args.optional("timeout")?,
        })
    }

    async fn run(self, call: Call) -> Result<Row, RpcError> {
        let (mut last_pay_index, mut left) = (self.lastpay_index, self.timeout_secs);
        loop {
            let span = left.and_then(|left| u32::try_from(left).ok());
            let span = span.unwrap_or(MAX_WAIT_SECS).min(MAX_WAIT_SECS);
            let request = WaitAnyInvoiceRequest { last_pay_index, timeout_secs: Some(span) };
            let waited = call.ask_while_permitted(rpc::WaitAnyInvoice, request).await?;
            if let Some(invoice) = waited.invoice {
                return Row::of(&call, invoice).await;
            }
            // Where it waited for the next payment of all, it must go on after that one.
            last_pay_index = last_pay_index.min(waited.last_pay_index);
            left = left.map(|left| left.saturating_sub(span.into()));
            if left == Some(0) {
                let reason = "Timed out while waiting for invoice to be paid";
                return Err(RpcError::new(code::INVOICE_WAIT_TIMED_OUT, reason));
            }
        }
    }
}
