//! Runs fuzz targets with changed seeds, for so long.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use ldk_server_fuzz::{TARGETS, Target};

/// The longest input. Readers refuse what is longer than 32 KiB by its length.
const MAX_BYTES: usize = 4096;
/// The most changes that are made to a seed.
const MAX_CHANGES: usize = 8;

/// Fuzzes what reads text and bytes of others.
#[derive(Parser)]
struct Options {
    /// Which targets; all, if none is named.
    targets: Vec<String>,
    /// For how long each, in seconds.
    #[arg(long, default_value_t = 60)]
    secs: u64,
    /// The same random choices.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> Result<()> {
    let Options { targets, secs, seed } = Options::parse();
    let known = |name: &String| TARGETS.iter().any(|target| target.name == name);
    if let Some(unknown) = targets.iter().find(|name| !known(name)) {
        bail!("there is no target {unknown}");
    }
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    for target in TARGETS {
        if targets.is_empty() || targets.iter().any(|name| name == target.name) {
            let inputs = fuzz(target, Duration::from_secs(secs), seed)?;
            println!("{}: {inputs} inputs in {secs} s, none failed (--seed {seed})", target.name);
        }
    }
    Ok(())
}

fn fuzz(target: &Target, time: Duration, seed: u64) -> Result<u64> {
    let seeds = seeds(target)?;
    let mut random = fastrand::Rng::with_seed(seed);
    let (begin, mut inputs) = (Instant::now(), 0);
    while begin.elapsed() < time {
        let input = changed(&seeds, &mut random);
        if catch_unwind(|| (target.run)(&input)).is_err() {
            let file = failed(target, inputs, &input)?;
            bail!("{} failed (--seed {seed}): the input is in {}", target.name, file.display());
        }
        inputs += 1;
    }
    Ok(inputs)
}

fn dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn seeds(target: &Target) -> Result<Vec<Vec<u8>>> {
    let dir = dir("seeds").join(target.name);
    let files = fs::read_dir(&dir).with_context(|| dir.display().to_string())?;
    let seeds: Vec<Vec<u8>> =
        files.map(|file| Ok(fs::read(file?.path())?)).collect::<Result<_>>()?;
    ensure!(!seeds.is_empty(), "{} is empty", dir.display());
    Ok(seeds)
}

/// Writes down an input that failed. As a seed it is tried in every test from then on.
fn failed(target: &Target, number: u64, input: &[u8]) -> Result<PathBuf> {
    let file = dir("seeds").join(target.name).join(format!("failed-{number}"));
    fs::write(&file, input)?;
    Ok(file)
}

/// A seed, with some changes.
fn changed(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut input = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..=random.usize(..MAX_CHANGES) {
        change(&mut input, seeds, random);
    }
    input.truncate(MAX_BYTES);
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut fastrand::Rng) {
    let (from, to) = range(input.len(), random);
    match random.u8(..7) {
        0 if from < input.len() => input[from] ^= 1 << random.u8(..8),
        1 if from < input.len() => input[from] = random.u8(..),
        // Text stays text.
        2 if from < input.len() => input[from] = random.u8(b' '..=b'~'),
        3 => drop(input.drain(from..to)),
        4 => {
            let repeated = input[from..to].to_vec();
            input.splice(from..from, repeated);
        },
        5 => {
            let other = &seeds[random.usize(..seeds.len())];
            let (start, end) = range(other.len(), random);
            input.splice(from..to, other[start..end].iter().copied());
        },
        _ => input.insert(from, random.u8(..)),
    }
}

fn range(length: usize, random: &mut fastrand::Rng) -> (usize, usize) {
    let (one, other) = (random.usize(..=length), random.usize(..=length));
    (one.min(other), one.max(other))
}
