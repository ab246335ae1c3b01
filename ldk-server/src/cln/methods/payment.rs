//! What a payment of the API says that Core Lightning's answers have.

use ldk_server_grpc::types::{self, PaymentStatus};

use crate::wire;

pub(in crate::cln) use crate::wire::payment::hash;

/// The preimage of a Lightning payment that has succeeded.
pub(in crate::cln) fn preimage(payment: &types::Payment) -> Option<String> {
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
