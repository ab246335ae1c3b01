//! Bitcoin Core's cookie file, which it rewrites at each of its starts.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::config::{BitcoindAuth, ChainSource};

const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Detects that the credentials in the cookie file are not those that the node was built with.
/// Bitcoin Core then refuses the node, and the node library cannot change its credentials.
pub struct CookieWatch(Option<Cookie>);

struct Cookie {
    path: PathBuf,
    used: Zeroizing<String>,
}

impl CookieWatch {
    /// Remembers the current cookie. Must be called before the node is built, so that a later
    /// change is detected.
    pub fn new(chain_source: &ChainSource) -> Self {
        let ChainSource::Bitcoind(bitcoind) = chain_source else { return Self(None) };
        let BitcoindAuth::CookieFile(path) = &bitcoind.auth else { return Self(None) };
        let used = Zeroizing::new(fs::read_to_string(path).unwrap_or_default());
        Self(Some(Cookie { path: path.clone(), used }))
    }

    /// Waits until the file contains another cookie; forever without a cookie file.
    pub async fn replaced(&self) {
        let Some(Cookie { path, used }) = &self.0 else { return std::future::pending().await };
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            // While Bitcoin Core is down there is no file, and for an instant an empty one.
            let found = Zeroizing::new(fs::read_to_string(path).unwrap_or_default());
            if !found.is_empty() && found != *used {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::config::{BitcoindConfig, HostPort};

    #[tokio::test(start_paused = true)]
    async fn another_cookie_is_noticed_and_a_missing_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".cookie");
        fs::write(&path, "__cookie__:first").unwrap();
        let watch = CookieWatch::new(&ChainSource::Bitcoind(BitcoindConfig {
            rpc: HostPort { host: "127.0.0.1".to_owned(), port: 8332 },
            auth: BitcoindAuth::CookieFile(path.clone()),
            rest: None,
        }));
        let mut replaced = std::pin::pin!(watch.replaced());
        let mut is_replaced = || {
            let mut context = Context::from_waker(Waker::noop());
            replaced.as_mut().poll(&mut context) == Poll::Ready(())
        };
        assert!(!is_replaced());
        fs::remove_file(&path).unwrap();
        tokio::time::advance(CHECK_INTERVAL * 2).await;
        assert!(!is_replaced());
        fs::write(&path, "__cookie__:second").unwrap();
        tokio::time::advance(CHECK_INTERVAL * 2).await;
        assert!(is_replaced());
    }
}
