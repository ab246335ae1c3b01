//! What can be paid, or was: invoices, offers, and receipts of payments without an invoice.

use std::collections::BTreeMap;
use std::sync::Arc;

use ldk_server_grpc::types::InvoiceKind;

use super::Digest;

/// How far an invoice has come, as it is stored. One that has expired is still open: that follows from
/// the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvoiceStatus {
    /// It can be paid, or could.
    Open,
    /// A payment has arrived, and waits to be claimed.
    Held,
    /// It was paid.
    Paid,
    /// Nobody can pay it any more.
    Cancelled,
}

/// What the caller notes with an invoice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvoiceNotes {
    /// A name of the caller's choice, which no two have.
    pub label: Option<String>,
    /// The name of what is sold, for the caller; several may have the same.
    pub external_id: Option<String>,
    /// Anything else.
    pub metadata: BTreeMap<String, String>,
}

/// An invoice or an offer that was made. It has no `Debug`: the preimage is secret.
pub struct NewInvoice {
    /// When it was made, in Unix seconds.
    pub created_at: u64,
    /// When it expires, in Unix seconds; never if it is `None`.
    pub expires_at: Option<u64>,
    /// What it is.
    pub kind: InvoiceKind,
    /// The hash that pays it; an offer has none.
    pub payment_hash: Option<[u8; 32]>,
    /// The id of an offer.
    pub offer_id: Option<[u8; 32]>,
    /// What the caller notes.
    pub notes: InvoiceNotes,
    /// A digest of the request that it was made for.
    pub request_digest: Digest,
    /// The invoice or the offer.
    pub text: String,
    /// The description; empty if there is only its hash.
    pub description: String,
    /// The amount that it asks for, in millisatoshis, if it asks for one.
    pub amount_msat: Option<u64>,
    /// The caller's own preimage.
    pub preimage: Option<[u8; 32]>,
}

/// An invoice, an offer, or the receipt of a payment without an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceRow {
    /// Its number: a later one has a higher one.
    pub number: u64,
    /// When it was made, in Unix seconds.
    pub created_at: u64,
    /// When it expires, in Unix seconds; never if it is `None`.
    pub expires_at: Option<u64>,
    /// What it is.
    pub kind: InvoiceKind,
    /// The hash that pays it, or has.
    pub payment_hash: Option<[u8; 32]>,
    /// The offer that it is, or that was paid.
    pub offer_id: Option<[u8; 32]>,
    /// What the caller noted.
    pub notes: InvoiceNotes,
    /// The label of the offer that was paid.
    pub offer_label: Option<String>,
    /// A digest of the request that it was made for; `None` if that is not known.
    pub request_digest: Option<Digest>,
    /// The invoice or the offer; empty if it is not known.
    pub text: String,
    /// The description; empty if there is only its hash, or none.
    pub description: String,
    /// The amount that it asks for, in millisatoshis, if it asks for one.
    pub amount_msat: Option<u64>,
    /// How far it has come.
    pub status: InvoiceStatus,
    /// What has arrived, in millisatoshis; of an offer, by all payments together.
    pub amount_received_msat: Option<u64>,
    /// When it was paid, in Unix seconds.
    pub paid_at: Option<u64>,
    /// Its place among all that were paid, from 1 and without gap.
    pub pay_index: Option<u64>,
    /// The payment that has paid it.
    pub payment_id: Option<[u8; 32]>,
}

impl InvoiceRow {
    /// Whether it can no longer be paid, because of its age, at this time in Unix seconds.
    pub fn has_expired(&self, now: u64) -> bool {
        self.status == InvoiceStatus::Open && self.expires_at.is_some_and(|at| at <= now)
    }
}

/// By what an invoice is found.
#[derive(Clone, Debug)]
pub enum InvoiceName {
    /// Its number.
    Number(u64),
    /// Its label.
    Label(String),
    /// The hash that pays it.
    PaymentHash([u8; 32]),
    /// The id of the offer that it is.
    OfferId([u8; 32]),
    /// The newest with this external id.
    ExternalId(String),
}

/// Where an invoice stands in the list, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvoicePlace {
    /// When it was made.
    pub created_at: u64,
    /// Its number.
    pub number: u64,
}

/// What states to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedState {
    /// As it is stored, but not those that have expired.
    Stored(InvoiceStatus),
    /// Those that have expired.
    Expired,
}

/// Which invoices to list; what is empty or `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct InvoiceFilter {
    /// How far they have come.
    pub states: Vec<ListedState>,
    /// What they are.
    pub kinds: Vec<InvoiceKind>,
    /// What they are for.
    pub external_id: Option<String>,
    /// The earliest time, in Unix seconds.
    pub created_from: Option<u64>,
    /// Their time is before this, in Unix seconds.
    pub created_before: Option<u64>,
    /// By this time, in Unix seconds, some have expired.
    pub now: u64,
}

/// A change of the invoices.
pub(in crate::store) enum InvoiceChange {
    /// One was made.
    Add(Box<NewInvoice>),
    /// A payment of this hash waits to be claimed.
    Held([u8; 32]),
    /// Nobody can pay the one with this number any more.
    Cancel(u64),
    /// Removes one, if it is in this state.
    Delete {
        number: u64,
        state: ListedState,
        /// In Unix seconds.
        now: u64,
    },
    /// Removes those that have expired by this time, in Unix seconds, some at once.
    DeleteExpired { until: u64 },
    /// The same of those that were cancelled and made before this time.
    DeleteCancelled { made_before: u64 },
}

/// What a change of a payment means to the invoice that asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) enum InvoiceEffect {
    /// Nothing.
    #[default]
    None,
    /// It is paid.
    Received(Receipt),
    /// Its hash can no longer be paid.
    Failed([u8; 32]),
}

/// A payment that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Receipt {
    /// What is recorded if there is no invoice for it.
    pub(in crate::store) kind: InvoiceKind,
    pub(in crate::store) payment_id: [u8; 32],
    pub(in crate::store) payment_hash: Option<[u8; 32]>,
    /// The offer that was paid.
    pub(in crate::store) offer_id: Option<[u8; 32]>,
    pub(in crate::store) amount_msat: u64,
}

/// What became of an invoice.
#[derive(Clone, Debug)]
pub(in crate::store) enum InvoiceNews {
    /// The one with this number was made.
    Added(u64),
    /// It is like this now.
    Changed(Arc<InvoiceRow>),
    /// There is none of this number any more.
    Deleted(u64),
}
