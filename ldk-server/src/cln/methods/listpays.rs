//! `listpays` and `listsendpays`: the Lightning payments that were sent.

use std::collections::VecDeque;

use ldk_server_grpc::api::ListPaymentsRequest;
use ldk_server_grpc::types::{PageToken, Payment, PaymentDirection, PaymentStatus};
use serde::Serialize;

use super::invoices::{Index, limit};
use super::sending::id_of;
use super::{Method, bolt11, bolt12, payment};
use crate::api::rpc;
use crate::app::App;
use crate::cln::Call;
use crate::cln::args::{Args, Hash};
use crate::cln::error::RpcError;
use crate::error::Error;
use crate::store::PayOrder;

const PAGE_SIZE: u32 = 1_000;

/// Which payments are listed, in the order in which they began.
struct Listing {
    bolt11: Option<String>,
    payment_hash: Option<String>,
    status: Option<PaymentStatus>,
    start: u64,
    limit: usize,
}

/// A payment, and what was said of it.
struct Sent {
    payment: Payment,
    payment_hash: String,
    order: PayOrder,
}

/// What both methods tell in the same way.
#[derive(Serialize)]
struct Common {
    payment_hash: String,
    status: &'static str,
    created_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_msat: Option<u64>,
    amount_sent_msat: u64,
    /// Payments have no number: the second in which each began stands for it.
    created_index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bolt11: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bolt12: Option<String>,
}

impl Common {
    fn of(sent: Sent) -> Self {
        let Sent { payment, payment_hash, order } = sent;
        let status = payment.status();
        let PayOrder { invstring, label, description, destination } = order;
        let is_bolt12 = invstring.as_deref().and_then(bolt12::Kind::of).is_some();
        let (bolt12, bolt11) = if is_bolt12 { (invstring, None) } else { (None, invstring) };
        Self {
            payment_hash,
            status: payment::status(&payment),
            created_at: payment.created_at,
            completed_at: (status != PaymentStatus::Pending)
                .then_some(payment.latest_update_timestamp),
            amount_msat: payment.amount_msat,
            amount_sent_msat: match status {
                PaymentStatus::Failed => 0,
                _ => payment::sent_msat(&payment),
            },
            created_index: payment.created_at,
            destination,
            label,
            description,
            bolt11,
            bolt12,
        }
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

const USAGE: &str = "[bolt11] [payment_hash] [status] [index] [start] [limit]";

impl Listing {
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

    async fn sent(self, call: &Call) -> Result<Vec<Sent>, RpcError> {
        let payment_hash = self.hash(call).await?;
        let mut listed = VecDeque::new();
        let mut page_token = None;
        loop {
            let request = ListPaymentsRequest {
                page_token,
                status: self.status.map(Into::into),
                // A second that is not there yet has no payments.
                created_from: Some(self.start).filter(|start| *start > 0),
                payment_hash: payment_hash.clone().unwrap_or_default(),
                ..outbound()
            };
            let (payments, next) = page(call, request).await?;
            for payment in payments {
                let Some(payment_hash) = payment::hash(&payment) else { continue };
                listed.push_front((payment, payment_hash));
                // The newest come first, and those that began first are wanted.
                if listed.len() > self.limit {
                    listed.pop_back();
                }
            }
            page_token = next;
            if page_token.is_none() {
                break;
            }
        }
        with_orders(call, listed.into()).await
    }

    async fn hash(&self, call: &Call) -> Result<Option<String>, RpcError> {
        let Some(invoice) = &self.bolt11 else { return Ok(self.payment_hash.clone()) };
        let decoded = bolt11::decode(call, invoice, "Invalid bolt11").await?;
        Ok(Some(decoded.payment_hash))
    }
}

fn outbound() -> ListPaymentsRequest {
    ListPaymentsRequest {
        page_size: Some(PAGE_SIZE),
        direction: Some(PaymentDirection::Outbound.into()),
        ..Default::default()
    }
}

async fn page(
    call: &Call,
    request: ListPaymentsRequest,
) -> Result<(Vec<Payment>, Option<PageToken>), RpcError> {
    let page = call.ask(rpc::ListPayments, request).await?;
    Ok((page.payments, page.next_page_token))
}

/// The payments with this hash that were sent. There are few: those of an invoice are one.
pub(super) async fn sent(call: &Call, payment_hash: &str) -> Result<Vec<Payment>, RpcError> {
    let request = ListPaymentsRequest { payment_hash: payment_hash.to_owned(), ..outbound() };
    Ok(page(call, request).await?.0)
}

/// Adds what was said of the payments.
async fn with_orders(call: &Call, payments: Vec<(Payment, String)>) -> Result<Vec<Sent>, RpcError> {
    let look_up =
        move |app: &App| {
            let ids = payments.iter().map(|(payment, _)| id_of(&payment.id));
            let ids = ids.collect::<Option<Vec<_>>>();
            let ids = ids.ok_or_else(|| Error::internal("a payment has no id"))?;
            let orders = app.store.pay_orders(&ids).map_err(Error::internal)?;
            let sent = payments.into_iter().zip(orders).map(|((payment, payment_hash), order)| {
                Sent { payment, payment_hash, order: order.unwrap_or_default() }
            });
            Ok(sent.collect())
        };
    call.work("pay_orders", look_up).await
}

/// `listpays`.
pub(super) struct ListPays(Listing);

#[derive(Serialize)]
pub(super) struct Pays {
    pays: Vec<Pay>,
}

#[derive(Serialize)]
struct Pay {
    #[serde(flatten)]
    common: Common,
    #[serde(skip_serializing_if = "Option::is_none")]
    preimage: Option<String>,
}

impl Method for ListPays {
    const NAME: &'static str = "listpays";
    const USAGE: &'static str = USAGE;
    type Answer = Pays;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Listing::read(args).map(Self)
    }

    async fn run(self, call: Call) -> Result<Pays, RpcError> {
        let sent = self.0.sent(&call).await?.into_iter();
        let pays = sent.map(|sent| Pay {
            preimage: payment::preimage(&sent.payment),
            common: Common::of(sent),
        });
        Ok(Pays { pays: pays.collect() })
    }
}

/// `listsendpays`: the same with one part for each payment, as how many there were is not known.
pub(super) struct ListSendPays(Listing);

#[derive(Serialize)]
pub(super) struct SendPays {
    payments: Vec<SendPay>,
}

#[derive(Serialize)]
struct SendPay {
    #[serde(flatten)]
    common: Common,
    id: u64,
    groupid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_preimage: Option<String>,
}

impl Method for ListSendPays {
    const NAME: &'static str = "listsendpays";
    const USAGE: &'static str = USAGE;
    type Answer = SendPays;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Listing::read(args).map(Self)
    }

    async fn run(self, call: Call) -> Result<SendPays, RpcError> {
        let sent = self.0.sent(&call).await?.into_iter();
        let payments = sent.map(|sent| SendPay {
            id: sent.payment.created_at,
            groupid: 1,
            payment_preimage: payment::preimage(&sent.payment),
            common: Common::of(sent),
        });
        Ok(SendPays { payments: payments.collect() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_payment_has_what_was_said_of_it() {
        let order = |invstring: &str| PayOrder {
            invstring: Some(invstring.to_owned()),
            label: Some("l".to_owned()),
            ..Default::default()
        };
        let row = |invstring| {
            let payment = Payment {
                amount_msat: Some(5),
                fee_paid_msat: Some(2),
                status: PaymentStatus::Pending.into(),
                created_at: 7,
                ..Default::default()
            };
            let sent = Sent { payment, payment_hash: "h".to_owned(), order: order(invstring) };
            serde_json::to_value(Common::of(sent)).unwrap()
        };
        let bolt11 = row("lnbc1");
        assert_eq!((&bolt11["bolt11"], &bolt11["label"]), (&json!("lnbc1"), &json!("l")));
        assert_eq!((&bolt11["bolt12"], &bolt11["completed_at"]), (&Value::Null, &Value::Null));
        assert_eq!((&bolt11["created_index"], &bolt11["amount_sent_msat"]), (&json!(7), &json!(7)));
        assert_eq!(row("lno1x")["bolt12"], "lno1x");
    }

    #[test]
    fn filters_are_read_in_order() {
        let hash = "00".repeat(32);
        let listing = |params| Listing::read(&Args::of(USAGE, Some(params)).unwrap());
        let read = listing(json!([null, hash, "failed", "created", 5, 6])).unwrap();
        assert_eq!((read.start, read.limit), (5, 6));
        assert_eq!(
            (read.payment_hash, read.status),
            (Some(hash.clone()), Some(PaymentStatus::Failed))
        );
        for params in [
            json!({"bolt11": "lnbc", "payment_hash": hash}),
            json!({"status": "paid"}),
            json!({"index": "updated"}),
        ] {
            assert_eq!(listing(params).err().unwrap().code, -32602);
        }
    }
}
