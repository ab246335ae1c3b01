//! Tasks that remove what need not be kept any longer.

pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod invoices;
