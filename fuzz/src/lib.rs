//! What is fuzzed: the readers of text and bytes that come from callers, strangers and operators.
//!
//! A target takes any bytes. It fails by panicking: when the reader does, or when something that has
//! to hold of what was read does not.

use std::fs;
use std::io::Write as _;

use ldk_server::config::{Args, Config};
use ldk_server::fuzzing;
use ldk_server_grpc::auth::Credential;
use ldk_server_grpc::rune::{
    Demand, Fact, Facts, Field, MAX_RUNE_BYTES, MasterSecret, Restriction, Rune, describe, evaluate,
};
use ldk_server_grpc::types::PageToken;

/// A reader and what must hold of it.
pub struct Target {
    /// Its name, and that of the directory of its seeds.
    pub name: &'static str,
    /// Takes any bytes, and panics if something is wrong.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "x-auth", run: x_auth },
    Target { name: "frame", run: frame },
    Target { name: "page-token", run: page_token },
    Target { name: "configuration", run: configuration },
    Target { name: "invoice", run: invoice },
    Target { name: "offer", run: offer },
    Target { name: "rune", run: rune },
    Target { name: "rune-restrict", run: rune_restrict },
    Target { name: "rune-evaluate", run: rune_evaluate },
];

const NOW_SECS: u64 = 1_700_000_000;
const DAY_SECS: u64 = 86_400;
const HEADER_BYTES: usize = 5;
const SECRET: &str = "correct-horse";

/// A header that is accepted is fresh, and its signature is not right by chance.
fn x_auth(bytes: &[u8]) {
    let Ok(value) = str::from_utf8(bytes) else { return };
    let Ok(credential) = Credential::parse(value, NOW_SECS) else { return };
    assert!(credential.timestamp_secs().abs_diff(NOW_SECS) < DAY_SECS, "{value:?} is not fresh");
    assert!(credential.verify("another key", "/path", bytes).is_err(), "{value:?} is signed");
}

/// A body that is accepted has just the bytes that it announces.
fn frame(bytes: &[u8]) {
    let is_whole = bytes.len() >= HEADER_BYTES
        && bytes[0] == 0
        && bytes[1..HEADER_BYTES] == ((bytes.len() - HEADER_BYTES) as u32).to_be_bytes();
    assert_eq!(fuzzing::is_frame(bytes), is_whole, "{bytes:?}");
}

/// The text is the token, the first eight bytes the index.
fn page_token(bytes: &[u8]) {
    let Some((index, token)) = bytes.split_first_chunk() else { return };
    let token = String::from_utf8_lossy(token).into_owned();
    let token = PageToken { index: i64::from_le_bytes(*index), token };
    let is_hex = token.token.bytes().all(|digit| digit.is_ascii_hexdigit());
    for bytes in fuzzing::page_token_bytes(&token) {
        assert!(is_hex && token.token.len() == 2 * bytes && token.index >= 0, "{token:?}");
    }
}

/// A file is accepted, or refused with a reason in which no password is.
fn configuration(bytes: &[u8]) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    let text = String::from_utf8_lossy(bytes);
    if file.write_all(bytes).is_err() {
        return;
    }
    let Ok(args) = Args::try_parse_from(["ldk-server".as_ref(), file.path()]) else { return };
    if let Err(error) = Config::load(&args) {
        let reason = error.to_string();
        assert!(!reason.is_empty(), "{text:?}");
        let is_password = text.contains(&format!("rpc_password = \"{SECRET}\""));
        assert!(!is_password || !reason.contains(SECRET), "{reason}");
    }
    drop(fs::remove_file(file.path()));
}

/// What is read once is read again, and is named as it is.
fn invoice(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(fuzzing::invoice(&text), fuzzing::invoice(&text), "{text:?}");
}

/// As [`invoice`].
fn offer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(fuzzing::offer(&text), fuzzing::offer(&text), "{text:?}");
}

/// A rune is parsed as it is written, is not of a secret by chance, and is put into words.
fn rune(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(rune) = Rune::parse(&text) else { return };
    assert!(rune.encode() == text || rune.encode_hex() == text, "{text:?}");
    assert!(!secret().is_issuer_of(&rune), "{text:?}");
    assert!(!describe(rune.restrictions()).is_empty(), "{text:?}");
    drop(rune.evaluate(&Call(&text)));
}

/// A rune is restricted by whoever has it: what comes of that is ours, can be parsed, and allows no more.
fn rune_restrict(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(restrictions) = Restriction::parse_list(&text) else { return };
    let Ok(mut rune) = secret().issue(1, Vec::new()) else { return };
    for restriction in restrictions {
        let written = restriction.to_string();
        assert_eq!(written.parse().as_ref(), Ok(&restriction), "{text:?}");
        let Ok(narrower) = rune.restrict(restriction) else { return };
        let encoded = narrower.encode();
        assert!(encoded.len() <= MAX_RUNE_BYTES, "{text:?}");
        let parsed = Rune::parse(&encoded).map(|parsed| parsed.encode());
        assert_eq!(parsed, Ok(encoded), "{text:?}");
        assert!(secret().is_issuer_of(&narrower), "{text:?}");
        let (before, after) = (rune.evaluate(&Call(&text)), narrower.evaluate(&Call(&text)));
        assert!(after.is_err() || before.is_ok(), "{text:?}");
        rune = narrower;
    }
}

/// What is denied has a reason of a bounded length, and what is demanded can be read again.
fn rune_evaluate(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (value, restrictions) = text.split_once('\n').unwrap_or(("", &text));
    let Ok(restrictions) = Restriction::parse_list(restrictions) else { return };
    match evaluate(&restrictions, &Call(value)) {
        Ok(demands) => demands.iter().for_each(|demand| check_demand(demand, &text)),
        Err(denial) => {
            let reason = denial.to_string();
            assert!(!reason.is_empty() && reason.len() < 16 * 1024, "{text:?}");
            assert!(restrictions.iter().any(|one| one.to_string() == denial.restriction()));
        },
    }
}

/// The limit of a demand is one of the alternatives that its scope ends with.
fn check_demand(demand: &Demand, text: &str) {
    let scope = Restriction::parse_list(&demand.scope);
    assert!(scope.is_ok_and(|scope| !scope.is_empty()), "{text:?}");
    let written: Result<Restriction, _> = demand.limit.to_string().parse();
    let again = written.map(|limit| evaluate(&[limit], &Call("")));
    let same = |again: &Demand| again.limit == demand.limit;
    assert!(again.is_ok_and(|again| again.is_ok_and(|again| again.iter().all(same))), "{text:?}");
}

fn secret() -> MasterSecret {
    MasterSecret::new(&[7; 32]).unwrap_or_else(|error| unreachable!("{error}"))
}

/// A call in which every field has the same value.
struct Call<'a>(&'a str);

impl Facts for Call<'_> {
    fn fact(&self, field: Field<'_>) -> Fact<'_> {
        match field {
            Field::Time => Fact::number(NOW_SECS),
            Field::ParameterAt(_) => Fact::Missing,
            Field::Group => Fact::List(self.0.split(',').map(Into::into).collect()),
            _ => Fact::text(self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_and_takes_them() {
        for target in TARGETS {
            let dir = format!("{}/seeds/{}", env!("CARGO_MANIFEST_DIR"), target.name);
            let mut seeds = 0;
            for seed in fs::read_dir(dir).unwrap() {
                (target.run)(&fs::read(seed.unwrap().path()).unwrap());
                seeds += 1;
            }
            assert!(seeds > 0, "{}", target.name);
        }
    }
}
