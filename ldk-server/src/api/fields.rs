//! Parses request fields. Errors name the field.

use std::borrow::Cow;
use std::str::FromStr as _;
use std::time::Duration;

use ldk_node::UserChannelId;
use ldk_node::bitcoin::address::NetworkUnchecked;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::bitcoin::{Address, Network};
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::offers::offer::Offer;
use ldk_node::lightning::offers::refund::Refund;
use ldk_node::lightning_invoice::{Bolt11Invoice, Currency};

use super::pasted;
use crate::error::{Error, quoted};
pub(super) use crate::ops::bounds::{
    MAX_MONEY_SAT, amount_msat, amount_sat, at_most, output_sat, positive,
};
use crate::wire::faults;

/// The default port of Lightning nodes (BOLT 1).
const DEFAULT_PORT: u16 = 9735;

/// Parses `N` bytes in hexadecimal.
pub(super) fn hex<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| {
        Error::invalid(field, format!("{} must be {} hex digits", quoted(text), 2 * N))
    })?;
    Ok(bytes)
}

/// The longest that a call waits for something.
pub const MAX_WAIT_SECS: u32 = 86_400;

/// How long to wait for something: a minute if the caller does not say.
pub(super) fn timeout(timeout_secs: Option<u32>) -> Result<Duration, Error> {
    secs_to_wait("timeout_secs", timeout_secs.unwrap_or(60))
}

/// Parses a time to wait for something, at most a day.
pub(super) fn secs_to_wait(field: &'static str, secs: u32) -> Result<Duration, Error> {
    if secs > MAX_WAIT_SECS {
        return Err(Error::invalid(field, format!("{secs} is more than {MAX_WAIT_SECS}")));
    }
    Ok(Duration::from_secs(secs.into()))
}

/// Parses a secret of `N` bytes in hexadecimal. Errors never quote it.
pub(super) fn secret<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| Error::invalid(field, format!("must be {} hex digits", 2 * N)))?;
    Ok(bytes)
}

/// Parses a compressed secp256k1 public key.
pub(super) fn public_key(field: &'static str, text: &str) -> Result<PublicKey, Error> {
    let key = pasted::key(text);
    let bytes: [u8; 33] =
        hex(field, key).map_err(|error| something_else(field, text).unwrap_or(error))?;
    PublicKey::from_slice(&bytes)
        .map_err(|_| Error::invalid(field, format!("{} is not a point on secp256k1", quoted(text))))
}

/// The error for a text that is recognised as something other than what the field expects.
fn something_else(field: &'static str, text: &str) -> Option<Error> {
    let reason = pasted::instead_of(field, text)?;
    Some(Error::invalid(field, format!("{} {reason}", quoted(text))))
}

/// Parses the address of a peer; the default port is 9735.
pub(super) fn peer_address(field: &'static str, text: &str) -> Result<SocketAddress, Error> {
    let text: &str = &with_port(pasted::host("", text));
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host).to_ascii_lowercase();
    if host.trim_end_matches('.').ends_with(".onion") {
        return onion_address(field, text);
    }
    SocketAddress::from_str(text).map_err(|_| {
        let accepted = "ipv4:port, [ipv6]:port, onion-v3:port or host:port";
        Error::invalid(field, format!("{} must be {accepted}", quoted(text)))
    })
}

/// Adds the default port. An IPv6 address needs brackets: without them, its end could be a port.
fn with_port(address: &str) -> Cow<'_, str> {
    if address.is_empty() {
        Cow::Borrowed(address)
    } else if address.ends_with(']') || !address.contains(':') {
        Cow::Owned(format!("{address}:{DEFAULT_PORT}"))
    } else {
        Cow::Borrowed(address)
    }
}

/// Parses an onion address. It is never treated as a host name, which would be sent to a DNS server.
fn onion_address(field: &'static str, text: &str) -> Result<SocketAddress, Error> {
    const VERSION: u8 = 3;
    match SocketAddress::from_str(&text.to_ascii_lowercase()) {
        Ok(address @ SocketAddress::OnionV3 { version: VERSION, .. }) => Ok(address),
        _ => {
            let accepted = "56 characters, .onion and :port; only version 3 works";
            Err(Error::invalid(field, format!("{} must be {accepted}", quoted(text))))
        },
    }
}

/// Parses a user channel id, in decimal.
pub(super) fn user_channel_id(field: &'static str, text: &str) -> Result<UserChannelId, Error> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_decimal).map(UserChannelId).ok_or_else(|| {
        Error::invalid(field, format!("{} must be a decimal number below 2^128", quoted(text)))
    })
}

/// Parses a Bitcoin address of `network`.
pub(super) fn address(field: &'static str, text: &str, network: Network) -> Result<Address, Error> {
    let refused = |reason: String| Error::invalid(field, format!("{} {reason}", quoted(text)));
    let address = pasted::address(text).map_err(refused)?;
    let unchecked = Address::<NetworkUnchecked>::from_str(address).map_err(|_| {
        something_else(field, address).unwrap_or_else(|| {
            let fault = faults::of_address(address).unwrap_or_default();
            refused(format!("is not a Bitcoin address: {fault}"))
        })
    })?;
    unchecked
        .require_network(network)
        .map_err(|_| refused(format!("is not an address of {network}, the network of this node")))
}

/// Parses the user channel id and the counterparty of a channel.
pub(super) fn channel(
    user_channel_id_text: &str,
    counterparty_node_id: &str,
) -> Result<(UserChannelId, PublicKey), Error> {
    let id = user_channel_id("user_channel_id", user_channel_id_text)?;
    Ok((id, public_key("counterparty_node_id", counterparty_node_id)?))
}

/// Parses a BOLT 11 invoice of `network`.
pub(super) fn invoice(
    field: &'static str,
    text: &str,
    network: Network,
) -> Result<Bolt11Invoice, Error> {
    let invoice = Bolt11Invoice::from_str(pasted::lightning(text)).map_err(|error| {
        something_else(field, text).unwrap_or_else(|| {
            let fault = faults::of_invoice(&error);
            Error::invalid(field, format!("{} is not a BOLT 11 invoice: {fault}", quoted(text)))
        })
    })?;
    of_network(field, &invoice, network)?;
    Ok(invoice)
}

/// Returns the invoice, if it is for `network`.
pub(super) fn of_network<'a>(
    field: &'static str,
    invoice: &'a Bolt11Invoice,
    network: Network,
) -> Result<&'a Bolt11Invoice, Error> {
    if is_currency_of(invoice.currency(), network) {
        Ok(invoice)
    } else {
        let found = invoice.network();
        Err(Error::invalid(field, format!("the invoice is for {found}; this node is on {network}")))
    }
}

/// Whether invoices of `network` are in this currency. The library's own conversion knows no
/// testnet4, and takes it for regtest.
fn is_currency_of(currency: Currency, network: Network) -> bool {
    match network {
        Network::Bitcoin => currency == Currency::Bitcoin,
        Network::Testnet => currency == Currency::BitcoinTestnet,
        // The first is that of the network's other nodes, the second that of the library's.
        Network::Testnet4 => matches!(currency, Currency::BitcoinTestnet | Currency::Regtest),
        Network::Signet => currency == Currency::Signet,
        Network::Regtest => currency == Currency::Regtest,
    }
}

/// Parses a BOLT 12 offer that can be paid on `network`.
pub(super) fn offer(field: &'static str, text: &str, network: Network) -> Result<Offer, Error> {
    let offer = Offer::from_str(pasted::lightning(text)).map_err(|error| {
        something_else(field, text).unwrap_or_else(|| {
            let fault = faults::of_offer(&error);
            Error::invalid(field, format!("{} is not a BOLT 12 offer: {fault}", quoted(text)))
        })
    })?;
    on_network(field, &offer, network)?;
    Ok(offer)
}

/// Returns the offer, if it can be paid on `network`.
pub(super) fn on_network<'a>(
    field: &'static str,
    offer: &'a Offer,
    network: Network,
) -> Result<&'a Offer, Error> {
    if offer.supports_chain(network.chain_hash()) {
        Ok(offer)
    } else {
        let reason = format!("the offer is for another network; this node is on {network}");
        Err(Error::invalid(field, reason))
    }
}

/// Parses a BOLT 12 refund of `network`.
pub(super) fn refund(field: &'static str, text: &str, network: Network) -> Result<Refund, Error> {
    let refund = Refund::from_str(pasted::lightning(text)).map_err(|error| {
        something_else(field, text).unwrap_or_else(|| {
            let fault = faults::of_refund(&error);
            Error::invalid(field, format!("{} is not a BOLT 12 refund: {fault}", quoted(text)))
        })
    })?;
    if refund.chain() == network.chain_hash() {
        Ok(refund)
    } else {
        let reason = format!("the refund is for another network; this node is on {network}");
        Err(Error::invalid(field, reason))
    }
}

/// Parses the value of an enum, which protobuf transmits as an arbitrary number.
pub(super) fn enumeration<E: TryFrom<i32>>(field: &'static str, number: i32) -> Result<E, Error> {
    E::try_from(number)
        .map_err(|_| Error::invalid(field, format!("{number} is not one of its values")))
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::offers::refund::RefundBuilder;
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

    fn reason<T>(result: Result<T, Error>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_wait_is_a_day_at_most() {
        assert_eq!(timeout(None).unwrap(), Duration::from_secs(60));
        assert_eq!(timeout(Some(0)).unwrap(), Duration::ZERO);
        let error = timeout(Some(86_401)).unwrap_err().to_string();
        assert!(error.starts_with("timeout_secs: 86401"), "{error}");
    }

    #[test]
    fn hex_of_the_right_length_is_read() {
        assert_eq!(hex::<2>("id", "01fF").ok(), Some([1, 255]));
        for text in ["", "0", "01f", "01ffff", "01fg"] {
            assert!(reason(hex::<2>("id", text)).contains("id: "), "{text}");
        }
    }

    #[test]
    fn secrets_are_read_and_not_quoted() {
        assert_eq!(secret::<2>("preimage", "01fF").ok(), Some([1, 255]));
        for text in ["", "5ec23", "5ec2e7", "5ecr"] {
            assert_eq!(reason(secret::<2>("preimage", text)), "preimage: must be 4 hex digits");
        }
    }

    #[test]
    fn public_keys_must_be_on_the_curve() {
        assert_eq!(
            public_key("node_id", KEY).map(|key| key.to_string()).ok(),
            Some(KEY.to_owned())
        );
        assert!(reason(public_key("node_id", &"ff".repeat(33))).contains("secp256k1"));
        assert!(reason(public_key("node_id", &KEY[2..])).contains("66 hex digits"));
    }

    #[test]
    fn onion_addresses_are_of_version_3_and_never_host_names() {
        let onion = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion:9735";
        for text in [onion, &onion.to_uppercase(), &onion.replace(".onion", ".Onion")] {
            let address = peer_address("address", text);
            assert_eq!(address.map(|address| address.to_string()).ok().as_deref(), Some(onion));
        }
        for text in [
            "expyuzz4wqqyqhjn.onion:9735",
            &onion.replace(".onion:", ".onion.:"),
            &onion.replace("wid.onion", "wia.onion"),
            &onion.replace('2', "1"),
            &onion.replace("9735", "99999"),
            ".onion:9735",
        ] {
            let reason = reason(peer_address("address", text));
            assert!(reason.contains("only version 3 works"), "{text}: {reason}");
        }
        assert!(peer_address("address", "onion.example.com:9735").is_ok());
    }

    #[test]
    fn a_peer_address_without_port_has_the_usual_one() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1:9735"),
            (" <example.com>", "example.com:9735"),
            ("[::1]", ":0001]:9735"),
            ("2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion", ".onion:9735"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            (&format!("{KEY}@127.0.0.1"), "127.0.0.1:9735"),
        ] {
            let address = peer_address("address", text).map(|address| address.to_string());
            assert!(address.as_ref().is_ok_and(|found| found.ends_with(expected)), "{address:?}");
        }
        // Of the second it could not be told whether it ends in a port.
        for text in ["", "::1:9735"] {
            assert!(peer_address("address", text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_pasted_is_read_and_what_is_mistaken_is_named() {
        let text = format!("\n<{KEY}@host:9735>");
        assert_eq!(public_key("node_id", &text).map(|key| key.to_string()).ok(), Some(KEY.into()));
        let address_text = "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x";
        let uri = format!("bitcoin:{address_text}");
        assert!(address("address", &uri, Network::Regtest).is_ok());
        let mistaken = reason(invoice("invoice", address_text, Network::Regtest));
        assert!(mistaken.contains("use OnchainSend"), "{mistaken}");
        let mistaken = reason(address("address", "lnbcrt1xyz", Network::Regtest));
        assert!(mistaken.contains("use DecodeInvoice or Bolt11Send"), "{mistaken}");
        let mistaken = reason(offer("offer", "LNURL1DP68", Network::Regtest));
        assert!(mistaken.contains("an LNURL, not an offer: use LnurlPay"), "{mistaken}");
        let wrong = reason(address("address", &uri.replace("d6x", "d6q"), Network::Regtest));
        assert!(wrong.contains("its checksum is wrong"), "{wrong}");
    }

    #[test]
    fn refunds_are_for_one_network() {
        let on = |network| {
            let builder = RefundBuilder::new(vec![1], KEY.parse().unwrap(), 1_000).unwrap();
            builder.chain(network).build().unwrap().to_string()
        };
        assert!(refund("refund", &on(Network::Regtest), Network::Regtest).is_ok());
        let other = reason(refund("refund", &on(Network::Bitcoin), Network::Regtest));
        assert!(other.contains("another network; this node is on regtest"), "{other}");
        let offer = reason(refund("refund", "lno1qgs", Network::Regtest));
        assert!(offer.contains("a BOLT 12 offer, not a refund: use DecodeOffer"), "{offer}");
        let other = reason(refund("refund", "lna1qgs", Network::Regtest));
        assert!(other.contains("does not begin with lnr1"), "{other}");
    }

    #[test]
    fn channel_numbers_are_decimal() {
        let max = u128::MAX.to_string();
        assert_eq!(user_channel_id("id", &max).map(|id| id.0).ok(), Some(u128::MAX));
        for text in ["", "-1", "+1", "0x1", "1.0", &format!("{max}0")] {
            assert!(user_channel_id("id", text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_must_be_of_the_network() {
        let text = "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x";
        assert!(address("address", text, Network::Regtest).is_ok());
        assert!(
            reason(address("address", text, Network::Bitcoin))
                .contains("not an address of bitcoin")
        );
        assert!(
            reason(address("address", "bcrt1q", Network::Regtest))
                .contains("not a Bitcoin address")
        );
    }

    #[test]
    fn every_network_has_its_invoices() {
        for network in [Network::Bitcoin, Network::Testnet, Network::Signet, Network::Regtest] {
            assert!(is_currency_of(Currency::from(network), network), "{network}");
            assert!(!is_currency_of(Currency::Simnet, network), "{network}");
        }
        assert!(is_currency_of(Currency::BitcoinTestnet, Network::Testnet4));
        assert!(!is_currency_of(Currency::Bitcoin, Network::Testnet4));
    }

    #[test]
    fn amounts_are_bounded() {
        assert!(reason(amount_msat("amount_msat", 0)).contains("greater than 0"));
        assert!(reason(amount_msat("amount_msat", u64::MAX)).contains("there can be"));
        assert_eq!(amount_sat("amount_sats", MAX_MONEY_SAT).ok(), Some(MAX_MONEY_SAT));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,100}") {
            let _ = hex::<32>("f", &text);
            let _ = public_key("f", &text);
            let _ = peer_address("f", &text);
            let _ = user_channel_id("f", &text);
            let _ = address("f", &text, Network::Regtest);
            let _ = invoice("f", &text, Network::Regtest);
            let _ = offer("f", &text, Network::Regtest);
            let _ = refund("f", &text, Network::Regtest);
            let _ = secret::<32>("f", &text);
        }
    }
}
