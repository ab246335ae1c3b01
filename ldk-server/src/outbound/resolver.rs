//! Looks up the addresses of hosts, and gives out only those that may be connected to. A connection is
//! made to one of these, so a name that changes its address meanwhile leads nowhere else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::reach::{AddressRefused, Reach};

/// How long a look-up may take that only checks.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Resolves names to the addresses within reach.
#[derive(Clone, Copy)]
pub(super) struct Resolver(pub(super) Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found: Vec<_> = lookup_host((name.as_str(), 0)).await?.collect();
            let addresses: Addrs = Box::new(within(reach, found)?.into_iter());
            Ok(addresses)
        })
    }
}

/// Those addresses that may be connected to. An error if there is none.
fn within(
    reach: Reach,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let (mut allowed, mut refused) = (Vec::new(), None);
    for address in found {
        match reach.refusal(address.ip()) {
            None => allowed.push(address),
            Some(refusal) => refused = Some(refusal),
        }
    }
    match refused {
        Some(refused) if allowed.is_empty() => Err(format!("the host {refused}").into()),
        _ if allowed.is_empty() => {
            Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address").into())
        },
        _ => Ok(allowed),
    }
}

/// Says why a host cannot be connected to, if that is known by now. A host that has no address yet may get
/// one.
pub(crate) async fn refusal(host: &str, port: u16, reach: Reach) -> Option<AddressRefused> {
    if let Ok(address) = host.parse() {
        return reach.refusal(address);
    }
    let looked_up = timeout(LOOKUP_TIMEOUT, lookup_host((host, port))).await;
    let found: Vec<IpAddr> = looked_up.ok()?.ok()?.map(|address| address.ip()).collect();
    let refusals: Vec<_> = found.iter().filter_map(|address| reach.refusal(*address)).collect();
    if refusals.len() == found.len() { refusals.into_iter().next() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
    }

    const KEY: &str = "webhooks.allow_private";

    fn reach(is_encrypted: bool, allow_private: bool) -> Reach {
        Reach::new(is_encrypted, allow_private, KEY)
    }

    #[test]
    fn only_addresses_within_reach_are_given_out() {
        let found = || addresses(&["127.0.0.1", "8.8.8.8", "::ffff:8.8.4.4", "fd00::1"]);
        let public = reach(true, false);
        assert_eq!(within(public, found()).unwrap(), addresses(&["8.8.8.8"]));
        let private = addresses(&["127.0.0.1", "::ffff:8.8.4.4", "fd00::1"]);
        assert_eq!(within(reach(false, true), found()).unwrap(), private);
        assert_eq!(within(reach(true, true), found()).unwrap(), found());
        let refused = within(public, addresses(&["10.0.0.1"])).unwrap_err().to_string();
        assert!(refused.contains("10.0.0.1") && refused.contains(KEY), "{refused}");
        assert!(within(reach(true, true), Vec::new()).is_err());
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused() {
        let refused = refusal("localhost", 443, reach(true, false)).await.unwrap();
        assert!(
            matches!(refused, AddressRefused::NotPublic { address, .. } if address.is_loopback())
        );
        assert_eq!(refusal("localhost", 443, reach(true, true)).await, None);
        let resolved = Resolver(reach(true, false)).resolve("localhost".parse().unwrap()).await;
        assert!(resolved.err().unwrap().to_string().contains("not a public address"));
    }
}
