//! Replaces the loopback addresses of tunnels in log lines by the real addresses of peers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use memchr::memmem;

/// The beginning of every loopback address.
const LOOPBACK: &[u8] = b"127.";

/// A process has one log.
static ALIASES: LazyLock<RwLock<HashMap<String, String>>> = LazyLock::new(RwLock::default);

/// Replaces an address by a name in log lines, until this is dropped.
pub(crate) struct Alias(String);

impl Alias {
    /// Replaces `address`, which is `127.x.x.x:port`, by `name`.
    pub(crate) fn new(address: String, name: String) -> Self {
        let mut aliases = ALIASES.write().unwrap_or_else(PoisonError::into_inner);
        aliases.insert(address.clone(), name);
        Self(address)
    }
}

impl Drop for Alias {
    fn drop(&mut self) {
        ALIASES.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Replaces the addresses in a line. A line without any costs one search of its bytes.
pub(super) fn replace(line: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let mut replaced = Vec::new();
    let mut copied = 0;
    for begin in memmem::find_iter(&line, LOOPBACK) {
        let is_in_address = |byte: &&u8| byte.is_ascii_digit() || b".:".contains(*byte);
        let end = begin + line[begin..].iter().take_while(is_in_address).count();
        // The address may end a sentence.
        let address = str::from_utf8(&line[begin..end]).unwrap_or_default();
        let address = address.trim_end_matches(['.', ':']);
        let aliases = ALIASES.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = aliases.get(address) {
            replaced.extend_from_slice(&line[copied..begin]);
            replaced.extend_from_slice(name.as_bytes());
            copied = begin + address.len();
        }
    }
    if copied == 0 {
        return line;
    }
    replaced.extend_from_slice(&line[copied..]);
    Cow::Owned(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(line: &str) -> String {
        String::from_utf8(replace(line.as_bytes().into()).into_owned()).unwrap()
    }

    #[test]
    fn addresses_of_tunnels_are_replaced_and_no_others() {
        let alias = Alias::new("127.3.2.1:4567".to_owned(), "peer.example:9735".to_owned());
        for (line, expected) in [
            ("to 02ab@127.3.2.1:4567", "to 02ab@peer.example:9735"),
            (
                "to 127.3.2.1:4567. And 127.3.2.1:4567!",
                "to peer.example:9735. And peer.example:9735!",
            ),
            ("127.3.2.1:45678 127.3.2.1 27.3.2.1:4567", "127.3.2.1:45678 127.3.2.1 27.3.2.1:4567"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(replaced(line), expected);
        }
        drop(alias);
        assert_eq!(replaced("127.3.2.1:4567"), "127.3.2.1:4567");
    }
}
