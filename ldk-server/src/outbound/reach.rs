//! Which addresses may be connected to.

use std::net::IpAddr;

use super::address::is_public;

/// The addresses that a host may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    hosts: Hosts,
    /// The key of the configuration that allows private addresses.
    key: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hosts {
    /// Those with public addresses.
    Public,
    /// Those with other addresses.
    Private,
    /// All.
    Anywhere,
}

/// Why an address may not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// It is not public.
    #[error("leads to {address}, which is not a public address; {key} allows that")]
    NotPublic {
        /// The address.
        address: IpAddr,
        /// The key of the configuration that allows it.
        key: &'static str,
    },
    /// It is public, where TLS is needed.
    #[error("leads to {0}, a public address: use https://")]
    Unencrypted(IpAddr),
}

impl Reach {
    /// With TLS that is all public addresses, and if the key with this name allows it, private ones as
    /// well. Without TLS it is private ones only.
    pub(crate) fn new(is_encrypted: bool, allow_private: bool, key: &'static str) -> Self {
        let hosts = match (is_encrypted, allow_private) {
            (true, false) => Hosts::Public,
            (true, true) => Hosts::Anywhere,
            (false, _) => Hosts::Private,
        };
        Self { hosts, key }
    }

    /// Says why this address may not be connected to, if so.
    pub(crate) fn refusal(self, address: IpAddr) -> Option<AddressRefused> {
        match (self.hosts, is_public(address)) {
            (Hosts::Public, false) => Some(AddressRefused::NotPublic { address, key: self.key }),
            (Hosts::Private, true) => Some(AddressRefused::Unencrypted(address)),
            (Hosts::Public, true) | (Hosts::Private, false) | (Hosts::Anywhere, _) => None,
        }
    }
}
