//! Human-readable names (BIP 353), resolved by DNS.

use std::net::SocketAddr;
use std::time::Duration;

use bitcoin_payment_instructions::dns_resolver::DNSHrnResolver;
use bitcoin_payment_instructions::hrn_resolution::{HrnResolution, HrnResolver, HumanReadableName};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::bulkhead::Bulkhead;
use crate::config::{HostPort, HrnConfig};
use crate::error::{Error, quoted};

/// Maximum number of concurrent look-ups.
const MAX_LOOKING_UP: usize = 32;

/// The resolver of names.
#[derive(Clone)]
pub struct Names {
    dns_server: HostPort,
    timeout: Duration,
    looking_up: Bulkhead,
}

impl Names {
    /// Creates the configured resolver.
    pub fn new(config: &HrnConfig) -> Self {
        let full = format!("{MAX_LOOKING_UP} names are being looked up");
        Self {
            dns_server: config.dns_server.clone(),
            timeout: config.timeout,
            looking_up: Bulkhead::new(MAX_LOOKING_UP, &full),
        }
    }

    /// Asks the DNS server. What it answers counts only with a proof (DNSSEC).
    /// The look-up ends by itself, or when the caller gives up.
    pub(crate) async fn resolve(&self, name: &str) -> Result<String, Error> {
        let _place = self.looking_up.try_enter()?;
        let answer = async { ask(name, &DNSHrnResolver(self.server().await?)).await };
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
pub(crate) fn is_name(text: &str) -> bool {
    HumanReadableName::from_encoded(text).is_ok()
}

/// Asks a resolver for the text of payment instructions that a name stands for.
async fn ask(name: &str, resolver: &(impl HrnResolver + Sync)) -> Result<String, Error> {
    let parsed = HumanReadableName::from_encoded(name)
        .map_err(|()| Error::invalid("uri", format!("{} is no name", quoted(name))))?;
    match resolver.resolve_hrn(&parsed).await {
        Ok(HrnResolution::DNSSEC { result, .. }) => Ok(result),
        Ok(HrnResolution::LNURLPay { .. }) => Err(unresolved(name, "it leads to an LNURL")),
        Err(reason) => Err(unresolved(name, reason)),
    }
}

/// It may be again, or for somebody else: what is wrong is not what was asked.
fn unresolved(name: &str, reason: &str) -> Error {
    let name = quoted(name);
    Error::FailedPrecondition(format!(
        "the name {name} cannot be resolved: {reason}; a Lightning address is paid by LnurlPay (lnurl-pay)"
    ))
}

#[cfg(test)]
mod fake {
    //! A resolver that has an answer.

    use bitcoin_payment_instructions::amount::Amount;
    use bitcoin_payment_instructions::hrn_resolution::{
        HrnResolutionFuture, LNURLResolutionFuture,
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
    pub(crate) async fn resolve(name: &str, book: &Book) -> Result<String, Error> {
        ask(name, book).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::net::TcpListener;

    use super::fake::Book;
    use super::*;

    const ADDRESS: &str = "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x";

    fn names(port: u16) -> Names {
        let dns_server = HostPort { host: "127.0.0.1".to_owned(), port };
        Names::new(&HrnConfig { dns_server, timeout: Duration::from_millis(300) })
    }

    fn refusal(read: Result<String, Error>) -> String {
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
            assert_eq!(
                fake::resolve(name, &book).await.ok().as_ref(),
                Some(&book.result),
                "{name}"
            );
        }
        let refused = refusal(fake::resolve("bob@example.com", &book).await);
        assert!(refused.contains("FailedPrecondition"), "{refused}");
        assert!(refused.contains("not in the book"), "{refused}");
    }

    #[tokio::test]
    async fn a_silent_server_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let names = names(silent.local_addr().unwrap().port());
        let begun = Instant::now();
        let refused = refusal(names.resolve("alice@example.com").await);
        assert!(refused.contains("took more than"), "{refused}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn an_absent_server_is_told() {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let refused = refusal(names(port).resolve("alice@example.com").await);
        assert!(refused.contains("FailedPrecondition"), "{refused}");
    }
}
