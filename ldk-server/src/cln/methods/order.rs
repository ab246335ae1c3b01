//! What `pay`, `xpay` and `renepay` pay: a BOLT 11 invoice or a BOLT 12 offer, until the outcome is known.

use ldk_node::lightning_types::payment::PaymentHash;
use ldk_server_grpc::api::{
    Bolt11SendRequest, Bolt12SendRequest, DecodeInvoiceResponse, DecodeOfferRequest,
};
use ldk_server_grpc::types::offer_amount::Amount;
use ldk_server_grpc::types::{Payment, PaymentStatus};

use super::limits::Limits;
use super::listpays::sent;
use super::sending::{Attempts, Paid, forget_order, id_of, keep_order, no_route, outcome};
use super::{bolt11, bolt12};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::error::{RpcError, code};
use crate::clock::unix_secs;
use crate::error::Error;
use crate::store::PayOrder;

/// What is to be paid, and at what cost.
pub(super) struct Order {
    pub(super) invstring: String,
    pub(super) amount_msat: Option<u64>,
    pub(super) limits: Limits,
    pub(super) label: Option<String>,
    pub(super) description: Option<String>,
    pub(super) payer_note: Option<String>,
}

/// What was paid.
pub(super) struct Done {
    pub(super) paid: Paid,
    pub(super) amount_msat: u64,
    /// Who was paid, unless the offer hides it.
    pub(super) destination: Option<String>,
    /// The text that was paid, in the form that Core Lightning shows it.
    pub(super) text: Text,
}

/// The text that is paid.
pub(super) enum Text {
    Bolt11(String),
    Bolt12(String),
}

/// What comes of paying an invoice again that was paid.
#[derive(Clone, Copy)]
pub(super) enum Repeated {
    AnsweredAgain,
    Refused,
}

impl Order {
    pub(super) async fn pay(mut self, call: &Call, repeated: Repeated) -> Result<Done, RpcError> {
        self.invstring = bolt12::without_scheme(&self.invstring).to_owned();
        match bolt12::Kind::of(&self.invstring) {
            None => self.pay_invoice(call, repeated).await,
            Some(bolt12::Kind::Offer) => self.pay_offer(call).await,
            Some(bolt12::Kind::Invoice) => Err(RpcError::params(
                "a BOLT 12 invoice cannot be paid by itself: the node library asks for it and pays it in \
                 one step; give the offer instead",
            )),
            Some(bolt12::Kind::InvoiceRequest) => Err(RpcError::params(
                "an invoice request asks to be sent an invoice: use sendinvoice",
            )),
        }
    }

    /// Pays, unless the same invoice was paid or is being paid: then the outcome is that of the earlier
    /// payment.
    async fn pay_invoice(self, call: &Call, repeated: Repeated) -> Result<Done, RpcError> {
        if self.payer_note.is_some() {
            return Err(RpcError::params("payer_note: a BOLT 11 invoice has no room for it"));
        }
        let invoice = bolt11::decode(call, &self.invstring, "Invalid bolt11 invoice").await?;
        bolt11::check_description(&invoice, self.description.as_deref())?;
        let done = |paid: Paid, amount_msat| Done {
            paid,
            amount_msat,
            destination: Some(invoice.destination.clone()),
            text: Text::Bolt11(self.invstring.clone()),
        };
        let earlier = sent(call, &invoice.payment_hash).await?;
        if let Some(succeeded) = of_status(&earlier, PaymentStatus::Succeeded) {
            return match repeated {
                Repeated::AnsweredAgain => {
                    let paid = Paid::of(succeeded.clone())?;
                    let amount_msat = paid.amount_msat();
                    Ok(done(paid, amount_msat))
                },
                Repeated::Refused => Err(RpcError::new(
                    code::PAY_INJECTPAYMENTONION_ALREADY_PAID,
                    "Already paid this invoice successfully",
                )),
            };
        }
        let amount_msat = self.amount_msat(&invoice)?;
        let mut pending = of_status(&earlier, PaymentStatus::Pending).map(|found| found.id.clone());
        let attempts = Attempts::within(self.limits.retry_for);
        loop {
            let id = match pending.take() {
                Some(id) => id,
                None => self.send_invoice(call, &invoice, amount_msat).await?,
            };
            match outcome(call, id).await {
                Ok(paid) => return Ok(done(paid, amount_msat)),
                Err(not_paid) if attempts.go_on(&not_paid) => {},
                Err(not_paid) => return Err(not_paid.into()),
            }
        }
    }

    /// The amount to pay, which must be known from one side only.
    fn amount_msat(&self, invoice: &DecodeInvoiceResponse) -> Result<u64, RpcError> {
        match (invoice.amount_msat, self.amount_msat) {
            (Some(_), Some(_)) => Err(RpcError::params("amount_msat parameter unnecessary")),
            (None, None) => Err(RpcError::params("amount_msat parameter required")),
            (asked, chosen) => Ok(asked.or(chosen).unwrap_or_default()),
        }
    }

    /// Begins to pay, and returns the id of the payment.
    async fn send_invoice(
        &self,
        call: &Call,
        invoice: &DecodeInvoiceResponse,
        amount_msat: u64,
    ) -> Result<String, RpcError> {
        let expired_at = invoice.timestamp.saturating_add(invoice.expiry);
        if unix_secs() >= expired_at {
            let secs = unix_secs().saturating_sub(expired_at);
            let reason = format!("Invoice expired {secs} seconds ago");
            return Err(RpcError::new(code::PAY_INVOICE_EXPIRED, reason));
        }
        let order = self.said(Some(&invoice.destination), invoice.description.as_deref());
        keep_order(call, &invoice.payment_hash, order).await?;
        let request = Bolt11SendRequest {
            invoice: self.invstring.clone(),
            amount_msat: self.amount_msat,
            route_parameters: Some(self.limits.route(amount_msat)),
            ..Default::default()
        };
        let refused = match call.ask(rpc::Bolt11Send, request).await {
            Ok(begun) => return Ok(begun.payment_id),
            Err(refused) => refused,
        };
        let Error::FailedPrecondition(reason) = refused else { return Err(refused.into()) };
        // Somebody may have begun to pay it meanwhile: then nothing has failed.
        let now = sent(call, &invoice.payment_hash).await?;
        match now.iter().find(|payment| payment.status() != PaymentStatus::Failed) {
            Some(under_way) => Ok(under_way.id.clone()),
            None if is_paid_otherwise(call, invoice)? => Err(RpcError::generic(reason)),
            None => {
                if now.is_empty() {
                    forget_order(call, &invoice.payment_hash).await?;
                }
                Err(no_route(&reason))
            },
        }
    }

    /// Pays an offer. Each time that is another payment.
    async fn pay_offer(self, call: &Call) -> Result<Done, RpcError> {
        let request = DecodeOfferRequest { offer: self.invstring.clone() };
        let decoded = call.ask(rpc::DecodeOffer, request).await;
        let offer = decoded.map_err(|error| match error {
            Error::InvalidArgument { reason, .. } => {
                RpcError::params(format!("Invalid bolt12 offer: {reason}"))
            },
            other => other.into(),
        })?;
        let asked_msat = match offer.amount.and_then(|amount| amount.amount) {
            Some(Amount::BitcoinAmountMsats(msat)) => Some(msat),
            _ => None,
        };
        let amount_msat = self.amount_msat.or(asked_msat);
        let amount_msat =
            amount_msat.ok_or_else(|| RpcError::params("amount_msat parameter required"))?;
        let attempts = Attempts::within(self.limits.retry_for);
        loop {
            let id = self.send_offer(call, amount_msat).await?;
            // The id is chosen by the library.
            keep_order(call, &id, self.said(None, offer.description.as_deref())).await?;
            match outcome(call, id).await {
                Ok(paid) => {
                    let text = Text::Bolt12(self.invstring);
                    return Ok(Done { paid, amount_msat, destination: None, text });
                },
                Err(not_paid) if attempts.go_on(&not_paid) => {},
                Err(not_paid) => return Err(not_paid.into()),
            }
        }
    }

    async fn send_offer(&self, call: &Call, amount_msat: u64) -> Result<String, RpcError> {
        let request = Bolt12SendRequest {
            offer: self.invstring.clone(),
            amount_msat: self.amount_msat,
            payer_note: self.payer_note.clone(),
            route_parameters: Some(self.limits.route(amount_msat)),
            ..Default::default()
        };
        let begun = call.ask(rpc::Bolt12Send, request).await.map_err(|error| match error {
            Error::InvalidArgument { field: "quantity", .. } => RpcError::params(
                "the offer is for a number of items, which this call cannot tell; use Bolt12Send of the \
                 node's own API",
            ),
            Error::FailedPrecondition(reason) => no_route(&reason),
            other => other.into(),
        })?;
        Ok(begun.payment_id)
    }

    /// What is kept of the order.
    fn said(&self, destination: Option<&String>, description: Option<&str>) -> PayOrder {
        PayOrder {
            invstring: Some(self.invstring.clone()),
            label: self.label.clone(),
            description: self.description.as_deref().or(description).map(str::to_owned),
            destination: destination.cloned(),
        }
    }
}

fn of_status(payments: &[Payment], status: PaymentStatus) -> Option<&Payment> {
    payments.iter().find(|payment| payment.status() == status)
}

/// Whether the invoice is part of a payment request of which something else was paid.
fn is_paid_otherwise(call: &Call, invoice: &DecodeInvoiceResponse) -> Result<bool, Error> {
    let id = id_of(&invoice.payment_hash).ok_or_else(|| Error::internal("a hash is none"))?;
    let app = call.cln.0.dispatcher.app()?;
    Ok(app.payment_requests.paid_by(PaymentHash(id.0)).is_some())
}
