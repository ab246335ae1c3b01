//! The namespaces and keys of records of the library.

/// Payments; their keys are payment ids in hexadecimal.
pub(crate) const PAYMENTS: (&str, &str) = ("payments", "");

/// The times of the last periodic tasks. Without a time of a wallet sync, the next one covers all
/// addresses.
pub(crate) const NODE_METRICS: (&str, &str, &str) = ("", "", "node_metrics");
