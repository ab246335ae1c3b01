//! Tasks that remove old records.

pub(crate) mod events;
pub(crate) mod invoices;
