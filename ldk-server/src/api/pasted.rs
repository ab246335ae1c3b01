//! Cleans up pasted invoices, offers, addresses, URIs and node ids: removes the characters around them,
//! and recognises one that was pasted in place of another.

use std::borrow::Cow;
use std::str::FromStr as _;

use bitcoin_payment_instructions::hrn_resolution::HumanReadableName;
use ldk_node::bitcoin::Address;
use ldk_node::bitcoin::address::NetworkUnchecked;

/// The characters, besides white space, that mail programs, web pages and shells put around a text.
const AROUND: [char; 15] = [
    '"', '\'', '`', '<', '>', '“', '”', '„', '‘', '’', '«', '»', '\u{feff}', '\u{200b}', '\u{2060}',
];
const KEY_DIGITS: usize = 66;

/// The text without the characters around it.
pub(super) fn bare(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() || AROUND.contains(&character))
}

/// An invoice or an offer, without `lightning:`.
pub(super) fn lightning(text: &str) -> &str {
    without_scheme(bare(text), "lightning:").unwrap_or(bare(text))
}

/// The argument of UnifiedSend, with its scheme normalised.
pub(super) fn uri(text: &str) -> Cow<'_, str> {
    let text = lightning(text);
    match without_scheme(text, "bitcoin:") {
        Some(rest) => Cow::Owned(format!("bitcoin:{rest}")),
        None => Cow::Borrowed(text),
    }
}

/// A Bitcoin address, without `bitcoin:`. A URI that says more than the address is refused: who sends
/// to the address alone would ignore it.
pub(super) fn address(text: &str) -> Result<&str, String> {
    let text = bare(text);
    let Some(rest) = without_scheme(text, "bitcoin:") else { return Ok(text) };
    match rest.split_once('?') {
        None => Ok(rest),
        Some((address, "")) => Ok(address),
        Some(_) => Err(Kind::Uri.instead_of("an address")),
    }
}

/// The key of a node, which may come with its address: `key@host:port`.
pub(super) fn key(text: &str) -> &str {
    let text = bare(text);
    bare(text.split_once('@').map_or(text, |(key, _)| key))
}

/// The address of a node, from its own field, where it may come with the key, or from that of the
/// key.
pub(super) fn host<'a>(key: &'a str, address: &'a str) -> &'a str {
    let text = if bare(address).is_empty() { bare(key) } else { bare(address) };
    match text.split_once('@') {
        Some((_, host)) => bare(host),
        None => bare(address),
    }
}

fn without_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = text.split_at_checked(scheme.len())?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.strip_prefix("//").unwrap_or(rest))
}

/// What a text is, if it is something else than what the field is for: "is a BOLT 12 offer, not an
/// invoice: …".
pub(super) fn instead_of(field: &str, text: &str) -> Option<String> {
    let (kinds, expected): (&[Kind], _) = match field {
        "invoice" => (&[Kind::Invoice], "an invoice"),
        "offer" => (&[Kind::Offer], "an offer"),
        "refund" => (&[Kind::Refund], "a refund"),
        "lnurl" => (&[Kind::Lnurl, Kind::Name], "an LNURL"),
        "payee" => (&[Kind::Invoice, Kind::Node], "an invoice or the key of a node"),
        "address" => (&[Kind::Address], "an address"),
        "uri" => {
            let payable = &[Kind::Invoice, Kind::Offer, Kind::Address, Kind::Uri, Kind::Name];
            (payable, "something to pay")
        },
        _ => (&[Kind::Node], "the key of a node"),
    };
    let kind = Kind::of(lightning(text)).filter(|kind| !kinds.contains(kind))?;
    Some(kind.instead_of(expected))
}

/// What a text can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Invoice,
    Offer,
    Refund,
    Bolt12Invoice,
    Lnurl,
    Uri,
    Address,
    Name,
    Node,
}

impl Kind {
    /// Recognises a text by its prefix, or else by its form.
    fn of(text: &str) -> Option<Self> {
        const BEGINNINGS: [(&str, Kind); 12] = [
            ("lnurl", Kind::Lnurl),
            ("keyauth:", Kind::Lnurl),
            ("lno1", Kind::Offer),
            ("lnr1", Kind::Refund),
            ("lni1", Kind::Bolt12Invoice),
            ("lnbc", Kind::Invoice),
            ("lntb", Kind::Invoice),
            ("lnsb", Kind::Invoice),
            ("bitcoin:", Kind::Uri),
            ("bc1", Kind::Address),
            ("tb1", Kind::Address),
            ("bcrt1", Kind::Address),
        ];
        let begins = |beginning: &str| {
            text.get(..beginning.len()).is_some_and(|found| found.eq_ignore_ascii_case(beginning))
        };
        let by_beginning = BEGINNINGS.iter().find(|(beginning, _)| begins(beginning));
        by_beginning.map(|(_, kind)| *kind).or_else(|| Self::by_form(text))
    }

    fn by_form(text: &str) -> Option<Self> {
        let key = key(text);
        if key.len() == KEY_DIGITS && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Some(Self::Node)
        } else if HumanReadableName::from_encoded(text).is_ok() {
            Some(Self::Name)
        } else if Address::<NetworkUnchecked>::from_str(text).is_ok() {
            Some(Self::Address)
        } else {
            None
        }
    }

    fn instead_of(self, expected: &str) -> String {
        let (name, way_out) = match self {
            Self::Invoice => (
                "a BOLT 11 invoice",
                "use DecodeInvoice or Bolt11Send (decode-invoice, bolt11-send)",
            ),
            Self::Offer => {
                ("a BOLT 12 offer", "use DecodeOffer or Bolt12Send (decode-offer, bolt12-send)")
            },
            Self::Refund => ("a BOLT 12 refund", "use ClaimRefund (claim-refund)"),
            Self::Bolt12Invoice => {
                ("a BOLT 12 invoice", "ask the payee for the offer it belongs to")
            },
            Self::Lnurl => {
                ("an LNURL", "use LnurlPay or LnurlWithdraw (lnurl-pay, lnurl-withdraw)")
            },
            Self::Uri => ("a payment URI", "use UnifiedSend (pay)"),
            Self::Address => ("a Bitcoin address", "use OnchainSend (onchain-send)"),
            Self::Name => ("a name", "use UnifiedSend or LnurlPay (pay, lnurl-pay)"),
            Self::Node => ("the key of a node", "use SpontaneousSend (spontaneous-send)"),
        };
        format!("is {name}, not {expected}: {way_out}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";
    const ADDRESS: &str = "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x";

    #[test]
    fn what_stands_around_a_text_is_taken_off() {
        for text in [
            "lnbc1x",
            " lnbc1x\r\n",
            "\"lnbc1x\"",
            "<lnbc1x>",
            "“lnbc1x”",
            "\u{feff}lnbc1x",
            "lightning:lnbc1x",
            "LIGHTNING://lnbc1x",
            "<Lightning:lnbc1x>\n",
        ] {
            assert_eq!(lightning(text), "lnbc1x", "{text}");
        }
        for text in ["", "lightning", "é", "lightninglnbc1x"] {
            assert_eq!(lightning(text), text);
        }
    }

    #[test]
    fn a_uri_has_one_form() {
        assert_eq!(uri(" BITCOIN://bc1q?amount=1 "), "bitcoin:bc1q?amount=1");
        assert_eq!(uri("lightning:LNBC1"), "LNBC1");
        assert_eq!(uri("'alice@example.com'"), "alice@example.com");
    }

    #[test]
    fn an_address_may_come_as_a_uri_that_says_no_more() {
        for text in [ADDRESS, &format!("bitcoin:{ADDRESS}"), &format!(" <BitCoin://{ADDRESS}?>")] {
            assert_eq!(address(text).as_deref(), Ok(ADDRESS));
        }
        let more = address(&format!("bitcoin:{ADDRESS}?amount=1")).unwrap_err();
        assert!(more.contains("use UnifiedSend"), "{more}");
    }

    #[test]
    fn a_node_comes_in_one_part_or_two() {
        let uri = format!(" <{KEY}@host:1>");
        assert_eq!((key(&uri), host(&uri, "")), (KEY, "host:1"));
        assert_eq!(host(KEY, " host:2\n"), "host:2");
        assert_eq!(host(&uri, "host:2"), "host:2");
        assert_eq!(host(KEY, &uri), "host:1");
        assert_eq!(host(KEY, ""), "");
    }

    #[test]
    fn what_something_else_is_is_told() {
        for (text, word) in [
            ("LNO1QGS", "decode-offer"),
            ("lightning:lno1qgs", "decode-offer"),
            ("lnbcrt1", "decode-invoice"),
            ("lnr1", "claim-refund"),
            ("lni1", "offer it belongs to"),
            ("LNURL1DP68", "use LnurlPay or LnurlWithdraw"),
            (ADDRESS, "onchain-send"),
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "onchain-send"),
            ("bitcoin:x", "UnifiedSend"),
            ("alice@example.com", "a name"),
            (KEY, "key of a node"),
        ] {
            let fields = ["invoice", "offer", "address", "node_id"];
            let told: Vec<_> = fields.iter().filter_map(|field| instead_of(field, text)).collect();
            assert!(told.len() >= 3 && told.iter().all(|told| told.contains(word)), "{told:?}");
        }
        assert_eq!(instead_of("invoice", "lnbcrt1"), None);
        assert_eq!(instead_of("refund", "LNR1QQ"), None);
        for lnurl in ["lnurl1dp68", "LNURLP://a.b/c", "lnurlw:a.b", "alice@example.com", "a@b:1"] {
            assert_eq!(instead_of("lnurl", lnurl), None, "{lnurl}");
        }
        assert!(
            instead_of("lnurl", "lnbcrt1").unwrap().contains("not an LNURL: use DecodeInvoice")
        );
        let offer = instead_of("refund", "lno1qq").unwrap();
        assert!(offer.contains("a BOLT 12 offer, not a refund"), "{offer}");
        assert_eq!(instead_of("invoice", "coffee"), None);
        assert_eq!(instead_of("payee", "lnbcrt1"), None);
        assert_eq!(instead_of("payee", KEY), None);
        let offer = instead_of("payee", "lno1").unwrap();
        assert!(offer.contains("not an invoice or the key of a node"), "{offer}");
        assert!(instead_of("uri", "LNURL1DP68").is_some());
        assert_eq!(instead_of("uri", "alice@example.com"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart(text in ".{0,80}") {
            let _ = (uri(&text), address(&text), key(&text), host(&text, &text));
            let _ = instead_of("invoice", &text);
        }
    }
}
