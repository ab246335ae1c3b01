//! Where a webhook may lead.

use std::net::IpAddr;

use reqwest::Url;

use crate::outbound::{AddressRefused, Reach};

const MAX_URL_CHARS: usize = 2_048;

/// The key of the configuration that allows private receivers.
pub(crate) const ALLOW_PRIVATE: &str = "webhooks.allow_private";

/// A URL that events may be posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Url);

/// Why a URL is none that events may be posted to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetRefused {
    /// It is too long.
    #[error("must have at most {MAX_URL_CHARS} characters")]
    TooLong,
    /// It is no URL.
    #[error("must be a URL such as https://shop.example.org/events")]
    NotUrl,
    /// It is for another protocol.
    #[error("must begin with https://")]
    NotHttps,
    /// It is for another protocol, and private receivers are allowed.
    #[error("must begin with https://, or for a private address with http://")]
    NotHttp,
    /// It has a user or a password.
    #[error("must have no user and password; deliveries are signed")]
    Login,
    /// It has a fragment.
    #[error("must have no fragment (#)")]
    Fragment,
    /// It leads into Tor.
    #[error("is an onion address, which webhooks cannot reach")]
    Onion,
    /// Its address is not allowed.
    #[error(transparent)]
    Address(#[from] AddressRefused),
}

impl Target {
    /// Reads a URL. Its host may still turn out to have an address that is not allowed.
    pub fn parse(text: &str, allow_private: bool) -> Result<Self, TargetRefused> {
        if text.len() > MAX_URL_CHARS {
            return Err(TargetRefused::TooLong);
        }
        let url = Url::parse(text).map_err(|_| TargetRefused::NotUrl)?;
        match url.scheme() {
            "https" => {},
            "http" if allow_private => {},
            _ if allow_private => return Err(TargetRefused::NotHttp),
            _ => return Err(TargetRefused::NotHttps),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetRefused::Login);
        }
        if url.fragment().is_some() {
            return Err(TargetRefused::Fragment);
        }
        let target = Self(url);
        target.check_host(allow_private)?;
        Ok(target)
    }

    fn check_host(&self, allow_private: bool) -> Result<(), TargetRefused> {
        let host = self.host().trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            return Err(TargetRefused::NotUrl);
        }
        if host == "onion" || host.ends_with(".onion") {
            return Err(TargetRefused::Onion);
        }
        let refusal = self.literal().and_then(|at| self.reach(allow_private).refusal(at));
        refusal.map_or(Ok(()), |refused| Err(refused.into()))
    }

    /// The addresses that its host may have.
    pub(super) fn reach(&self, allow_private: bool) -> Reach {
        Reach::new(self.is_encrypted(), allow_private, ALLOW_PRIVATE)
    }

    fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host, without brackets.
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// The port, which may be that of the protocol.
    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// The address, if the URL has one in place of a name.
    fn literal(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// The URL.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str, allow_private: bool) -> String {
        Target::parse(text, allow_private).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_public_receiver_needs_https() {
        for text in
            ["https://shop.example.org", "https://8.8.8.8:8443/a?b=c", "https://[2606:4700::1]/"]
        {
            assert_eq!(refusal(text, false), "", "{text}");
            assert_eq!(refusal(text, true), "", "{text}");
        }
        assert!(refusal("http://shop.example.org", false).contains("https://"));
        assert!(refusal("http://8.8.8.8/", true).contains("use https://"));
        for text in ["ftp://shop.example.org", "file:///etc/passwd", "gopher://x", "unix:/run/x"] {
            assert!(refusal(text, false).contains("https://"), "{text}");
            assert!(refusal(text, true).contains("https://"), "{text}");
        }
    }

    #[test]
    fn private_receivers_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "0",
            "10.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[fd00::1]",
            "169.254.169.254",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
        ] {
            let text = format!("https://{host}/");
            assert!(refusal(&text, false).contains("not a public address"), "{text}");
            assert_eq!(refusal(&text, true), "", "{text}");
            assert_eq!(refusal(&format!("http://{host}/"), true), "", "{text}");
        }
    }

    #[test]
    fn what_else_is_no_target_is_refused() {
        for (text, reason) in [
            ("", "must be a URL"),
            ("shop.example.org", "must be a URL"),
            ("https://", "must be a URL"),
            ("https://user@shop.example.org", "no user"),
            ("https://:password@shop.example.org", "no user"),
            ("https://shop.example.org/#top", "no fragment"),
            ("https://abc.onion/", "onion"),
            ("https://abc.ONION./", "onion"),
            (&format!("https://shop.example.org/{}", "a".repeat(2_048)), "at most"),
        ] {
            assert!(refusal(text, false).contains(reason), "{text}: {}", refusal(text, false));
            assert!(refusal(text, true).contains(reason), "{text}: {}", refusal(text, true));
        }
    }
}
