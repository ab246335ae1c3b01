//! Why a provider of channels (LSPS1) did not take an order. LDK Node 0.7.1 has one error for all of that,
//! and answers a refusal as if the provider had been silent. Only its log tells more.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use log::Level;

const PEERS: &str = "lightning::ln::peer_handler";
const ORDERS: &str = "ldk_node::liquidity";
/// Before the error of the provider.
const REFUSED: [&str; 3] = [
    "Received get_info error response for request ",
    "Received create_order error response for request ",
    "Received get_order error response for request ",
];
const LIMITS: &str = "Requested ";
const OTHER_TERMS: &str = "Aborting LSPS1 request as LSP-provided parameters don't match our order";
/// What is kept of a message of the provider.
const MAX_MESSAGE_CHARS: usize = 300;

/// What was seen in the log of this process.
static SEEN: LazyLock<Mutex<Seen>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Seen {
    number: u64,
    last: Option<Failure>,
}

/// Why an order came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The provider answered with an error, whose message is its own and must not be trusted.
    Refused {
        /// The error code.
        code: i32,
        /// The message.
        message: String,
    },
    /// The amounts are not within the limits of the provider, as the library says.
    OutOfLimits {
        /// Which amount: the channel, or one of its sides.
        amount: LimitedAmount,
        /// The limits.
        limits: String,
    },
    /// The provider confirmed another order than the one that was placed.
    OtherTerms,
}

/// An amount that the provider limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitedAmount {
    /// The size of the channel.
    Channel,
    /// What the provider has in it.
    Lsp,
    /// What its customer has in it.
    Client,
}

/// How many failures were seen so far.
pub(crate) fn seen() -> u64 {
    lock().number
}

/// The failure that was seen last, if it was seen after so many.
pub(crate) fn after(number: u64) -> Option<Failure> {
    let seen = lock();
    seen.last.clone().filter(|_| seen.number > number)
}

/// Must be called with every log record of the library, whatever the log level. Tells whether the record
/// may be logged: the library writes the token of the order into one.
pub(crate) fn observe(record: &log::Record<'_>) -> bool {
    if record.level() != Level::Error {
        return true;
    }
    let Some(failure) = failure(record.target(), &record.args().to_string()) else { return true };
    let has_token = failure == Failure::OtherTerms;
    let mut seen = lock();
    *seen = Seen { number: seen.number + 1, last: Some(failure) };
    !has_token
}

fn lock() -> MutexGuard<'static, Seen> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failure(target: &str, text: &str) -> Option<Failure> {
    match target {
        PEERS => refusal(text),
        ORDERS if text.starts_with(OTHER_TERMS) => Some(Failure::OtherTerms),
        ORDERS => out_of_limits(text.strip_prefix(LIMITS)?),
        _ => None,
    }
}

/// Reads `… request LSPSRequestId("…"): LSPSResponseError { code: 1, message: "…", data: … }`.
fn refusal(text: &str) -> Option<Failure> {
    let from = REFUSED.iter().find_map(|words| text.find(words))?;
    let (_, error) = text[from..].split_once("{ code: ")?;
    let (code, rest) = error.split_once(", message: \"")?;
    let end = unescaped_quote(rest)?;
    let message = rest[..end].chars().take(MAX_MESSAGE_CHARS).collect();
    Some(Failure::Refused { code: code.parse().ok()?, message })
}

/// Where a text in quotes ends.
fn unescaped_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let is_end = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        is_end.then_some(at)
    })
}

/// Reads `LSP-side balance of 5sat doesn't meet the LSP-provided limits (min: 1sat, max: 2sat).`
fn out_of_limits(text: &str) -> Option<Failure> {
    let (what, limits) = text.split_once(" doesn't meet the LSP-provided limits (")?;
    let amount = match what.split(' ').next()? {
        "channel" => LimitedAmount::Channel,
        "LSP-side" => LimitedAmount::Lsp,
        "client-side" => LimitedAmount::Client,
        _ => return None,
    };
    Some(Failure::OutOfLimits { amount, limits: limits.split_once(')')?.0.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_the_provider_is_read() {
        let said = |text: &str| failure(PEERS, text);
        let text = "Error handling message from 02aa; ignoring: Received create_order error response for \
                    request LSPSRequestId(\"00ff\"): LSPSResponseError { code: 100, message: \"too \
                    \\\"small\\\"\", data: Some(\"{}\") }";
        let message = "too \\\"small\\\"".to_owned();
        assert_eq!(said(text), Some(Failure::Refused { code: 100, message }));
        let text = text.replace("create_order", "get_order").replace("100", "-32602");
        assert!(matches!(said(&text), Some(Failure::Refused { code: -32602, .. })));
        assert_eq!(said("Error handling message; ignoring: something else"), None);
        assert_eq!(failure("lightning::ln::channel", &text), None);
    }

    #[test]
    fn limits_and_other_terms_are_told_apart() {
        let said = |text: &str| failure(ORDERS, text);
        for (what, amount) in [
            ("channel size", LimitedAmount::Channel),
            ("LSP-side balance", LimitedAmount::Lsp),
            ("client-side balance", LimitedAmount::Client),
        ] {
            let text = format!(
                "Requested {what} of 5sat doesn't meet the LSP-provided limits (min: 6sat, max: 9sat)."
            );
            let limits = "min: 6sat, max: 9sat".to_owned();
            assert_eq!(said(&text), Some(Failure::OutOfLimits { amount, limits }));
        }
        assert_eq!(said(&format!("{OTHER_TERMS}. Expected: …")), Some(Failure::OtherTerms));
        assert_eq!(said("Requested nothing"), None);
    }

    #[test]
    fn what_has_the_token_is_not_logged() {
        let logged = |text: &str| {
            observe(
                &log::Record::builder()
                    .level(Level::Error)
                    .target(ORDERS)
                    .args(format_args!("{text}"))
                    .build(),
            )
        };
        let before = seen();
        assert!(!logged(&format!("{OTHER_TERMS}. Expected: token: Some(\"sesame\")")));
        assert!(after(before).is_some());
        assert!(logged("Liquidity request timed out"));
    }
}
