//! Runes, held against what the package `runes` of the Python package index makes and decides.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ldk_server_grpc::rune::{Fact, Facts, Field, MasterSecret, Restriction, Rune, evaluate};

const VECTORS: &str = include_str!("runes.tsv");

/// The columns of the rows of this kind.
fn rows<const COLUMNS: usize>(kind: &str) -> Vec<[&'static str; COLUMNS]> {
    let rows = VECTORS.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix('\t'));
    rows.map(|row| row.split('\t').collect::<Vec<_>>().try_into().unwrap()).collect()
}

#[test]
fn runes_are_read_and_written_alike() {
    let rows = rows("rune");
    assert!(rows.len() > 40);
    for [secret, base64, hex] in rows {
        let rune = Rune::parse(base64).unwrap();
        assert_eq!((rune.encode().as_str(), rune.encode_hex().as_str()), (base64, hex));
        assert_eq!(Rune::parse(hex).unwrap().encode(), base64);
        let secret = MasterSecret::new(&hex::decode(secret).unwrap()).unwrap();
        assert!(secret.is_issuer_of(&rune), "{rune:?}");
        let other = MasterSecret::new(&[1; 16]).unwrap();
        assert!(!other.is_issuer_of(&rune), "{rune:?}");
    }
}

/// At every length of a restriction, what was parsed is continued as it was begun.
#[test]
fn runes_are_issued_and_restricted_alike() {
    let mut numbered = 0;
    for [secret, base64, _] in rows("rune") {
        let secret = MasterSecret::new(&hex::decode(secret).unwrap()).unwrap();
        let expected = Rune::parse(base64).unwrap();
        let Some(id) = expected.unique_id().filter(|id| id.version().is_none()) else { continue };
        let Some(id) = id.number() else { continue };
        let restrictions = expected.restrictions();
        assert_eq!(secret.issue(id, restrictions.to_vec()).unwrap().encode(), base64);
        let mut rune = secret.issue(id, Vec::new()).unwrap();
        for restriction in restrictions {
            rune = Rune::parse(&rune.encode()).unwrap().restrict(restriction.clone()).unwrap();
        }
        assert_eq!(rune.encode(), base64);
        numbered += 1;
    }
    assert!(numbered >= 40);
}

/// A call with at most one parameter.
struct Parameter(Option<String>);

impl Facts for Parameter {
    fn fact(&self, field: Field<'_>) -> Fact<'_> {
        match (field, &self.0) {
            (Field::Parameter("x"), Some(value)) => Fact::text(value),
            _ => Fact::Missing,
        }
    }
}

#[test]
fn alternatives_hold_and_fail_alike() {
    let rows = rows("test");
    assert!(rows.len() > 1_000);
    for [alternative, value, expected] in rows {
        let restriction: Restriction = alternative.parse().unwrap();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let holds = evaluate(&[restriction], &Parameter(value.map(str::to_owned)));
        assert_eq!(holds.is_ok(), expected == "holds", "{alternative} {value:?}: {holds:?}");
    }
}

/// Printed by lightningd 26.06 for what it had made.
#[test]
fn what_core_lightning_decodes_is_decoded_alike() {
    let rune = "V1rmu7QzmtbcAebDOo3Ie88UJMfDWK75wiUqkBEst1Q9MiZtZXRob2Q9aW52b2ljZSZtZXRob2Q9bGlzdGludm9pY2Vz";
    let rune = Rune::parse(rune).unwrap();
    assert_eq!(rune.unique_id().unwrap().number(), Some(2));
    let expected = "575ae6bbb4339ad6dc01e6c33a8dc87bcf1424c7c358aef9c2252a90112cb754\
                    :=2&method=invoice&method=listinvoices";
    assert_eq!(rune.encode_hex(), expected);
    let unrestricted = Rune::parse("PDNTM9QUf0L35r_IjR4aEny7fMYWPF8_pv7Vnze8r1A9MA==").unwrap();
    assert_eq!(unrestricted.restrictions(), []);
}
