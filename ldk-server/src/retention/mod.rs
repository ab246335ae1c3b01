//! Tasks that remove old records.

pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod intents;
pub(crate) mod invoice_rows;
pub(crate) mod invoices;
