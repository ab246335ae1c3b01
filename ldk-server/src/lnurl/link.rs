//! What an LNURL leads to: the texts in which it comes (LUD-01, LUD-16, LUD-17), and the URLs that
//! services name.

use std::net::IpAddr;

use ldk_node::bitcoin::bech32::Bech32;
use ldk_node::bitcoin::bech32::primitives::decode::CheckedHrpstring;
use reqwest::Url;

use crate::outbound::{AddressRefused, Reach};

/// The key of the configuration that allows private addresses.
pub(super) const ALLOW_PRIVATE: &str = "lnurl.allow_private";

const MAX_CHARS: usize = 2_048;
/// The prefix of the texts in bech32.
const HRP: &str = "lnurl";
/// The schemes of LUD-17, without that of logins.
const SCHEMES: [&str; 3] = ["lnurlp:", "lnurlw:", "lnurlc:"];
const LOGIN_SCHEME: &str = "keyauth:";

/// A URL of a service, which may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    url: Url,
    allow_private: bool,
}

/// Why a text is no LNURL, or a URL may not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefused {
    /// It is too long.
    #[error("must have at most {MAX_CHARS} characters")]
    TooLong,
    /// It is something else.
    #[error(
        "must be an LNURL, which begins with lnurl1, lnurlp:// or lnurlw://, or an address such as user@example.org"
    )]
    NotLnurl,
    /// Its text in bech32 is damaged.
    #[error("its checksum is wrong: a letter is wrong or missing")]
    Checksum,
    /// What is in it is no URL.
    #[error("it contains no URL")]
    NoUrl,
    /// The name before the `@` is none.
    #[error("the name before the @ may have letters without accents, digits and -_.+ only")]
    User,
    /// It is for a login.
    #[error("it is for a login, which this node does not take part in")]
    Login,
    /// It is for another protocol.
    #[error("its URL must begin with https://")]
    NotHttps,
    /// It has a user or a password.
    #[error("its URL must have no user and password")]
    Credentials,
    /// It leads into Tor.
    #[error("it leads to an onion address, which this node cannot reach for it")]
    Onion,
    /// Its address is not allowed.
    #[error("it {0}")]
    Address(#[from] AddressRefused),
    /// It leads from an encrypted URL to one that is not.
    #[error("it leads from https:// to http://")]
    Downgrade,
}

impl Link {
    /// Reads what somebody has pasted or scanned, without `lightning:`.
    pub fn parse(text: &str, allow_private: bool) -> Result<Self, LinkRefused> {
        if text.len() > MAX_CHARS {
            return Err(LinkRefused::TooLong);
        }
        let text = text.trim_start_matches('₿');
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("lnurl1") {
            return Self::checked(decoded(text)?, allow_private);
        }
        if lower.starts_with(LOGIN_SCHEME) {
            return Err(LinkRefused::Login);
        }
        if let Some(scheme) = SCHEMES.iter().find(|scheme| lower.starts_with(*scheme)) {
            let rest = text.get(scheme.len()..).unwrap_or_default();
            return Self::checked(
                url(&format!("https://{}", rest.trim_start_matches('/')))?,
                allow_private,
            );
        }
        if lower.starts_with("https://") || lower.starts_with("http://") {
            return Self::checked(fallback(&url(text)?)?, allow_private);
        }
        let (user, domain) = lower.split_once('@').ok_or(LinkRefused::NotLnurl)?;
        Self::checked(of_address(user, domain)?, allow_private)
    }

    /// The URL that a service names as the next to ask, which may be relative to this one.
    pub(super) fn next(&self, text: &str) -> Result<Self, LinkRefused> {
        if text.len() > MAX_CHARS {
            return Err(LinkRefused::TooLong);
        }
        let next = self.url.join(text).map_err(|_| LinkRefused::NoUrl)?;
        let next = Self::checked(next, self.allow_private)?;
        if self.is_encrypted() && !next.is_encrypted() {
            return Err(LinkRefused::Downgrade);
        }
        Ok(next)
    }

    /// The same with more in its query.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    fn checked(mut url: Url, allow_private: bool) -> Result<Self, LinkRefused> {
        match url.scheme() {
            "https" => {},
            "http" if allow_private => {},
            _ => return Err(LinkRefused::NotHttps),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(LinkRefused::Credentials);
        }
        url.set_fragment(None);
        let link = Self { url, allow_private };
        link.check_host()?;
        Ok(link)
    }

    fn check_host(&self) -> Result<(), LinkRefused> {
        let host = self.domain().trim_end_matches('.');
        if host.is_empty() {
            return Err(LinkRefused::NoUrl);
        }
        if host == "onion" || host.ends_with(".onion") {
            return Err(LinkRefused::Onion);
        }
        let reach = Reach::new(self.is_encrypted(), self.allow_private, ALLOW_PRIVATE);
        let literal = host.parse::<IpAddr>().ok();
        literal
            .and_then(|address| reach.refusal(address))
            .map_or(Ok(()), |refused| Err(refused.into()))
    }

    fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host, in ASCII and small letters, without brackets.
    pub fn domain(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

fn url(text: &str) -> Result<Url, LinkRefused> {
    Url::parse(text).map_err(|_| LinkRefused::NoUrl)
}

/// The URL in a text in bech32 (LUD-01).
fn decoded(text: &str) -> Result<Url, LinkRefused> {
    let checked = CheckedHrpstring::new::<Bech32>(text).map_err(|_| LinkRefused::Checksum)?;
    if !checked.hrp().as_str().eq_ignore_ascii_case(HRP) {
        return Err(LinkRefused::NotLnurl);
    }
    let text = String::from_utf8(checked.byte_iter().collect());
    url(&text.map_err(|_| LinkRefused::NoUrl)?)
}

/// The URL in the query of a web page, for those who open it without a wallet (LUD-01).
fn fallback(page: &Url) -> Result<Url, LinkRefused> {
    let mut pairs = page.query_pairs();
    let found = pairs.find(|(name, _)| name.eq_ignore_ascii_case("lightning"));
    decoded(&found.ok_or(LinkRefused::NotLnurl)?.1)
}

/// The URL that an address stands for (LUD-16).
fn of_address(user: &str, domain: &str) -> Result<Url, LinkRefused> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    if user.is_empty() || !user.bytes().all(is_plain) {
        return Err(LinkRefused::User);
    }
    if domain.is_empty() || domain.contains(['/', '?', '#', '@', '\\']) {
        return Err(LinkRefused::NotLnurl);
    }
    url(&format!("https://{domain}/.well-known/lnurlp/{user}")).map_err(|_| LinkRefused::NotLnurl)
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::bech32::{self, Hrp};
    use proptest::prelude::*;

    use super::*;

    fn in_bech32(url: &str) -> String {
        bech32::encode::<Bech32>(Hrp::parse("lnurl").unwrap(), url.as_bytes()).unwrap()
    }

    fn led_to(text: &str) -> Result<String, LinkRefused> {
        Link::parse(text, false).map(|link| link.url().to_string())
    }

    #[test]
    fn an_lnurl_comes_in_many_forms() {
        // The example of LUD-01.
        let example = "LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ0M385EKVCENXC6R2C35XVUKXEFCV5MKVV34X5EKZD3EV56NYD3HXQURZEPEXEJXXEPNXSCRVWFNV9NXZCN9XQ6XYEFHVGCXXCMYXYMNSERXFQ5FNS";
        let expected = "https://service.com/api?q=3fc3645b439ce8e7f2553a69e5267081d96dcd340693afabe04be7b0ccd178df";
        let page = format!("https://service.com/giftcard?id=123&lightning={example}");
        for text in [example, &example.to_lowercase(), &page] {
            assert_eq!(led_to(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("lnurlp://Domain.com/a?b=c", "https://domain.com/a?b=c"),
            ("LNURLW://domain.com/a#top", "https://domain.com/a"),
            ("lnurlp:domain.com/a", "https://domain.com/a"),
            ("Alice@Example.ORG", "https://example.org/.well-known/lnurlp/alice"),
            (
                "₿alice+tea@example.org:8443",
                "https://example.org:8443/.well-known/lnurlp/alice+tea",
            ),
            ("a@bücher.example", "https://xn--bcher-kva.example/.well-known/lnurlp/a"),
        ] {
            assert_eq!(led_to(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_lnurl_is_refused() {
        let example = in_bech32("https://service.com/");
        let wrong = example.replace("lnurl1d", "lnurl1q");
        for (text, refusal) in [
            ("", LinkRefused::NotLnurl),
            ("coffee", LinkRefused::NotLnurl),
            ("https://service.com/", LinkRefused::NotLnurl),
            ("alice@", LinkRefused::NotLnurl),
            ("alice@a/b", LinkRefused::NotLnurl),
            ("@example.org", LinkRefused::User),
            ("ältere@example.org", LinkRefused::User),
            ("a/b@example.org", LinkRefused::User),
            (&wrong, LinkRefused::Checksum),
            (&example[..example.len() - 1], LinkRefused::Checksum),
            (&in_bech32("coffee"), LinkRefused::NoUrl),
            ("keyauth://example.org", LinkRefused::Login),
            (&in_bech32("http://service.com/"), LinkRefused::NotHttps),
            (&in_bech32("ftp://service.com/"), LinkRefused::NotHttps),
            (&in_bech32("https://a:b@service.com/"), LinkRefused::Credentials),
            ("lnurlp://abc.onion/", LinkRefused::Onion),
            (&"a".repeat(MAX_CHARS + 1), LinkRefused::TooLong),
        ] {
            assert_eq!(led_to(text), Err(refusal), "{text}");
        }
    }

    #[test]
    fn private_addresses_need_to_be_allowed() {
        for host in ["127.0.0.1", "127.1", "[::1]", "169.254.169.254", "１２７.0.0.1"] {
            let text = format!("lnurlp://{host}/");
            let refused = led_to(&text).unwrap_err().to_string();
            assert!(refused.contains("lnurl.allow_private"), "{refused}");
            assert!(Link::parse(&text, true).is_ok(), "{text}");
            assert!(Link::parse(&in_bech32(&format!("http://{host}/")), true).is_ok(), "{text}");
        }
        let public = Link::parse(&in_bech32("http://8.8.8.8/"), true).unwrap_err().to_string();
        assert!(public.contains("use https://"), "{public}");
    }

    #[test]
    fn a_service_leads_on_only_to_where_it_could_be_reached_from_outside() {
        let link = Link::parse("lnurlp://service.com/a/b?c=d", true).unwrap();
        let next = |text: &str| link.next(text).map(|link| link.url().to_string());
        assert_eq!(next("/e?f=g").as_deref(), Ok("https://service.com/e?f=g"));
        assert_eq!(next("https://other.org/").as_deref(), Ok("https://other.org/"));
        assert_eq!(next("http://other.org/"), Err(LinkRefused::Downgrade));
        assert_eq!(next("file:///etc/passwd"), Err(LinkRefused::NotHttps));
        let outside = Link::parse("lnurlp://service.com/", false).unwrap();
        assert!(matches!(outside.next("https://10.0.0.1/"), Err(LinkRefused::Address(_))));
        let asked = link.with("comment", "a & b=ü");
        assert_eq!(asked.url().query(), Some("c=d&comment=a+%26+b%3D%C3%BC"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(lnurl1|lnurlp:|LNURLW://|https://|)[^\\n]{0,60}") {
            if let Ok(link) = Link::parse(&text, false) {
                prop_assert_eq!(link.url().scheme(), "https");
            }
        }
    }
}
