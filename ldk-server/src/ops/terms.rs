//! The terms of an invoice.

use ldk_node::lightning_invoice::Bolt11InvoiceDescription;

/// The terms of an invoice.
pub struct Terms {
    /// The amount, in millisatoshis; if there is none, the payer chooses.
    pub amount_msat: Option<u64>,
    /// The description, or its hash.
    pub description: Bolt11InvoiceDescription,
    /// The expiry, in seconds.
    pub expiry_secs: u32,
}
