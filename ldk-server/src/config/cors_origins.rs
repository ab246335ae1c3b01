//! The origins of web pages that may call this server, besides its own.

use regex::Regex;

/// Which origins may call. By default none but the server's own.
#[derive(Clone, Debug, Default)]
pub struct CorsOrigins(Vec<Rule>);

#[derive(Clone, Debug)]
enum Rule {
    Every,
    Exactly(String),
    Matching(Regex),
}

impl CorsOrigins {
    /// Reads a list of origins, `*`, and regular expressions, each of which a whole origin must match.
    pub(super) fn parse(entries: &[String]) -> Result<Self, String> {
        entries.iter().map(|entry| Rule::parse(entry)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether pages of this origin may call.
    pub fn allow(&self, origin: &str) -> bool {
        self.0.iter().any(|rule| match rule {
            Rule::Every => true,
            Rule::Exactly(allowed) => allowed.eq_ignore_ascii_case(origin),
            Rule::Matching(pattern) => pattern.is_match(origin),
        })
    }
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, String> {
        if entry == "*" {
            return Ok(Self::Every);
        }
        if is_origin(entry) {
            return Ok(Self::Exactly(entry.to_owned()));
        }
        // Between the ends of the text, even if it begins or ends with a choice.
        let pattern = Regex::new(&format!("^(?:{entry})$"));
        let is_about_origins = entry.contains("://");
        pattern.ok().filter(|_| is_about_origins).map(Self::Matching).ok_or_else(|| {
            format!(
                "{entry:?} is no origin; accepted are scheme://host:port without a path, a regular \
                 expression for that, and *"
            )
        })
    }
}

/// Whether this is an origin as browsers write it, and no regular expression.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b".:-".contains(&letter);
    // The address in brackets, if it is one of IPv6. Other brackets are those of an expression.
    let (address, rest) =
        host.strip_prefix('[').and_then(|host| host.split_once(']')).unwrap_or(("", host));
    let is_address = address.bytes().all(|letter| letter.is_ascii_hexdigit() || letter == b':');
    matches!(scheme, "http" | "https")
        && !host.is_empty()
        && is_address
        && rest.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(entries: &[&str], origin: &str) -> bool {
        let entries: Vec<_> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        CorsOrigins::parse(&entries).unwrap().allow(origin)
    }

    #[test]
    fn an_origin_is_compared_whole() {
        let entries = ["https://shop.example", "http://192.168.1.50:3030"];
        assert!(allowed(&entries, "https://shop.example"));
        assert!(allowed(&entries, "http://192.168.1.50:3030"));
        for other in [
            "http://shop.example",
            "https://shop.example:444",
            "https://shop.example.evil.example",
            "https://shopxexample",
            "https://evil.example/https://shop.example",
            "null",
            "",
        ] {
            assert!(!allowed(&entries, other), "{other}");
        }
        assert!(!allowed(&[], "https://shop.example"));
        assert!(allowed(&["*"], "https://evil.example"));
    }

    #[test]
    fn a_pattern_must_match_the_whole_origin() {
        // As the documents of CLNRest have it.
        let ports = "https?://127.0.0.1:([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|\
                     655[0-2][0-9]|6553[0-5])";
        assert!(allowed(&[ports], "http://127.0.0.1:65535"));
        assert!(!allowed(&[ports], "http://127.0.0.1:65536"));
        let choice = ["^https://(a|b)\\.example$"];
        assert!(allowed(&choice, "https://a.example"));
        assert!(!allowed(&choice, "https://aXexample"));
        assert!(!allowed(&["https://a|https://b.example.*"], "https://a.evil.example"));
        let class = ["https://till[0-9]", "http://[a-f].example:[0-9]"];
        assert!(allowed(&class, "https://till7"));
        assert!(allowed(&class, "http://a.example:8"));
        assert!(!allowed(&class, "https://till[0-9]"));
        assert!(allowed(&["http://[::1]:80"], "http://[::1]:80"));
        assert!(!allowed(&["http://[::1]:80"], "http://:80"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for entry in ["", "shop.example", "https://shop.example/(", "[", "https://a/b/("] {
            assert!(CorsOrigins::parse(&[entry.to_owned()]).is_err(), "{entry}");
        }
    }
}
