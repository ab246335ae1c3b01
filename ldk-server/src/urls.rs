//! Finds the secrets in URLs: the login before the host, and the values of the query, where providers
//! put API keys (`?key=…`).

use std::ops::Range;

use memchr::memmem;

const SCHEME_END: &[u8] = b"://";
/// The bytes that end a URL within a text.
const ENDS: &[u8] = b" \t\r\n\"'`<>";

/// Replaces a secret.
const MASK: &str = "********";

/// The positions of the secrets of all URLs in a text, in order.
pub(crate) fn secrets(text: &[u8]) -> Vec<Range<usize>> {
    memmem::find_iter(text, SCHEME_END).flat_map(|at| of_url(text, at + SCHEME_END.len())).collect()
}

/// The secrets of the URL whose login or host begins at `begin`.
fn of_url(text: &[u8], begin: usize) -> Vec<Range<usize>> {
    let end = position(text, begin, text.len(), |byte| ENDS.contains(&byte));
    let authority_end = position(text, begin, end, |byte| b"/?#".contains(&byte));
    let login_end = (begin..authority_end).rev().find(|at| text[*at] == b'@');
    let login = login_end.map(|at| begin..at);
    let query = position(text, authority_end, end, |byte| byte == b'?');
    let mut secrets: Vec<_> = login.into_iter().collect();
    let mut at = query;
    while at < end {
        let name_end = position(text, at, end, |byte| byte == b'=');
        let value_end = position(text, name_end, end, |byte| b"&#".contains(&byte));
        let value = (name_end + 1).min(value_end)..value_end;
        secrets.extend((!value.is_empty()).then_some(value));
        at = value_end + 1;
    }
    secrets
}

/// The position of the first such byte from `begin` to `end`, or `end`.
fn position(text: &[u8], begin: usize, end: usize, is_wanted: impl Fn(u8) -> bool) -> usize {
    let found = text.get(begin..end).and_then(|part| part.iter().position(|byte| is_wanted(*byte)));
    found.map_or(end, |at| begin + at)
}

/// Replaces the secrets of all URLs in a text by stars.
pub(crate) fn masked(text: &str) -> String {
    let mut public = String::with_capacity(text.len());
    let mut rest_at = 0;
    for secret in secrets(text.as_bytes()) {
        // Secrets begin and end next to ASCII, so they are whole characters.
        public.push_str(text.get(rest_at..secret.start).unwrap_or_default());
        public.push_str(MASK);
        rest_at = secret.end;
    }
    public.push_str(text.get(rest_at..).unwrap_or_default());
    public
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_and_keys_are_masked_and_nothing_else() {
        for (text, expected) in [
            ("https://a.example/api?key=hunter2", "https://a.example/api?key=********"),
            ("https://a/?a=1&token=x%20y#top", "https://a/?a=********&token=********#top"),
            ("https://a?key=", "https://a?key="),
            ("https://a?flag", "https://a?flag"),
            ("tcp://me:hunter2@a:50001", "tcp://********@a:50001"),
            ("https://me:p@ss@a/b@c?k=v", "https://********@a/b@c?k=********"),
            (
                "cannot get (https://a/x?key=s): timed out",
                "cannot get (https://a/x?key=******** timed out",
            ),
            (
                "two: \"http://a?k=1\" \"http://u@b\"",
                "two: \"http://a?k=********\" \"http://********@b\"",
            ),
            ("02ab@127.0.0.1:9735 what? a=b", "02ab@127.0.0.1:9735 what? a=b"),
            ("https://a?käse=ü&b=é", "https://a?käse=********&b=********"),
            ("://", "://"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(://|[?&#=@/]|[a-zé \"]{0,5})*") {
            masked(&text);
        }
    }
}
