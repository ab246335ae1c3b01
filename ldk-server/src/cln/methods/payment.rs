//! What a payment of the API says that Core Lightning's answers have.

use ldk_server_grpc::types::payment_kind::Kind;
use ldk_server_grpc::types::{self, PaymentStatus};

use crate::wire;

/// The hash of a Lightning payment.
pub(in crate::cln) fn hash(payment: &types::Payment) -> Option<String> {
    match payment.kind.as_ref()?.kind.as_ref()? {
        Kind::Onchain(_) => None,
        Kind::Bolt11(kind) => Some(kind.hash.clone()),
        Kind::Bolt11Jit(kind) => Some(kind.hash.clone()),
        Kind::Bolt12Offer(kind) => kind.hash.clone(),
        Kind::Bolt12Refund(kind) => kind.hash.clone(),
        Kind::Spontaneous(kind) => Some(kind.hash.clone()),
    }
}

/// The preimage of a Lightning payment that has succeeded.
pub(super) fn preimage(payment: &types::Payment) -> Option<String> {
    wire::payment::preimage(payment).filter(|_| payment.status() == PaymentStatus::Succeeded)
}

/// What was sent, with its fee.
pub(super) fn sent_msat(payment: &types::Payment) -> u64 {
    let fee_msat = payment.fee_paid_msat.unwrap_or_default();
    payment.amount_msat.unwrap_or_default().saturating_add(fee_msat)
}

/// As Core Lightning calls it.
pub(super) fn status(payment: &types::Payment) -> &'static str {
    match payment.status() {
        PaymentStatus::Pending => "pending",
        PaymentStatus::Succeeded => "complete",
        PaymentStatus::Failed => "failed",
    }
}
