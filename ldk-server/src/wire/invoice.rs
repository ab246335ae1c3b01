//! Invoices, as requests select them.

use ldk_server_grpc::types::InvoiceKind;

/// All kinds but offers: an offer is paid many times, and each payment of it is a receipt of its own.
pub const KINDS_WITHOUT_OFFERS: [InvoiceKind; 7] = [
    InvoiceKind::Bolt11,
    InvoiceKind::Bolt11WithPreimage,
    InvoiceKind::Bolt11ForHash,
    InvoiceKind::Bolt11Jit,
    InvoiceKind::OfferReceipt,
    InvoiceKind::RefundReceipt,
    InvoiceKind::KeysendReceipt,
];
