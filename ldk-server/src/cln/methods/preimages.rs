//! The preimages of invoices that are paid. The API has them with the payments.

use std::collections::{HashMap, HashSet};

use ldk_server_grpc::api::{GetPaymentDetailsRequest, ListPaymentsRequest};
use ldk_server_grpc::types::{Invoice, InvoiceState, Payment, PaymentDirection, PaymentStatus};

use super::payment::preimage;
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::error::RpcError;

/// Up to so many payments are asked for one by one, and more as pages of the history.
const FEW: usize = 8;

/// The preimages, by the ids of the payments.
pub(super) struct Preimages(HashMap<String, String>);

impl Preimages {
    /// Those of these invoices, as far as they are paid.
    pub(super) async fn of(call: &Call, invoices: &[Invoice]) -> Result<Self, RpcError> {
        let paid = invoices.iter().filter(|invoice| invoice.state() == InvoiceState::Paid);
        let begun = paid.clone().map(|invoice| invoice.created_at).min().unwrap_or_default();
        let wanted: HashSet<_> = paid.filter_map(|invoice| invoice.payment_id.clone()).collect();
        let mut found = Self(HashMap::with_capacity(wanted.len()));
        if wanted.len() > FEW {
            found.add_pages(call, &wanted, begun).await?;
        } else {
            for payment_id in wanted {
                let request = GetPaymentDetailsRequest { payment_id };
                let details = call.ask(rpc::GetPaymentDetails, request).await?;
                details.payment.into_iter().for_each(|payment| found.add(payment));
            }
        }
        Ok(found)
    }

    /// The preimage of an invoice.
    pub(super) fn get(&self, invoice: &Invoice) -> Option<String> {
        self.0.get(invoice.payment_id.as_ref()?).cloned()
    }

    fn add(&mut self, payment: Payment) {
        if let Some(preimage) = preimage(&payment) {
            self.0.insert(payment.id, preimage);
        }
    }

    /// Goes back in the history until all are found, or it began before the first invoice was made.
    async fn add_pages(
        &mut self,
        call: &Call,
        wanted: &HashSet<String>,
        begun: u64,
    ) -> Result<(), RpcError> {
        // A payment and its invoice are not written in the same second.
        const LEEWAY_SECS: u64 = 60;
        let mut page_token = None;
        loop {
            let request = ListPaymentsRequest {
                page_token,
                page_size: Some(1_000),
                status: Some(PaymentStatus::Succeeded.into()),
                direction: Some(PaymentDirection::Inbound.into()),
                created_from: Some(begun.saturating_sub(LEEWAY_SECS)),
                ..Default::default()
            };
            let page = call.ask(rpc::ListPayments, request).await?;
            let of_wanted = page.payments.into_iter().filter(|of| wanted.contains(&of.id));
            of_wanted.for_each(|payment| self.add(payment));
            page_token = page.next_page_token;
            if page_token.is_none() || self.0.len() == wanted.len() {
                return Ok(());
            }
        }
    }
}
