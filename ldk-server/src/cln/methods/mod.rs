//! The methods: one list, from which calls, `help`, `check` and the refusals follow.

pub(super) mod address;
mod channels;
mod checkmessage;
mod connect;
mod decode;
mod features;
mod help;
mod info;
mod invoice;
mod invoices;
mod listpays;
mod messages;
mod newaddr;
mod pay;
mod payment;
mod waits;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

use super::Call;
use super::args::Args;
use super::error::{RpcError, code};
use crate::error::quoted;

pub(super) use help::arguments;
pub(super) use info::FeesCollected;
pub(super) use pay::failure_code as payment_failure_code;
pub(super) use payment::hash as payment_hash;

/// A method: its parameters, once they are read.
trait Method: Sized + Send + 'static {
    /// Its name.
    const NAME: &'static str;
    /// Its parameters in their order, those in brackets optional.
    const USAGE: &'static str;
    /// What it answers.
    type Answer: Serialize;

    /// Reads the parameters.
    fn read(args: &Args) -> Result<Self, RpcError>;

    /// Does what is asked for.
    fn run(self, call: Call) -> impl Future<Output = Result<Self::Answer, RpcError>> + Send;
}

/// A line of the list of methods.
pub(super) struct Entry {
    name: &'static str,
    usage: &'static str,
    check: fn(&Args) -> Result<(), RpcError>,
    pub(super) run: fn(Call, Args) -> BoxFuture<'static, Result<Value, RpcError>>,
}

const fn entry<M: Method>() -> Entry {
    Entry {
        name: M::NAME,
        usage: M::USAGE,
        check: |args| M::read(args).map(drop),
        run: |call, args| {
            Box::pin(async move {
                let answer = M::read(&args)?.run(call).await?;
                serde_json::to_value(answer).map_err(|error| RpcError::internal(&error))
            })
        },
    }
}

static METHODS: &[Entry] = &[
    entry::<help::Check>(),
    entry::<checkmessage::CheckMessage>(),
    entry::<connect::Connect>(),
    entry::<decode::Decode>(),
    entry::<invoices::DelInvoice>(),
    entry::<info::GetInfo>(),
    entry::<help::Help>(),
    entry::<invoice::Invoice>(),
    entry::<invoices::ListInvoices>(),
    entry::<listpays::ListPays>(),
    entry::<channels::ListPeerChannels>(),
    entry::<newaddr::NewAddr>(),
    entry::<help::Notifications>(),
    entry::<pay::Pay>(),
    entry::<messages::SignMessage>(),
    entry::<waits::WaitAnyInvoice>(),
    entry::<waits::WaitInvoice>(),
    entry::<pay::Xpay>(),
];

const SENT_BY_ITSELF: &str = "the node library finds and pays routes by itself; use xpay, or EstimateFee \
                              and QueryRoute of the node's own API to look at routes";
const NO_PSBT: &str = "the node library signs its own transactions only; use OnchainSend and OpenChannel \
                       of the node's own API";
const OFFERS_STAY: &str = "the node library answers for every offer until it expires; make offers that \
                           expire";
const NO_MESSAGES: &str =
    "the node library has no custom messages; use the node's own API, with runes";

/// The methods of Core Lightning that the node library makes impossible, why, and what to do instead.
const IMPOSSIBLE: &[(&str, &str)] = &[
    (
        "fetchinvoice",
        "the node library asks for the invoice of an offer and pays it in one step; use Bolt12Send of the \
         node's own API",
    ),
    ("sendpay", SENT_BY_ITSELF),
    ("waitsendpay", SENT_BY_ITSELF),
    ("sendonion", SENT_BY_ITSELF),
    ("createonion", SENT_BY_ITSELF),
    ("injectpaymentonion", SENT_BY_ITSELF),
    ("getroutes", SENT_BY_ITSELF),
    ("disableoffer", OFFERS_STAY),
    ("enableoffer", OFFERS_STAY),
    ("commando", NO_MESSAGES),
    ("sendcustommsg", NO_MESSAGES),
    ("addpsbtoutput", NO_PSBT),
    ("addpsbtinput", NO_PSBT),
    ("fundpsbt", NO_PSBT),
    ("utxopsbt", NO_PSBT),
    ("signpsbt", NO_PSBT),
    ("sendpsbt", NO_PSBT),
    ("reserveinputs", NO_PSBT),
    ("unreserveinputs", NO_PSBT),
    ("funderupdate", "the node library has no dual funding"),
    ("plugin", "plugins cannot be started while the node runs"),
];

/// The method with this name, or why there is none.
pub(super) fn find(name: &str) -> Result<&'static Entry, RpcError> {
    if let Some(method) = METHODS.iter().find(|method| method.name == name) {
        return Ok(method);
    }
    if name.starts_with("askrene-") {
        return Err(impossible(name, SENT_BY_ITSELF));
    }
    match IMPOSSIBLE.iter().find(|(impossible, _)| *impossible == name) {
        Some((name, why)) => Err(impossible(name, why)),
        None => Err(unknown(&format!("'{}'", quoted_text(name)))),
    }
}

fn impossible(name: &str, why: &str) -> RpcError {
    RpcError::generic(format!("{}: is not possible on this node: {why}", quoted_text(name)))
}

fn unknown(name: &str) -> RpcError {
    RpcError::new(code::METHOD_NOT_FOUND, format!("Unknown command {name}"))
}

/// The beginning of a text, without quotation marks.
fn quoted_text(text: &str) -> String {
    quoted(text).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once_and_in_order() {
        let names: Vec<_> = METHODS.iter().map(|method| method.name).collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
        for (name, _) in IMPOSSIBLE {
            assert!(!names.contains(name), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_says_what_to_use_instead() {
        let refusal = |name| find(name).err().unwrap();
        for name in ["fetchinvoice", "sendpay", "askrene-reserve", "fundpsbt"] {
            let refused = refusal(name);
            assert!(refused.message.contains("is not possible on this node"), "{refused:?}");
            assert_eq!(refused.code, code::GENERIC);
        }
        let refused = refusal("nosuch");
        assert_eq!((refused.code, &*refused.message), (-32601, "Unknown command 'nosuch'"));
    }
}
