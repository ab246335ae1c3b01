//! The methods: one list, from which calls, `help`, `check` and the refusals follow.

pub(super) mod address;
mod autoclean;
mod bkpr;
mod bkpr_events;
mod bkpr_income;
mod bolt11;
mod bolt12;
mod channels;
mod checkmessage;
mod close;
mod closed;
mod connect;
mod datastore;
mod decode;
mod expiry;
mod features;
mod feerates;
mod forwards;
mod fundchannel;
mod getroute;
mod graph;
mod help;
mod info;
mod invoice;
mod invoices;
mod keysend;
mod limits;
mod listfunds;
mod listpays;
mod makesecret;
mod messages;
mod newaddr;
mod offers;
mod open_channels;
mod order;
mod pay;
mod payment;
mod peers;
mod preimages;
mod refunds;
mod rune_text;
mod runes;
mod scid;
mod sending;
mod server;
mod setchannel;
mod splice;
mod sql;
mod transactions;
mod wait;
mod waits;
mod wallet;
mod withdraw;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::Call;
use super::args::Args;
use super::error::{RpcError, code};
use crate::error::quoted;

pub(super) use bkpr::currency;
pub(super) use bkpr_events::CHANNELS;
pub(super) use help::arguments;
pub(super) use info::FeesCollected;
pub(super) use payment::{hash as payment_hash, preimage as payment_preimage};
pub(super) use sending::failure_code as payment_failure_code;

/// A method: its parameters, once they are read.
trait Method: Sized + Send + 'static {
    /// Its name.
    const NAME: &'static str;
    /// Its parameters in their order, those in brackets optional.
    const USAGE: &'static str;
    /// Whether the answer may be so long that it must not be written on a thread that serves others.
    const IS_LONG: bool = false;
    /// What it answers.
    type Answer: Serialize + Send + 'static;

    /// Reads the parameters.
    fn read(args: &Args) -> Result<Self, RpcError>;

    /// Does what is asked for.
    fn run(self, call: Call) -> impl Future<Output = Result<Self::Answer, RpcError>> + Send;
}

/// A line of the list of methods.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) usage: &'static str,
    /// Whether the answer may be long.
    pub(super) is_long: bool,
    check: fn(&Args) -> Result<(), RpcError>,
    pub(super) run: fn(Call, Args) -> BoxFuture<'static, Result<Value, RpcError>>,
}

const fn entry<M: Method>() -> Entry {
    Entry {
        name: M::NAME,
        usage: M::USAGE,
        is_long: M::IS_LONG,
        check: |args| M::read(args).map(drop),
        run: |call, args| {
            Box::pin(async move {
                let answer = M::read(&args)?.run(call).await?;
                let written = if M::IS_LONG {
                    let writing = spawn_blocking(move || serde_json::to_value(answer));
                    writing.await.map_err(|error| RpcError::internal(&error))?
                } else {
                    serde_json::to_value(answer)
                };
                written.map_err(|error| RpcError::internal(&error))
            })
        },
    }
}

static METHODS: &[Entry] = &[
    entry::<autoclean::AutocleanOnce>(),
    entry::<bkpr::ListAccountEvents>(),
    entry::<bkpr::ListBalances>(),
    entry::<bkpr::ListIncome>(),
    entry::<runes::BlacklistRune>(),
    entry::<help::Check>(),
    entry::<checkmessage::CheckMessage>(),
    entry::<runes::CheckRune>(),
    entry::<close::Close>(),
    entry::<connect::Connect>(),
    entry::<runes::CreateRune>(),
    entry::<datastore::Datastore>(),
    entry::<decode::Decode>(),
    entry::<decode::DecodePay>(),
    entry::<datastore::DelDatastore>(),
    entry::<autoclean::DelExpiredInvoice>(),
    entry::<invoices::DelInvoice>(),
    entry::<peers::Disconnect>(),
    entry::<feerates::FeeRates>(),
    entry::<fundchannel::FundChannel>(),
    entry::<info::GetInfo>(),
    entry::<getroute::GetRoute>(),
    entry::<help::Help>(),
    entry::<invoice::Invoice>(),
    entry::<refunds::InvoiceRequest>(),
    entry::<keysend::Keysend>(),
    entry::<graph::ListChannels>(),
    entry::<closed::ListClosedChannels>(),
    entry::<server::ListConfigs>(),
    entry::<datastore::ListDatastore>(),
    entry::<forwards::ListForwards>(),
    entry::<listfunds::ListFunds>(),
    entry::<invoices::ListInvoices>(),
    entry::<graph::ListNodes>(),
    entry::<offers::ListOffers>(),
    entry::<listpays::ListPays>(),
    entry::<channels::ListPeerChannels>(),
    entry::<peers::ListPeers>(),
    entry::<listpays::ListSendPays>(),
    entry::<sql::ListSqlSchemas>(),
    entry::<transactions::ListTransactions>(),
    entry::<makesecret::MakeSecret>(),
    entry::<newaddr::NewAddr>(),
    entry::<help::Notifications>(),
    entry::<offers::Offer>(),
    entry::<feerates::ParseFeeRate>(),
    entry::<pay::Pay>(),
    entry::<pay::Renepay>(),
    entry::<refunds::SendInvoice>(),
    entry::<setchannel::SetChannel>(),
    entry::<runes::ShowRunes>(),
    entry::<messages::SignMessage>(),
    entry::<splice::SpliceIn>(),
    entry::<splice::SpliceOut>(),
    entry::<sql::Sql>(),
    entry::<server::Stop>(),
    entry::<wait::Wait>(),
    entry::<waits::WaitAnyInvoice>(),
    entry::<server::WaitBlockHeight>(),
    entry::<waits::WaitInvoice>(),
    entry::<withdraw::Withdraw>(),
    entry::<keysend::Xkeysend>(),
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
    (
        "autoclean-status",
        "what was ever deleted is not counted; invoices.keep_expired_days of the configuration says how \
         long invoices are kept that have expired",
    ),
    (
        "getlog",
        "the log is not kept in memory; read the file that log.file names, or standard error",
    ),
    ("ping", "the node library pings its peers by itself, and has no call for it"),
    ("plugin", "plugins cannot be started while the node runs"),
];

/// The names and usages of all methods.
pub(crate) fn usages() -> impl Iterator<Item = (&'static str, &'static str)> {
    METHODS.iter().map(|method| (method.name, method.usage))
}

/// Whether the answer of this method may be long.
pub(super) fn is_long(name: &str) -> bool {
    METHODS.iter().any(|method| method.name == name && method.is_long)
}

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

/// Whether the node has a method of this name.
pub(super) fn is_known(name: &str) -> bool {
    METHODS.iter().any(|method| method.name == name)
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
