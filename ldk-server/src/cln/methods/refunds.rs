//! `invoicerequest` and `sendinvoice`: refunds, in which who pays asks for the invoice.

use ldk_server_grpc::api::{
    ClaimRefundRequest, CreateRefundRequest, GetInvoiceRequest, WaitPaymentRequest,
};
use ldk_server_grpc::types::PaymentOutcomeStatus;
use serde::Serialize;

use super::invoices::Row;
use super::pay::Unused;
use super::sending::keep_order;
use super::{Method, bolt12, expiry};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Label, Msat};
use crate::cln::error::{RpcError, code};
use crate::error::Error;
use crate::store::PayOrder;

/// `invoicerequest`: money for whoever sends the first invoice.
pub(super) struct InvoiceRequest {
    amount_msat: u64,
    description: String,
    label: Option<String>,
    expiry_secs: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Made {
    /// The id of the payment: the library has none of the request.
    invreq_id: String,
    active: bool,
    single_use: bool,
    bolt12: String,
    used: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

impl Method for InvoiceRequest {
    const NAME: &'static str = "invoicerequest";
    const USAGE: &'static str =
        "amount description [issuer] [label] [absolute_expiry] [single_use]";
    type Answer = Made;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["issuer"], "the node library makes refunds without one")?;
        if args.optional("single_use")? == Some(false) {
            args.refuse(&["single_use"], "the node library pays a refund once")?;
        }
        Ok(Self {
            amount_msat: args.required::<Msat>("amount")?.0,
            description: args.required("description")?,
            label: args.optional::<Label>("label")?.map(|label| label.0),
            expiry_secs: expiry::left(args, "absolute_expiry")?,
        })
    }

    async fn run(self, call: Call) -> Result<Made, RpcError> {
        let request = CreateRefundRequest {
            amount_msat: self.amount_msat,
            expiry_secs: self.expiry_secs,
            // The library leaves the description empty; this is what else the payee can read.
            payer_note: Some(self.description.clone()).filter(|text| !text.is_empty()),
            ..Default::default()
        };
        let made = call.ask(rpc::CreateRefund, request).await?;
        let order = PayOrder {
            invstring: Some(made.refund.clone()),
            label: self.label.clone(),
            description: Some(self.description),
            destination: None,
        };
        keep_order(&call, &made.payment_id, order).await?;
        Ok(Made {
            invreq_id: made.payment_id,
            active: true,
            single_use: true,
            bolt12: made.refund,
            used: false,
            label: self.label,
        })
    }
}

/// `sendinvoice`: claims a refund, and waits until it is paid.
pub(super) struct SendInvoice {
    invreq: String,
    timeout_secs: u32,
}

impl Method for SendInvoice {
    const NAME: &'static str = "sendinvoice";
    const USAGE: &'static str = "invreq label [amount_msat] [timeout] [quantity]";
    type Answer = Row;

    fn read(args: &Args) -> Result<Self, RpcError> {
        const DEFAULT_TIMEOUT_SECS: u32 = 90;
        const AS_ASKED: &str = "the node library asks for what the refund says";
        args.refuse(&["amount_msat", "quantity"], AS_ASKED)?;
        // It is required, and the receipt of a refund has no room for it.
        args.required::<Unused>("label")?;
        Ok(Self {
            invreq: args.required("invreq")?,
            timeout_secs: args.optional("timeout")?.unwrap_or(DEFAULT_TIMEOUT_SECS),
        })
    }

    async fn run(self, call: Call) -> Result<Row, RpcError> {
        let refund = bolt12::without_scheme(&self.invreq).to_owned();
        let claimed = call.ask(rpc::ClaimRefund, ClaimRefundRequest { refund }).await;
        let claimed = claimed.map_err(|error| match error {
            Error::InvalidArgument { reason, .. } => {
                RpcError::params(format!("invreq: Unparsable invreq: {reason}"))
            },
            other => other.into(),
        })?;
        self.until_paid(&call, &claimed.payment_id).await?;
        // A payment for a refund has its hash as its id.
        let request = GetInvoiceRequest { payment_hash: claimed.payment_id, ..Default::default() };
        let receipt = call.ask(rpc::GetInvoice, request).await?;
        Row::of(&call, receipt.invoice.unwrap_or_default()).await
    }
}

impl SendInvoice {
    async fn until_paid(&self, call: &Call, payment_id: &str) -> Result<(), RpcError> {
        let (payment_id, timeout_secs) = (payment_id.to_owned(), Some(self.timeout_secs));
        let request = WaitPaymentRequest { payment_id, timeout_secs };
        let waited = call.ask(rpc::WaitPayment, request).await?;
        match waited.outcome.unwrap_or_default().status() {
            PaymentOutcomeStatus::Succeeded => Ok(()),
            PaymentOutcomeStatus::Failed => Err(RpcError::new(
                code::OFFER_TIMEOUT,
                "The invoice was sent, and was not paid before it expired",
            )),
            PaymentOutcomeStatus::Pending | PaymentOutcomeStatus::Unknown => Err(RpcError::new(
                code::OFFER_TIMEOUT,
                "The invoice was sent, and is not paid yet; listinvoices has it as soon as it is",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_refund_has_the_terms_that_the_library_knows() {
        let read = |params: Value| {
            InvoiceRequest::read(&Args::of(InvoiceRequest::USAGE, Some(params)).unwrap())
        };
        let request = read(json!(["2sat", "sorry", null, 5, null, true])).unwrap();
        assert_eq!((request.amount_msat, request.label.as_deref()), (2_000, Some("5")));
        for params in [
            json!({"amount": "any", "description": "d"}),
            json!({"amount": 1, "description": "d", "single_use": false}),
            json!({"amount": 1, "description": "d", "issuer": "i"}),
        ] {
            assert_eq!(read(params).err().unwrap().code, -32602);
        }
    }

    #[test]
    fn an_invoice_for_a_refund_is_as_it_asks() {
        let read =
            |params: Value| SendInvoice::read(&Args::of(SendInvoice::USAGE, Some(params)).unwrap());
        assert_eq!(read(json!(["lnr1", "l"])).unwrap().timeout_secs, 90);
        assert_eq!(read(json!(["lnr1", "l", null, 5])).unwrap().timeout_secs, 5);
        assert_eq!(read(json!(["lnr1", "l", 1])).err().unwrap().code, -32602);
    }
}
