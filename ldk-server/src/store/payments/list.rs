//! The history as it is read: one payment, or a page of them.

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentPreimage;
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind};
use ldk_server_grpc::types::{Payment, PaymentStatus};

use crate::clock::unix_secs;
use crate::store::Store;
use crate::store::model::payments::read;
use crate::store::model::{Certainty, Page, PaymentFilter, PaymentPlace, PaymentRow};
use crate::wire;

impl Store {
    /// The payment with this id, with all that the library has written of it. An invoice that is not
    /// paid has expired as soon as its time is over.
    pub fn payment(&self, id: PaymentId) -> io::Result<Option<Payment>> {
        self.barrier()?;
        self.reads.payment(id)?.map(PaymentRow::payment_now).transpose()
    }

    /// The payment with this id, as it was committed last. An invoice has expired when it is pruned.
    pub fn durable_payment(&self, id: PaymentId) -> io::Result<Option<Payment>> {
        self.reads.payment(id)?.map(PaymentRow::payment).transpose()
    }

    /// The payments after this place, or from the newest on; `None` if no payment is at this place. An
    /// invoice that is not paid has expired as soon as its time is over.
    pub fn payments(
        &self,
        filter: &PaymentFilter,
        after: Option<PaymentPlace>,
        page_size: usize,
    ) -> io::Result<Option<Page<Payment>>> {
        // One more than a page holds tells whether another follows.
        let rows = self.reads.payments(filter, after, page_size.saturating_add(1))?;
        let Some(rows) = rows else { return Ok(None) };
        let payments = rows.into_iter().map(PaymentRow::payment_now);
        Ok(Some(Page::of(payments.collect::<io::Result<_>>()?, page_size)))
    }
}

impl PaymentRow {
    /// What is handed out of it. One that cannot be read is none, and is reported in the log.
    pub(in crate::store) fn readable(self, id: PaymentId) -> Option<Payment> {
        self.payment()
            .inspect_err(|error| {
                let payment_id = hex::encode(id.0);
                tracing::error!(payment_id, %error, "a payment in the history cannot be read");
            })
            .ok()
    }

    /// What is handed out of it.
    pub(in crate::store) fn payment(self) -> io::Result<Payment> {
        let Self { value, created_at, is_pruned, certainty, failure, notes, own_preimage, .. } =
            self;
        let details = with_preimage(read(&value)?, own_preimage);
        let payment = wire::payment::payment(details, created_at, is_pruned);
        let outcome_unknown =
            certainty == Certainty::GivenUp && payment.status() == PaymentStatus::Pending;
        let failed = payment.status() == PaymentStatus::Failed;
        Ok(Payment {
            outcome_unknown,
            failure_reason: failure.filter(|_| failed),
            label: notes.label.unwrap_or_default(),
            metadata: notes.metadata,
            ..payment
        })
    }

    /// As it is at this moment.
    fn payment_now(self) -> io::Result<Payment> {
        let now = i64::try_from(unix_secs()).unwrap_or(i64::MAX);
        let is_over = self.expires_at.is_some_and(|at| at < now);
        let payment = self.payment()?;
        let has_expired = is_over && payment.status() == PaymentStatus::Pending;
        Ok(Payment { expired: payment.expired || has_expired, ..payment })
    }
}

/// A payment that was received, with the preimage that it was claimed with. The library writes none down
/// for an invoice that it has not made the preimage of (ldk-node 0.7.1).
fn with_preimage(mut details: PaymentDetails, own: Option<[u8; 32]>) -> PaymentDetails {
    if let (
        PaymentDirection::Inbound,
        ldk_node::payment::PaymentStatus::Succeeded,
        PaymentKind::Bolt11 { preimage, .. } | PaymentKind::Bolt11Jit { preimage, .. },
    ) = (details.direction, details.status, &mut details.kind)
    {
        *preimage = preimage.or(own.map(PaymentPreimage));
    }
    details
}
