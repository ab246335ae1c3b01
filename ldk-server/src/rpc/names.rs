//! What a payer is given, read into instructions: URIs, invoices, offers and addresses as they are,
//! and names (BIP 353) by asking a DNS server.

use std::net::SocketAddr;
use std::time::Duration;

use bitcoin_payment_instructions::dns_resolver::DNSHrnResolver;
use bitcoin_payment_instructions::hrn_resolution::{
    DummyHrnResolver, HrnResolver, HumanReadableName,
};
use bitcoin_payment_instructions::{ParseError, PaymentInstructions};
use ldk_node::bitcoin::Network;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::{fields, pasted};
use crate::config::{HostPort, HrnConfig};
use crate::error::Error;
use crate::wire::faults;

const FIELD: &str = "uri";
/// Several offers and invoices fit into it.
const MAX_BYTES: usize = 16 * 1024;

/// Where names are looked up.
#[derive(Clone)]
pub struct Names {
    dns_server: HostPort,
    timeout: Duration,
}

impl Names {
    /// As configured.
    pub fn new(config: &HrnConfig) -> Self {
        Self { dns_server: config.dns_server.clone(), timeout: config.timeout }
    }

    /// Asks the DNS server. What it answers counts only with a proof (DNSSEC).
    pub(super) async fn resolve(
        &self,
        name: &str,
        network: Network,
    ) -> Result<PaymentInstructions, Error> {
        let answer = async { read(name, network, &DNSHrnResolver(self.server().await?)).await };
        timeout(self.timeout, answer).await.unwrap_or_else(|_| {
            let (server, secs) = (&self.dns_server, self.timeout.as_secs());
            Err(unresolved(name, &format!("the DNS server {server} took more than {secs} s")))
        })
    }

    async fn server(&self) -> Result<SocketAddr, Error> {
        let HostPort { host, port } = &self.dns_server;
        let found = lookup_host((host.as_str(), *port)).await.ok().and_then(|mut all| all.next());
        found.ok_or_else(|| {
            let server = &self.dns_server;
            Error::FailedPrecondition(format!("the DNS server {server} is not found"))
        })
    }
}

/// Whether it has to be looked up.
pub(super) fn is_name(text: &str) -> bool {
    HumanReadableName::from_encoded(text).is_ok()
}

/// Reads what is no name.
pub(super) async fn read_here(text: &str, network: Network) -> Result<PaymentInstructions, Error> {
    if text.len() > MAX_BYTES {
        let reason = format!("has {} bytes; at most {MAX_BYTES}", text.len());
        return Err(Error::invalid(FIELD, reason));
    }
    read(text, network, &DummyHrnResolver).await
}

async fn read(
    text: &str,
    network: Network,
    resolver: &(impl HrnResolver + Sync),
) -> Result<PaymentInstructions, Error> {
    let mut read = PaymentInstructions::parse(text, network, resolver, false).await;
    if network == Network::Testnet4 && matches!(read, Err(ParseError::WrongNetwork)) {
        // The reader takes every invoice for a test network to be for the older one. Whoever pays
        // looks at the network once more.
        read = PaymentInstructions::parse(text, Network::Testnet, resolver, false).await;
    }
    read.map_err(|error| unreadable(text, network, error))
}

fn unreadable(text: &str, network: Network, error: ParseError) -> Error {
    let invalid =
        |reason: String| Error::invalid(FIELD, format!("{} {reason}", fields::quoted(text)));
    match error {
        ParseError::InvalidBolt11(error) => {
            invalid(format!("has an unreadable invoice: {}", faults::of_invoice(&error)))
        },
        ParseError::InvalidBolt12(error) => {
            invalid(format!("has an unreadable offer: {}", faults::of_offer(&error)))
        },
        ParseError::InvalidOnChain(_) => {
            let address = pasted::address(text).unwrap_or(text);
            let fault = faults::of_address(address);
            let fault = fault.map(|fault| format!(": {fault}")).unwrap_or_default();
            invalid(format!("has an unreadable Bitcoin address{fault}"))
        },
        ParseError::InvalidArk(_) => invalid("has an unreadable Ark address".to_owned()),
        ParseError::InvalidCashu(_) => invalid("has an unreadable Cashu request".to_owned()),
        ParseError::WrongNetwork => {
            invalid(format!("is for another network; this node is on {network}"))
        },
        ParseError::InconsistentInstructions(reason) | ParseError::InvalidInstructions(reason) => {
            invalid(format!("is in itself wrong: {reason}"))
        },
        ParseError::UnknownPaymentInstructions => {
            let accepted = "is no bitcoin: or lightning: URI, name, offer, invoice or address";
            invalid(pasted::instead_of(FIELD, text).unwrap_or_else(|| accepted.to_owned()))
        },
        ParseError::UnknownRequiredParameter => {
            invalid("requires (req-) what this node does not know".to_owned())
        },
        ParseError::HrnResolutionError(reason) if is_name(text) => unresolved(text, reason),
        ParseError::InvalidLnurl(_) | ParseError::HrnResolutionError(_) => {
            invalid("is an LNURL, which this node does not take".to_owned())
        },
        ParseError::InstructionsExpired => {
            Error::FailedPrecondition("what the uri asks to be paid has expired".to_owned())
        },
    }
}

/// It may be again, or for somebody else: what is wrong is not what was asked.
fn unresolved(name: &str, reason: &str) -> Error {
    let name = fields::quoted(name);
    Error::FailedPrecondition(format!("the name {name} cannot be resolved: {reason}"))
}

#[cfg(test)]
pub(super) mod fake {
    //! A resolver that has an answer.

    use bitcoin_payment_instructions::amount::Amount;
    use bitcoin_payment_instructions::hrn_resolution::{
        HrnResolution, HrnResolutionFuture, LNURLResolutionFuture,
    };

    use super::*;

    /// Knows one name.
    pub(crate) struct Book {
        pub(crate) name: &'static str,
        pub(crate) result: String,
    }

    impl HrnResolver for Book {
        fn resolve_hrn<'a>(&'a self, name: &'a HumanReadableName) -> HrnResolutionFuture<'a> {
            let known = self.name == format!("{}@{}", name.user(), name.domain());
            let result = HrnResolution::DNSSEC { proof: None, result: self.result.clone() };
            Box::pin(async move { if known { Ok(result) } else { Err("not in the book") } })
        }

        fn resolve_lnurl<'a>(&'a self, _: &'a str) -> HrnResolutionFuture<'a> {
            Box::pin(async { Err("no LNURL") })
        }

        fn resolve_lnurl_to_invoice<'a>(
            &'a self,
            _: String,
            _: Amount,
            _: [u8; 32],
        ) -> LNURLResolutionFuture<'a> {
            Box::pin(async { Err("no LNURL") })
        }
    }

    /// As [`Names::resolve`], by the book.
    pub(crate) async fn resolve(name: &str, book: &Book) -> Result<PaymentInstructions, Error> {
        read(name, Network::Regtest, book).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_util::FutureExt as _;
    use proptest::prelude::*;
    use tokio::net::TcpListener;

    use super::fake::Book;
    use super::*;

    const ADDRESS: &str = "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x";

    fn names(port: u16) -> Names {
        let dns_server = HostPort { host: "127.0.0.1".to_owned(), port };
        Names { dns_server, timeout: Duration::from_millis(300) }
    }

    fn refusal(read: Result<PaymentInstructions, Error>) -> String {
        read.err().map(|error| format!("{error:?}")).unwrap_or_default()
    }

    #[test]
    fn names_are_told_from_what_else_has_an_at() {
        for name in ["alice@example.com", "₿alice@example.com", "a.b-c@x.example"] {
            assert!(is_name(name), "{name}");
        }
        let uri = format!("bitcoin:{ADDRESS}?label=alice@example.com");
        for other in ["", "@", "alice@", ADDRESS, &uri, "al ice@example.com"] {
            assert!(!is_name(other), "{other}");
        }
    }

    #[tokio::test]
    async fn a_name_is_what_it_resolves_to() {
        let book = Book { name: "alice@example.com", result: format!("bitcoin:{ADDRESS}") };
        for name in ["alice@example.com", "₿alice@example.com"] {
            assert!(fake::resolve(name, &book).await.is_ok(), "{name}");
        }
        let refused = refusal(fake::resolve("bob@example.com", &book).await);
        assert!(refused.contains("FailedPrecondition"), "{refused}");
        assert!(refused.contains("not in the book"), "{refused}");
        let garbage = Book { name: "alice@example.com", result: "bitcoin:coffee".to_owned() };
        let refused = refusal(fake::resolve("alice@example.com", &garbage).await);
        assert!(refused.contains("InvalidArgument"), "{refused}");
    }

    #[tokio::test]
    async fn a_silent_server_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let names = names(silent.local_addr().unwrap().port());
        let begun = Instant::now();
        let refused = refusal(names.resolve("alice@example.com", Network::Regtest).await);
        assert!(refused.contains("took more than"), "{refused}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn an_absent_server_is_told() {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let refused = refusal(names(port).resolve("alice@example.com", Network::Regtest).await);
        assert!(refused.contains("FailedPrecondition"), "{refused}");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_refused_and_cut() {
        let long = "a".repeat(MAX_BYTES);
        let foreign = "bitcoin:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4".to_owned();
        let required = format!("bitcoin:{ADDRESS}?req-somethingyoudontunderstand=50");
        let lnurl =
            "LNURL1DP68GURN8GHJ7MRWW4EXCTNDW46XJMNEDEJHGTNRDAKJ7TNHV4KXCTTTDEHHWM30D3H82UNV\
                     WQHHYETXW4HXG0AH8NK"
                .to_owned();
        for text in [String::new(), "coffee".to_owned(), long, foreign, required, lnurl] {
            let refused = refusal(read_here(&text, Network::Regtest).await);
            assert!(refused.contains("InvalidArgument") && refused.contains("uri"), "{refused}");
            assert!(refused.len() < 400, "{refused}");
        }
        let longer = refusal(read_here(&"a".repeat(MAX_BYTES + 1), Network::Regtest).await);
        assert!(longer.contains("has 16385 bytes; at most 16384"), "{longer}");
    }

    proptest! {
        // Whatever it is, the reader must not panic: that would end the node.
        #[test]
        fn any_text_is_read_or_refused(
            prefix in "(bitcoin:|BITCOIN:|lightning:|bitcoin:\\?|bitcoin:\\?lno=|bitcoin:\\?creq=|creqB1|)",
            text in ".{0,60}",
        ) {
            let text = format!("{prefix}{text}");
            prop_assert!(read_here(&text, Network::Regtest).now_or_never().is_some());
        }

        #[test]
        fn any_cashu_request_and_lnurl_is_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            use ldk_node::bitcoin::bech32::{Bech32, Bech32m, Hrp, encode};
            let cashu = encode::<Bech32m>(Hrp::parse_unchecked("creqb"), &bytes).unwrap();
            let lnurl = encode::<Bech32>(Hrp::parse_unchecked("lnurl"), &bytes).unwrap();
            for text in [cashu.to_uppercase(), format!("bitcoin:?creq={cashu}"), lnurl] {
                prop_assert!(read_here(&text, Network::Regtest).now_or_never().is_some());
            }
        }
    }
}
