//! Addresses on the Internet.

use std::net::{IpAddr, Ipv6Addr};

/// What an address is counted under: with IPv6 its network of 64 bits, which is what a subscriber has.
pub(crate) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        },
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_has_an_address_or_a_network() {
        for (address, expected) in [
            ("1.2.3.4", "1.2.3.4"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::1"),
        ] {
            let subscriber = subscriber(address.parse().unwrap());
            assert_eq!(subscriber, expected.parse::<IpAddr>().unwrap(), "{address}");
        }
    }
}
