//! The history of payments.

use std::collections::BTreeMap;
use std::sync::Arc;

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::ser::Readable as _;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::PaymentDirection::Outbound;
use ldk_node::payment::PaymentStatus::Pending;
use ldk_node::payment::{PaymentDetails, PaymentKind};
use ldk_server_grpc::types::{PaymentDirection, PaymentMethod, PaymentStatus};

use super::invalid_data;

/// Where a payment stands in the list: the newest first, and by id among those of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentPlace {
    /// When it was created, in Unix seconds.
    pub created_at: u64,
    /// Its id.
    pub id: PaymentId,
}

/// Which payments to list; what is `None` or unspecified does not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct PaymentFilter {
    /// How far they have come.
    pub status: Option<PaymentStatus>,
    /// To us or from us.
    pub direction: Option<PaymentDirection>,
    /// How they are made.
    pub method: PaymentMethod,
    /// The earliest time of creation, in Unix seconds.
    pub created_from: Option<u64>,
    /// Their time of creation is before this, in Unix seconds.
    pub created_before: Option<u64>,
    /// Their hash.
    pub payment_hash: Option<PaymentHash>,
}

/// What a caller notes with a payment. It says nothing of what becomes of the payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentNotes {
    /// A name of the caller's choice; several may have the same.
    pub label: Option<String>,
    /// Anything else.
    pub metadata: BTreeMap<String, String>,
}

/// A change of the notes of a payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotesChange {
    /// The new label, `None` for none, if it is to change.
    pub label: Option<Option<String>>,
    /// The new metadata, if it is to change.
    pub metadata: Option<BTreeMap<String, String>>,
}

impl NotesChange {
    /// What a payment that is sent gets. One that is tried again keeps what it is not given anew.
    pub(in crate::store) fn of_sending(notes: &PaymentNotes) -> Self {
        let PaymentNotes { label, metadata } = notes;
        Self {
            label: label.clone().map(Some),
            metadata: Some(metadata.clone()).filter(|metadata| !metadata.is_empty()),
        }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.label.is_none() && self.metadata.is_none()
    }
}

/// An invoice that is not paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpaid {
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
    /// The row it is in, by which those of one second are in order.
    pub(in crate::store) row: i64,
    /// The payment that it asks for.
    pub id: PaymentId,
}

/// Whether it is known what became of a payment on its way out, when the library says that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Certainty {
    /// It has failed then.
    Known,
    /// That is not to be believed.
    Doubted,
    /// The library has said so.
    GivenUp,
}

/// A payment in the history.
pub(in crate::store) struct PaymentRow {
    /// As the library wrote it.
    pub(in crate::store) value: Vec<u8>,
    pub(in crate::store) created_at: u64,
    /// Whether it is an invoice that was pruned.
    pub(in crate::store) is_pruned: bool,
    pub(in crate::store) certainty: Certainty,
    /// When the invoice expires, in Unix seconds.
    pub(in crate::store) expires_at: Option<i64>,
    /// Why it failed, as the API has it.
    pub(in crate::store) failure: Option<i32>,
    pub(in crate::store) notes: PaymentNotes,
    /// The preimage that the caller left with the invoice. The library forgets it.
    pub(in crate::store) own_preimage: Option<[u8; 32]>,
}

/// What the rules of the history have to know of a payment that is in it.
pub(in crate::store) struct StoredPayment {
    /// By its columns; `None` if they are not as we write them.
    pub(in crate::store) class: Option<Class>,
    pub(in crate::store) certainty: Certainty,
    /// Whether it is an invoice that was pruned.
    pub(in crate::store) is_pruned: bool,
    /// As the library wrote it.
    pub(in crate::store) value: Vec<u8>,
    /// Whether the library has a record of it. Known only if the event asks for it.
    pub(in crate::store) has_record: bool,
}

/// What is written of a payment, column by column.
pub(in crate::store) struct PaymentColumns {
    /// In Unix seconds, as are all times.
    pub(in crate::store) created_at: u64,
    pub(in crate::store) updated_at: u64,
    pub(in crate::store) class: Class,
    pub(in crate::store) amount_msat: Option<u64>,
    pub(in crate::store) fee_paid_msat: Option<u64>,
    pub(in crate::store) payment_hash: Option<[u8; 32]>,
    /// When the invoice expires, if that is known.
    pub(in crate::store) expires_at: Option<u64>,
    /// As the library wrote it.
    pub(in crate::store) value: Arc<Vec<u8>>,
}

/// What is told apart of payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Class {
    pub(in crate::store) status: PaymentStatus,
    pub(in crate::store) direction: PaymentDirection,
    pub(in crate::store) method: PaymentMethod,
}

/// From which class to which a payment went; from none when it is new.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct StatusChange {
    pub(in crate::store) before: Option<Class>,
    pub(in crate::store) after: Class,
    /// 0 where it is not known.
    pub(in crate::store) amount_msat: u64,
    /// 0 where it is not known.
    pub(in crate::store) fee_paid_msat: u64,
}

impl StatusChange {
    /// Whether the status is another one now.
    pub(in crate::store) fn is_news(&self) -> bool {
        self.before.map(|before| before.status) != Some(self.after.status)
    }

    /// Whether a payment that had failed is under way again.
    pub(in crate::store) fn is_tried_again(&self) -> bool {
        self.before.is_some_and(|before| before.status == PaymentStatus::Failed)
            && self.after.status == PaymentStatus::Pending
    }

    /// What a payment from here has cost in the end, with the fee, as soon as that is known.
    pub(in crate::store) fn cost_msat(&self) -> Option<u64> {
        if self.after.direction != PaymentDirection::Outbound {
            return None;
        }
        let whole_msat = self.amount_msat.saturating_add(self.fee_paid_msat);
        let is_onchain = self.after.method == PaymentMethod::Onchain;
        match self.after.status {
            PaymentStatus::Failed => self.is_news().then_some(0),
            // Where the amount is not known, what was reserved stands.
            PaymentStatus::Succeeded => (self.amount_msat > 0).then_some(whole_msat),
            // The wallet knows the fee once it has found the transaction.
            PaymentStatus::Pending => (is_onchain && self.fee_paid_msat > 0).then_some(whole_msat),
        }
    }
}

/// Whether the record is that of a Lightning payment of ours that is on its way.
pub(in crate::store) fn is_on_its_way_out(details: &PaymentDetails) -> bool {
    details.direction == Outbound
        && details.status == Pending
        && !matches!(details.kind, PaymentKind::Onchain { .. })
}

/// Reads a payment as the library writes it.
pub(in crate::store) fn read(value: &[u8]) -> io::Result<PaymentDetails> {
    let mut bytes = value;
    PaymentDetails::read(&mut bytes)
        .map_err(|error| invalid_data(&format!("a payment cannot be read: {error}")))
}
