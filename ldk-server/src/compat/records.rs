//! Where the library keeps what it writes, by namespaces and key.

/// Its payments, whose keys are ids in hexadecimal.
pub(crate) const PAYMENTS: (&str, &str) = ("payments", "");

/// When it last did what it does from time to time. If it has no sync of the wallet, the next one is for
/// all addresses.
pub(crate) const NODE_METRICS: (&str, &str, &str) = ("", "", "node_metrics");
