//! What a client of Core Lightning's interface has said of a payment that it sends.

/// What the library does not keep of a payment, and who made it wants to be told again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayOrder {
    /// The invoice or offer that was paid.
    pub invstring: Option<String>,
    /// The caller's name for the payment.
    pub label: Option<String>,
    /// What the payment is for, if the caller has said so.
    pub description: Option<String>,
    /// The public key of the node that is paid, as hexadecimal text.
    pub destination: Option<String>,
}
