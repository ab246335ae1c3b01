//! Runes as a whole.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const SECRET: [u8; 32] = [9; 32];

fn secret() -> MasterSecret {
    MasterSecret::new(&SECRET).unwrap()
}

fn issued(restrictions: &str) -> Rune {
    secret().issue(3, Restriction::parse_list(restrictions).unwrap()).unwrap()
}

/// A rune with this code and these bytes instead of restrictions.
fn of_bytes(restrictions: &[u8]) -> Result<Rune, RuneError> {
    Rune::parse(&URL_SAFE.encode([&[7; 32], restrictions].concat()))
}

/// Knows no call.
struct Nothing;

impl Facts for Nothing {
    fn fact(&self, _: Field<'_>) -> Fact<'_> {
        Fact::Missing
    }
}

#[test]
fn only_the_one_form_is_accepted() {
    for (text, expected) in [
        ("=1&method=a&", RuneError::NoOperator(String::new())),
        ("&method=a", RuneError::NoOperator(String::new())),
        ("=1&&method=a", RuneError::NoOperator(String::new())),
        ("=1&method=a|", RuneError::NoOperator(String::new())),
        ("=1&method", RuneError::NoOperator("method".to_owned())),
        ("=1&method:a", RuneError::UnknownOperator(':')),
        ("=1&a\\|b=1", RuneError::UnknownOperator('\\')),
        ("=1&method=a\\", RuneError::UnfinishedEscape),
        ("=1&method=a\\b", RuneError::NotCanonical),
        ("=\\1", RuneError::NotCanonical),
        ("=1&method=a\0", RuneError::Nul),
        ("method=a&=1", RuneError::MisplacedId),
        ("=1&=2", RuneError::MisplacedId),
        ("=1|=2", RuneError::MisplacedId),
        ("=1|method=a", RuneError::MisplacedId),
        ("method=a|=1", RuneError::MisplacedId),
        ("/1", RuneError::MisplacedId),
        ("!", RuneError::MisplacedId),
    ] {
        assert_eq!(of_bytes(text.as_bytes()).map(|rune| rune.encode()), Err(expected), "{text}");
    }
    assert_eq!(of_bytes(&[b'=', 0xFF]).err(), Some(RuneError::Utf8));
    for text in ["", "=1", "method=a", "=", "=a-b", "=1&method=", "=1&a_b!", "=1&ü=ü"] {
        assert_eq!(of_bytes(text.as_bytes()).unwrap().restrictions_text(), text);
    }
}

#[test]
fn the_encoding_must_be_whole() {
    let rune = issued("method=a").encode();
    assert!(rune.ends_with('='));
    for (text, expected) in [
        (rune.trim_end_matches('=').to_owned(), RuneError::Base64),
        (format!("{rune}\n"), RuneError::Base64),
        (format!("+{}", &rune[1..]), RuneError::Base64),
        (String::new(), RuneError::TooShort),
        (URL_SAFE.encode([7; 31]), RuneError::TooShort),
        (":=1".to_owned(), RuneError::Hex),
        (format!("{}:=1", "0g".repeat(32)), RuneError::Hex),
        (format!("{}:=1", "0A".repeat(32)), RuneError::NotCanonical),
        ("A".repeat(MAX_RUNE_BYTES + 4), RuneError::TooLong),
    ] {
        assert_eq!(Rune::parse(&text).err(), Some(expected), "{text}");
    }
}

#[test]
fn there_are_bounds() {
    let many = |count: usize, separator| vec!["pnum=1"; count].join(separator);
    assert!(many(MAX_ALTERNATIVES, "|").parse::<Restriction>().is_ok());
    let alternatives = many(MAX_ALTERNATIVES + 1, "|").parse::<Restriction>();
    assert_eq!(alternatives, Err(RuneError::TooManyAlternatives));
    let full = issued(&many(MAX_RESTRICTIONS, "&"));
    let one_more = full.restrict("a=1".parse().unwrap());
    assert_eq!(one_more.err(), Some(RuneError::TooManyRestrictions));
    let parsed = Restriction::parse_list(&many(MAX_RESTRICTIONS + 1, "&"));
    assert_eq!(parsed, Err(RuneError::TooManyRestrictions));

    let longest = MAX_RUNE_BYTES / 4 * 3 - 32 - "=3&a=".len();
    let rune = issued(&format!("a={}", "x".repeat(longest)));
    assert_eq!(rune.encode().len(), MAX_RUNE_BYTES);
    assert!(Rune::parse(&rune.encode()).is_ok());
    assert_eq!(rune.restrict("a!".parse().unwrap()).err(), Some(RuneError::TooLong));
    let longer = Restriction::parse_list(&format!("a={}", "x".repeat(longest + 1))).unwrap();
    assert_eq!(secret().issue(3, longer).err(), Some(RuneError::TooLong));
}

#[test]
fn a_secret_has_a_length() {
    for (bytes, is_accepted) in [(0, false), (15, false), (16, true), (55, true), (56, false)] {
        assert_eq!(MasterSecret::new(&vec![1; bytes]).is_ok(), is_accepted, "{bytes}");
    }
}

#[test]
fn nothing_secret_is_in_the_debug_text() {
    let rune = issued("method=a");
    assert_eq!(format!("{rune:?}"), r#"Rune("=3&method=a")"#);
    assert_eq!(format!("{:?}", secret()), "MasterSecret");
}

#[test]
fn an_id_may_be_a_number_and_have_a_version() {
    for (text, id, number, version) in [
        ("=3", "3", Some(3), None),
        ("=3-1", "3", Some(3), Some("1")),
        ("=3-1-2", "3", Some(3), Some("1-2")),
        ("=03", "03", None, None),
        ("=+3", "+3", None, None),
        ("=shop", "shop", None, None),
        ("=", "", None, None),
        ("=18446744073709551616", "18446744073709551616", None, None),
    ] {
        let rune = of_bytes(text.as_bytes()).unwrap();
        let unique_id = rune.unique_id().unwrap();
        let read = (unique_id.id(), unique_id.number(), unique_id.version());
        assert_eq!(read, (id, number, version), "{text}");
    }
    assert_eq!(of_bytes(b"method=a").unwrap().unique_id(), None);
}

#[test]
fn a_rune_of_a_version_is_denied() {
    let denial = of_bytes(b"=3-1").unwrap().evaluate(&Nothing).unwrap_err();
    assert_eq!((denial.to_string().as_str(), denial.restriction()), ("unknown version 1", "=3-1"));
    assert_eq!(of_bytes(b"=3").unwrap().evaluate(&Nothing), Ok(Vec::new()));
}

#[test]
fn a_limit_is_shared_with_what_is_made_of_the_rune_and_with_nothing_else() {
    let scopes = |rune: &Rune| -> Vec<String> {
        rune.evaluate(&Nothing).unwrap().into_iter().map(|demand| demand.scope).collect()
    };
    let parent = issued("pnum!&budget=9sat/day");
    let child = parent.restrict("budget=9sat/day".parse().unwrap()).unwrap();
    assert_eq!(scopes(&parent), ["=3&pnum!&budget=9sat/day"]);
    let own = "=3&pnum!&budget=9sat/day&budget=9sat/day";
    assert_eq!(scopes(&child), ["=3&pnum!&budget=9sat/day", own]);
}

fn text() -> impl Strategy<Value = String> {
    select(vec!["", "a", "b", "ab", "1", "2", "-3", "18446744073709551615", "x|y&z\\", "é⚡"])
        .prop_map(str::to_owned)
}

fn alternative() -> impl Strategy<Value = Alternative> {
    let fields = ["method", "group", "time", "id", "pnum", "parr0", "pname_a", "unknown"];
    let limits = [("rate", "3"), ("per", "1min"), ("budget", "5sat/week"), ("rate", "x")];
    let operators = "=/^$~<>{}!#".chars().collect::<Vec<_>>();
    let condition =
        (select(fields.to_vec()), select(operators), text()).prop_map(|(field, symbol, value)| {
            format!("{field}{symbol}{}", restriction::escape(&value))
        });
    let limit = select(limits.to_vec()).prop_map(|(field, value)| format!("{field}={value}"));
    prop_oneof![4 => condition, 1 => limit]
        .prop_map(|text| text.parse::<Restriction>().unwrap().alternatives()[0].clone())
}

fn restriction() -> impl Strategy<Value = Restriction> {
    vec(alternative(), 1..4).prop_map(|alternatives| Restriction::new(alternatives).unwrap())
}

fn rune() -> impl Strategy<Value = Rune> {
    (any::<u64>(), vec(restriction(), 0..6))
        .prop_map(|(id, restrictions)| secret().issue(id, restrictions).unwrap())
}

/// A call of which each field has one of these values, or none.
#[derive(Debug)]
struct Call(Vec<Option<String>>);

impl Facts for Call {
    fn fact(&self, field: Field<'_>) -> Fact<'_> {
        let index = match field {
            Field::Method => 0,
            Field::Group => 1,
            Field::Time => 2,
            Field::CallerId => 3,
            Field::ParameterCount => 4,
            Field::ParameterAt(_) => 5,
            Field::Parameter(_) | Field::OfInvoice(..) => 6,
        };
        self.0[index].as_deref().map_or(Fact::Missing, Fact::text)
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_parsed(rune in rune()) {
        for text in [rune.encode(), rune.encode_hex()] {
            let parsed = Rune::parse(&text).unwrap();
            prop_assert_eq!(parsed.encode(), rune.encode());
            prop_assert_eq!(parsed.restrictions(), rune.restrictions());
            prop_assert_eq!(parsed.unique_id(), rune.unique_id());
            prop_assert!(secret().is_issuer_of(&parsed));
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in ".*", bytes: Vec<u8>) {
        let _ = text.parse::<Restriction>();
        let _ = Restriction::parse_list(&text);
        let _ = text.parse::<Budget>();
        let _ = Rune::parse(&text);
        if let Ok(rune) = of_bytes(&bytes) {
            prop_assert!(rune.restrictions_text().as_bytes() == bytes);
            prop_assert!(!secret().is_issuer_of(&rune));
        }
    }

    #[test]
    fn restricting_only_narrows(
        parent in rune(),
        added in restriction(),
        values in vec(proptest::option::of(text()), 7),
    ) {
        let call = Call(values);
        let child = parent.restrict(added).unwrap();
        prop_assert!(secret().is_issuer_of(&child));
        if let Ok(demands) = child.evaluate(&call) {
            let before = parent.evaluate(&call);
            prop_assert!(before.is_ok_and(|before| demands.starts_with(&before)));
        }
    }

    #[test]
    fn whatever_is_changed_is_refused(rune in rune(), at: Index, byte: u8) {
        let mut text = rune.encode().into_bytes();
        let at = at.index(text.len());
        prop_assume!(text[at] != byte);
        text[at] = byte;
        let changed = String::from_utf8_lossy(&text);
        if let Ok(changed) = Rune::parse(&changed) {
            prop_assert!(!secret().is_issuer_of(&changed), "{changed:?}");
        }
    }

    #[test]
    fn whatever_is_taken_away_or_moved_is_refused(rune in rune(), at: Index, to: Index) {
        prop_assume!(!rune.restrictions().is_empty());
        let (at, to) = (at.index(rune.restrictions.len()), to.index(rune.restrictions.len()));
        let mut fewer = rune.clone();
        fewer.restrictions.remove(at);
        prop_assert!(!secret().is_issuer_of(&fewer));
        let mut moved = rune.clone();
        moved.restrictions.swap(at, to);
        let is_same = moved.restrictions == rune.restrictions;
        prop_assert_eq!(secret().is_issuer_of(&moved), is_same);
    }

    #[test]
    fn restrictions_are_written_as_they_are_parsed(restriction in restriction()) {
        prop_assert_eq!(restriction.to_string().parse(), Ok(restriction));
    }
}
