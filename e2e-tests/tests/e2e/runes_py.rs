//! Runes of the package `runes` of the Python package index, which is by Core Lightning's author, and ours:
//! made by one, restricted and judged by the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{other_languages, run};
use ldk_server_grpc::rune::{Fact, Facts, Field, MasterSecret, Restriction, Rune, UniqueId};
use serde_json::{Value, json};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: [u8; 32] = [0xC1; 32];

/// Restrictions, and calls that some of them allow. The first ones are such that runes.py 0.6 goes on with what
/// it parsed at the right length; it does not if one has 56 to 64 bytes in its last block.
const RESTRICTIONS: [&str; 8] = [
    "group=info|group=read",
    "method/Bolt11Send|pname_amount_msat<100000",
    "time<1800000000",
    r"pname_note=a\|b \& c\\|pname_note!",
    "id^shop|id$till",
    "parr0}a|parr0{0|parr0!",
    "note#for the till",
    "pname_label/refund|pname_label~re|pname_label!",
];
const CALLS: [&[(&str, &str)]; 6] = [
    &[],
    &[("group", "read"), ("time", "1799999999"), ("id", "shop-1"), ("method", "GetNodeInfo")],
    &[("group", "info"), ("time", "1800000000"), ("id", "the till"), ("method", "Bolt11Send")],
    &[
        ("group", "pay"),
        ("time", "9"),
        ("id", "shop"),
        ("method", "Bolt11Send"),
        ("pname_amount_msat", "99999"),
        ("pname_note", r"a|b & c\"),
    ],
    &[
        ("group", "read"),
        ("time", "10"),
        ("id", "shoptill"),
        ("method", "Bolt11Send"),
        ("pname_amount_msat", "100000"),
        ("pname_label", "refund"),
        ("parr0", "b"),
    ],
    &[("group", "read"), ("time", "-1"), ("id", "shop"), ("method", "x"), ("parr0", "")],
];

async fn python() -> Result<PathBuf> {
    other_languages::python(Path::new(env!("CARGO_TARGET_TMPDIR"))).await
}

async fn runes_of_pypi(argument: &Path) -> Result<String> {
    let mut command = Command::new(python().await?);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/runes_of_pypi.py");
    command.arg(script).arg(argument);
    run(command, PATIENCE).await?.success()
}

/// What came of these tasks, one by one.
async fn answers(tasks: &[Value]) -> Result<Vec<Value>> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), serde_json::to_vec(tasks)?)?;
    let answers: Vec<Value> = serde_json::from_str(&runes_of_pypi(file.path()).await?)?;
    ensure!(answers.len() == tasks.len(), "{answers:?}");
    Ok(answers)
}

fn rune_of(answer: &Value) -> Result<Rune> {
    let text = answer["rune"].as_str().context("no rune")?;
    let rune = Rune::parse(text)?;
    assert_eq!(rune.encode(), text);
    assert_eq!(Some(rune.encode_hex().as_str()), answer["hex"].as_str());
    Ok(rune)
}

fn secret() -> Result<MasterSecret> {
    Ok(MasterSecret::new(&SECRET)?)
}

/// The first restrictions, more for each rune.
fn restricted(mut rune: Rune, count: usize) -> Result<Rune> {
    for restriction in &RESTRICTIONS[..count] {
        rune = rune.restrict(restriction.parse()?)?;
    }
    Ok(rune)
}

struct Call(&'static [(&'static str, &'static str)]);

impl Facts for Call {
    fn fact(&self, field: Field<'_>) -> Fact<'_> {
        let value = self.0.iter().find(|(name, _)| Field::named(name) == Some(field));
        value.map_or(Fact::Missing, |(_, value)| Fact::text(*value))
    }
}

/// Judges each rune there and here, with each call.
async fn assert_judged_alike(runes: &[Rune]) -> Result<()> {
    let secret = secret()?;
    let (mut tasks, mut ours) = (Vec::new(), Vec::new());
    for rune in runes {
        assert!(secret.is_issuer_of(rune), "{rune:?}");
        for call in CALLS {
            let values: serde_json::Map<_, _> =
                call.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            tasks.push(json!({
                "task": "judge", "secret": hex::encode(SECRET), "rune": rune.encode(), "values": values,
            }));
            ours.push((rune, call, rune.evaluate(&Call(call)).is_ok()));
        }
    }
    let theirs = answers(&tasks).await?;
    for ((rune, call, is_allowed), answer) in ours.iter().zip(&theirs) {
        assert_eq!(answer["allowed"], *is_allowed, "{rune:?} {call:?}: {answer}");
    }
    let allowed = ours.iter().filter(|(.., is_allowed)| *is_allowed).count();
    assert!(allowed > 0 && allowed < ours.len(), "{allowed} of {}", ours.len());
    println!("{} judged alike, {allowed} of them allowed", ours.len());
    Ok(())
}

#[tokio::test]
async fn the_vectors_are_those_of_the_package() -> Result<()> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../ldk-server-grpc/tests/runes.tsv");
    let vectors = fs::read_to_string(file)?;
    assert_eq!(runes_of_pypi(Path::new("vectors")).await?, vectors);
    Ok(())
}

#[tokio::test]
async fn what_is_made_there_is_read_here_and_restricted_here_is_judged_there() -> Result<()> {
    let tasks: Vec<_> = (0..RESTRICTIONS.len())
        .map(|count| {
            json!({
                "task": "issue", "secret": hex::encode(SECRET), "id": count,
                "restrictions": RESTRICTIONS[count..],
            })
        })
        .collect();
    let mut runes = Vec::new();
    for (count, answer) in answers(&tasks).await?.iter().enumerate() {
        let rune = rune_of(answer)?;
        assert!(secret()?.is_issuer_of(&rune), "{rune:?}");
        let texts: Vec<_> = rune.restrictions().iter().map(ToString::to_string).collect();
        assert_eq!(texts, RESTRICTIONS[count..]);
        runes.push(restricted(rune, count)?);
    }
    assert_judged_alike(&runes).await
}

#[tokio::test]
async fn what_is_made_here_is_restricted_there_and_judged_by_both() -> Result<()> {
    let mut tasks = Vec::new();
    for count in 0..RESTRICTIONS.len() {
        let rune = restricted(secret()?.issue(count as u64, Vec::new())?, count)?;
        tasks.push(json!({
            "task": "restrict", "rune": rune.encode(), "restrictions": RESTRICTIONS[count..],
        }));
    }
    let runes: Vec<_> = answers(&tasks).await?.iter().map(rune_of).collect::<Result<_>>()?;
    for (count, rune) in runes.iter().enumerate() {
        let id = rune.unique_id().and_then(UniqueId::number);
        assert_eq!(id, Some(count as u64));
        let ours = restricted(secret()?.issue(count as u64, Vec::new())?, RESTRICTIONS.len())?;
        assert_eq!(rune.encode(), ours.encode());
    }
    assert_judged_alike(&runes).await
}

/// At all lengths of a restriction, also those at which the padding takes one more block.
#[tokio::test]
async fn what_is_restricted_here_at_any_length_is_ours_there() -> Result<()> {
    let mut tasks = Vec::new();
    for length in 0..130 {
        let restriction: Restriction = format!("x#{}", "é".repeat(length)).parse()?;
        let rune = Rune::parse(&secret()?.issue(7, vec![restriction])?.encode())?;
        let rune = rune.restrict("y#".parse()?)?;
        tasks.push(json!({
            "task": "judge", "secret": hex::encode(SECRET), "rune": rune.encode(), "values": {},
        }));
    }
    for answer in answers(&tasks).await? {
        assert_eq!(answer, json!({"allowed": true, "reason": ""}));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_of_another_secret_or_changed_is_refused_there() -> Result<()> {
    let rune = restricted(secret()?.issue(1, Vec::new())?, 2)?;
    let other = hex::encode([0xC2; 32]);
    let widened = rune.encode_hex().replace("group=read", "group=pay!");
    let widened = Rune::parse(&widened)?;
    assert!(!secret()?.is_issuer_of(&widened));
    let judge = |secret: String, rune: &Rune| json!({"task": "judge", "secret": secret, "rune": rune.encode(), "values": {}});
    let tasks = [judge(other, &rune), judge(hex::encode(SECRET), &widened)];
    for answer in answers(&tasks).await? {
        assert_eq!(answer, json!({"allowed": false, "reason": "rune authcode invalid"}));
    }
    Ok(())
}
