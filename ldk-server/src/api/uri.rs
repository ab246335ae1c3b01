//! What a payer is given, read into the ways to pay that it names: a `bitcoin:` URI (BIP 321), a
//! `lightning:` link, an invoice, an offer or an address.
//!
//! Each part of a URI is used or left out by itself. Only what contradicts itself, and a required
//! part (`req-`) that cannot be used, makes the whole unusable.

use std::str::FromStr as _;

use ldk_node::bitcoin::address::NetworkUnchecked;
use ldk_node::bitcoin::amount::{Amount, Denomination};
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::bitcoin::{Address, Network};
use ldk_node::lightning::offers::offer::{Amount as OfferAmount, Offer};
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_node::lightning_types::payment::PaymentHash;

use super::{fields, pasted};
use crate::error::{Error, quoted};
use crate::ops::payment_request::{
    BY_INVOICE, BY_OFFER, Instructions, ON_CHAIN, PaymentMethod, URI as FIELD,
};

/// Several offers and invoices fit into it.
const MAX_BYTES: usize = 16 * 1024;
/// The amount of a URI is in satoshis, those of invoices and offers are not.
const ROUNDING_MSAT: u64 = 999;

/// Reads what is no name.
pub(super) fn read(text: &str, network: Network) -> Result<Instructions, Error> {
    if text.len() > MAX_BYTES {
        return Err(Error::invalid(
            FIELD,
            format!("has {} bytes; at most {MAX_BYTES}", text.len()),
        ));
    }
    let mut reader = Reader { text, network, found: Instructions::default() };
    match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bitcoin") => reader.uri(rest)?,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("lightning") => reader.lightning(rest),
        _ => reader.plain(text),
    }
    reader.finish()
}

struct Reader<'a> {
    text: &'a str,
    network: Network,
    found: Instructions,
}

impl Reader<'_> {
    fn uri(&mut self, rest: &str) -> Result<(), Error> {
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        if !address.is_empty() {
            self.address(address);
        }
        for parameter in parameters.split('&') {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let key = key.to_ascii_lowercase();
            match key.strip_prefix("req-") {
                Some(key) => self.required(key, value)?,
                None => drop(self.parameter(&key, value)?),
            }
        }
        Ok(())
    }

    fn required(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let left_out = self.found.left_out.len();
        if !self.parameter(key, value)? {
            return Err(self.invalid(&format!("requires {key}, which this node does not know")));
        }
        if self.found.left_out.len() > left_out
            && let Some((_, error)) = self.found.left_out.pop()
        {
            return Err(error);
        }
        Ok(())
    }

    /// Reads a parameter, and says whether it is known.
    fn parameter(&mut self, key: &str, value: &str) -> Result<bool, Error> {
        match key {
            "amount" => self.amount(value)?,
            "lightning" => self.lightning(value),
            "lno" => self.offer(value),
            "bc" | "tb" => self.address(value),
            "label" | "message" => {},
            "ark" | "tark" => self.unknown("by Ark"),
            "creq" => self.unknown("by Cashu"),
            "sp" => self.unknown("by silent payment"),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn amount(&mut self, text: &str) -> Result<(), Error> {
        if self.found.asked_msat.is_some() {
            return Err(self.invalid("has more than one amount"));
        }
        let amount = Amount::from_str_in(text, Denomination::Bitcoin).map(Amount::to_sat);
        match amount {
            Ok(sats @ 1..=fields::MAX_MONEY_SAT) => self.found.asked_msat = Some(sats * 1000),
            _ => {
                let reason = "has an unusable amount; it must be a number of bitcoin above 0";
                return Err(self.invalid(reason));
            },
        }
        Ok(())
    }

    /// Reads what is no URI.
    fn plain(&mut self, text: &str) {
        let start = text.get(..4).unwrap_or_default().to_ascii_lowercase();
        match start.as_str() {
            "lno1" | "lnbc" | "lntb" | "lnsb" => self.lightning(text),
            "ark1" | "tark" => self.unknown("by Ark"),
            "creq" => self.unknown("by Cashu"),
            _ if text.to_ascii_lowercase().contains("lnurl1") => self.lnurl(),
            _ if Address::<NetworkUnchecked>::from_str(text).is_ok() => self.address(text),
            _ => {
                let other = pasted::instead_of(FIELD, text);
                let reason = "is no bitcoin: or lightning: URI, name, offer, invoice or address";
                let error = self.invalid(other.as_deref().unwrap_or(reason));
                self.found.left_out.push(("", error));
            },
        }
    }

    fn lightning(&mut self, text: &str) {
        let start = text.get(..4).unwrap_or_default().to_ascii_lowercase();
        match start.as_str() {
            "lno1" => self.offer(text),
            "lnur" => self.lnurl(),
            _ => self.invoice(text),
        }
    }

    fn offer(&mut self, text: &str) {
        match self.read_offer(text) {
            Ok(offer) => self.found.methods.push(PaymentMethod::Offer(Box::new(offer))),
            Err(error) => self.found.left_out.push((BY_OFFER, error)),
        }
    }

    fn read_offer(&self, text: &str) -> Result<Offer, Error> {
        let offer = fields::offer(FIELD, text, self.network)?;
        let unusable = |reason: &str| Err(Error::FailedPrecondition(reason.to_owned()));
        if offer.is_expired() {
            return unusable("the offer has expired");
        }
        if matches!(offer.amount(), Some(OfferAmount::Currency { .. })) {
            return unusable("the offer is in another currency than bitcoin");
        }
        Ok(offer)
    }

    fn invoice(&mut self, text: &str) {
        match self.read_invoice(text) {
            Ok(invoice) => {
                let fallback = invoice.fallback_addresses().into_iter().next();
                self.found.methods.push(PaymentMethod::Invoice(Box::new(invoice)));
                self.found.methods.extend(fallback.map(PaymentMethod::Address));
            },
            Err(error) => self.found.left_out.push((BY_INVOICE, error)),
        }
    }

    fn read_invoice(&mut self, text: &str) -> Result<Bolt11Invoice, Error> {
        let invoice = fields::invoice(FIELD, text, self.network)?;
        self.found.invoices.push(PaymentHash(invoice.payment_hash().to_byte_array()));
        if invoice.is_expired() {
            return Err(Error::FailedPrecondition("the invoice has expired".to_owned()));
        }
        Ok(invoice)
    }

    fn address(&mut self, text: &str) {
        match fields::address(FIELD, text, self.network) {
            Ok(address) => self.found.methods.push(PaymentMethod::Address(address)),
            Err(error) => self.found.left_out.push((ON_CHAIN, error)),
        }
    }

    fn unknown(&mut self, name: &'static str) {
        let error = Error::FailedPrecondition("this node cannot pay in this way".to_owned());
        self.found.left_out.push((name, error));
    }

    fn lnurl(&mut self) {
        let error = self.invalid("is an LNURL, which this node does not take");
        self.found.left_out.push(("by LNURL", error));
    }

    fn finish(mut self) -> Result<Instructions, Error> {
        if self.found.methods.is_empty() && self.found.left_out.is_empty() {
            return Err(self.invalid("names no offer, invoice or address"));
        }
        self.found.methods.sort_by_key(PaymentMethod::preference);
        // One address is as good as the other.
        self.found.methods.dedup_by_key(|method| match method {
            PaymentMethod::Address(_) => Vec::new(),
            other => other.key(),
        });
        self.found.asked_msat = self.agreed_msat()?;
        Ok(self.found)
    }

    /// The amount that all parts agree on.
    fn agreed_msat(&self) -> Result<Option<u64>, Error> {
        let (mut agreed_msat, rounding_msat) = match self.found.asked_msat {
            Some(asked_msat) => (Some(asked_msat), ROUNDING_MSAT),
            None => (None, 0),
        };
        for method in &self.found.methods {
            let Some(msat) = method.asked_msat() else { continue };
            let agreed_msat = *agreed_msat.get_or_insert(msat);
            if agreed_msat.abs_diff(msat) > rounding_msat {
                let reason = format!(
                    "is in itself wrong: it asks for {agreed_msat} msat, and {} for {msat} msat",
                    method.name()
                );
                return Err(self.invalid(&reason));
            }
        }
        Ok(agreed_msat)
    }

    fn invalid(&self, reason: &str) -> Error {
        Error::invalid(FIELD, format!("{} {reason}", quoted(self.text)))
    }
}

#[cfg(test)]
pub(super) mod examples {
    use std::time::Duration;

    use ldk_node::bitcoin::hashes::sha256;
    use ldk_node::bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
    use ldk_node::lightning::offers::offer::OfferBuilder;
    use ldk_node::lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};

    use super::*;

    pub(crate) const ADDRESS: &str = "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x";

    pub(crate) fn offer(amount_msat: Option<u64>, network: Network) -> String {
        let key: PublicKey =
            "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619".parse().unwrap();
        let builder = OfferBuilder::new(key).chain(network);
        match amount_msat {
            Some(amount) => builder.amount_msats(amount).build().unwrap().to_string(),
            None => builder.build().unwrap().to_string(),
        }
    }

    /// An invoice that was made so long ago, and is valid for an hour.
    pub(crate) fn aged_invoice(
        amount_msat: Option<u64>,
        age: Duration,
        network: Network,
    ) -> String {
        let key = SecretKey::from_slice(&[7; 32]).unwrap();
        let made = std::time::SystemTime::now() - age;
        let builder = InvoiceBuilder::new(Currency::from(network))
            .description("coffee".to_owned())
            .payment_hash(sha256::Hash::hash(&[1]))
            .payment_secret(PaymentSecret([2; 32]))
            .timestamp(made)
            .min_final_cltv_expiry_delta(144);
        let builder = match amount_msat {
            Some(amount) => builder.amount_milli_satoshis(amount),
            None => builder,
        };
        let sign = |hash: &_| Secp256k1::new().sign_ecdsa_recoverable(hash, &key);
        builder.build_signed(sign).unwrap().to_string()
    }

    pub(crate) fn invoice(amount_msat: Option<u64>) -> String {
        aged_invoice(amount_msat, Duration::ZERO, Network::Regtest)
    }

    pub(crate) fn expired_invoice(amount_msat: Option<u64>) -> String {
        aged_invoice(amount_msat, Duration::from_secs(2 * 3_600), Network::Regtest)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::examples::{ADDRESS, aged_invoice, expired_invoice, invoice, offer};
    use super::*;

    /// The ways that a text names, and those that are left out with the reason.
    fn ways(text: &str) -> (Vec<&'static str>, Vec<String>) {
        let Instructions { methods, left_out, .. } = read(text, Network::Regtest).unwrap();
        let left_out = left_out.iter().map(|(name, error)| format!("{name}: {error}")).collect();
        (methods.iter().map(PaymentMethod::name).collect(), left_out)
    }

    fn refusal(text: &str) -> String {
        match read(text, Network::Regtest) {
            Ok(Instructions { methods, mut left_out, .. }) => {
                assert!(methods.is_empty(), "{methods:?}");
                left_out.swap_remove(0).1.to_string()
            },
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_order_is_offer_invoice_chain() {
        let (invoice, offer) = (invoice(None), offer(None, Network::Regtest));
        let all = ways(&format!("bitcoin:{ADDRESS}?lightning={invoice}&lno={offer}"));
        assert_eq!(all, (vec![BY_OFFER, BY_INVOICE, ON_CHAIN], vec![]));
        let twice = format!("bitcoin:{ADDRESS}?lno={offer}&lno={offer}&bc={ADDRESS}");
        assert_eq!(ways(&twice).0, [BY_OFFER, ON_CHAIN]);
        for (text, name) in [
            (offer.clone(), BY_OFFER),
            (format!("lightning:{offer}"), BY_OFFER),
            (format!("LIGHTNING:{}", invoice.to_uppercase()), BY_INVOICE),
            (invoice, BY_INVOICE),
            (ADDRESS.to_owned(), ON_CHAIN),
            (format!("BITCOIN:{}", ADDRESS.to_uppercase()), ON_CHAIN),
        ] {
            assert_eq!(ways(&text), (vec![name], vec![]), "{text}");
        }
    }

    #[test]
    fn a_part_that_cannot_be_used_leaves_the_others() {
        let offer_of = offer;
        let (good_invoice, good_offer) = (invoice(None), offer(None, Network::Regtest));
        let expired = expired_invoice(None);
        let foreign_invoice = aged_invoice(None, Duration::ZERO, Network::Bitcoin);
        let foreign_offer = offer_of(None, Network::Bitcoin);
        let foreign_address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        for (bad, reason) in [
            (format!("lightning={expired}"), "by invoice: the invoice has expired"),
            (format!("lightning={}", &expired[..60]), "not a BOLT 11 invoice"),
            (format!("lightning={foreign_invoice}"), "this node is on regtest"),
            ("lightning=".to_owned(), "not a BOLT 11 invoice"),
            ("lightning=LNURL1DP68".to_owned(), "LNURL"),
            (format!("lno={foreign_offer}"), "for another network"),
            ("lno=lno1".to_owned(), "not a BOLT 12 offer"),
            (format!("bc={foreign_address}"), "not an address of regtest"),
            ("creq=creqA".to_owned(), "by Cashu: "),
            ("ark=ark1".to_owned(), "by Ark: "),
        ] {
            for (good, name) in [
                (format!("lno={good_offer}"), BY_OFFER),
                (format!("lightning={good_invoice}"), BY_INVOICE),
                (format!("bc={ADDRESS}"), ON_CHAIN),
            ] {
                for text in [format!("bitcoin:?{good}&{bad}"), format!("bitcoin:?{bad}&{good}")] {
                    let (used, left_out) = ways(&text);
                    assert_eq!(used, [name], "{text}");
                    assert!(left_out.len() == 1 && left_out[0].contains(reason), "{left_out:?}");
                }
            }
            assert!(
                refusal(&format!("bitcoin:?{bad}")).contains(reason.rsplit(": ").next().unwrap())
            );
        }
        let text = format!("bitcoin:coffee?lightning={good_invoice}");
        assert_eq!(ways(&text).0, [BY_INVOICE]);
    }

    #[test]
    fn an_invoice_that_is_left_out_is_still_known() {
        let text = format!("bitcoin:{ADDRESS}?lightning={}", expired_invoice(Some(5_000)));
        let found = read(&text, Network::Regtest).unwrap();
        assert_eq!(found.invoices.len(), 1);
        assert_eq!(found.asked_msat, None, "what has expired asks for nothing");
    }

    #[test]
    fn what_is_required_must_be_usable() {
        let invoice = invoice(None);
        let plain = format!("bitcoin:{ADDRESS}?req-lightning={invoice}&req-label=tea");
        assert_eq!(ways(&plain).0, [BY_INVOICE, ON_CHAIN]);
        for (part, reason) in [
            ("req-something=50", "requires something, which this node does not know"),
            ("req-pop=app:", "requires pop"),
            ("req-ark=ark1", "cannot pay in this way"),
            ("req-lightning=coffee", "not a BOLT 11 invoice"),
            (&format!("req-lightning={}", expired_invoice(None)), "has expired"),
        ] {
            let refused = refusal(&format!("bitcoin:{ADDRESS}?{part}"));
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn one_amount_is_asked_for() {
        let asked = |text: String| read(&text, Network::Regtest).unwrap().asked_msat;
        let offer = |msat| offer(msat, Network::Regtest);
        assert_eq!(asked(format!("bitcoin:{ADDRESS}")), None);
        assert_eq!(asked(format!("bitcoin:{ADDRESS}?amount=0.00000005")), Some(5_000));
        assert_eq!(asked(format!("bitcoin:{ADDRESS}?lightning={}", invoice(Some(5)))), Some(5));
        assert_eq!(asked(format!("bitcoin:?lno={}&amount=0.00000005", offer(None))), Some(5_000));
        let rounded = format!("bitcoin:?lno={}&amount=0.00000006", offer(Some(5_001)));
        assert_eq!(asked(rounded), Some(6_000));
    }

    #[test]
    fn amounts_that_differ_are_refused_in_every_combination() {
        let (five, two) = (invoice(Some(500_000)), invoice(Some(2_000)));
        let offered = offer(Some(500_000), Network::Regtest);
        for text in [
            format!("bitcoin:?amount=0.00000001&lightning={five}"),
            format!("bitcoin:?lightning={five}&amount=0.00000001"),
            format!("bitcoin:?amount=0.00000001&lno={offered}"),
            format!("bitcoin:{ADDRESS}?amount=0.00000001&lightning={five}"),
            format!("bitcoin:{ADDRESS}?amount=0.00000001&lno={offered}"),
            format!("bitcoin:?lightning={two}&lno={offered}"),
            format!("bitcoin:{ADDRESS}?lightning={two}&lno={offered}"),
            format!("bitcoin:?amount=0.00000501&lightning={five}&lno={offered}"),
        ] {
            let error = read(&text, Network::Regtest).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument { field: FIELD, .. }), "{text}");
            assert!(error.to_string().contains("in itself wrong"), "{error}");
        }
    }

    #[test]
    fn an_amount_is_one_positive_number_of_bitcoin() {
        for amounts in ["amount=much", "amount=", "amount=0", "amount=-1", "amount=21000001"] {
            let refused = refusal(&format!("bitcoin:{ADDRESS}?{amounts}"));
            assert!(refused.starts_with("uri: ") && refused.contains("amount"), "{refused}");
        }
        let twice = refusal(&format!("bitcoin:{ADDRESS}?amount=1&amount=1"));
        assert!(twice.contains("more than one amount"), "{twice}");
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_cut() {
        let long = "a".repeat(MAX_BYTES);
        let lnurl = "LNURL1DP68GURN8GHJ7MRWW4EXCTNDW46XJMNEDEJHGTNRDAKJ7TNHV4KXCTTTDEHHWM30D3H82UNVW\
                     QHHYETXW4HXG0AH8NK";
        for text in ["", "coffee", &long, "bitcoin:", "bitcoin:?", "bitcoin:coffee", lnurl] {
            let refused = refusal(text);
            assert!(refused.starts_with("uri: "), "{refused}");
            assert!(refused.len() < 400, "{refused}");
        }
        assert!(refusal(lnurl).contains("LNURL"));
        let longer = refusal(&"a".repeat(MAX_BYTES + 1));
        assert!(longer.contains("has 16385 bytes; at most 16384"), "{longer}");
    }

    proptest! {
        // Whatever it is, the reader must not panic: that would end the node.
        #[test]
        fn any_text_is_read_or_refused(
            prefix in "(bitcoin:|BITCOIN:|lightning:|bitcoin:\\?|bitcoin:\\?lno=|bitcoin:\\?creq=|creqB1|)",
            text in ".{0,60}",
        ) {
            let _ = read(&format!("{prefix}{text}"), Network::Regtest);
        }
    }
}
