//! The modules of the daemon form floors: each imports from those below it only. In no crate do files
//! import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// From the top to the bottom. A module may name those that stand below it, and no other.
const FLOORS: [&str; 66] = [
    "main",
    "fuzzing",
    "commands",
    "server",
    "systemd",
    "http",
    "cln",
    "phoenixd",
    "page",
    "openapi",
    "feeds",
    "rest",
    "grpc",
    "api",
    "ops",
    "app",
    "readiness",
    "metrics",
    "webhooks",
    "lnurl",
    "events",
    "retention",
    "books",
    "wallet",
    "hold",
    "node",
    "backup",
    "rollback",
    "recovery",
    "postgres",
    "gate",
    "chain",
    "hrn",
    "outbound",
    "pathfinding",
    "payment_requests",
    "executor",
    "bulkhead",
    "audit",
    "permissions",
    "caller",
    "access",
    "intents",
    "store",
    "certificate",
    "process",
    "man",
    "logging",
    "secrets",
    "local_socket",
    "descriptors",
    "storage",
    "json",
    "wire",
    "config",
    "memory",
    "compat",
    "error",
    "deadline",
    "disk",
    "urls",
    "ip",
    "waiters",
    "locks",
    "clock",
    "crash_points",
];

/// What a file imports from above all the same, and why that is no harm.
const ALLOWED: [(&str, &str, &str); 0] = [];

/// A source file without its tests.
struct Source {
    /// Its module, as a path from the root of the crate.
    module: Vec<String>,
    code: String,
}

impl Source {
    fn room(&self) -> &str {
        &self.module[0]
    }

    /// The paths of modules that it names: `crate::…` as they are, `super::…` resolved.
    fn named(&self) -> BTreeSet<Vec<String>> {
        let mut named = BTreeSet::new();
        for (at, _) in self.code.match_indices("crate::") {
            named.extend(paths(&self.code[at + "crate::".len()..]));
        }
        for (at, _) in self.code.match_indices("super::") {
            if self.code[..at].ends_with("super::") {
                continue;
            }
            let rest = &self.code[at..];
            let ups = rest.split("super::").take_while(|part| part.is_empty()).count();
            let base = self.module.len().saturating_sub(ups);
            for path in paths(&rest[ups * "super::".len()..]) {
                named.insert([&self.module[..base], &path].concat());
            }
        }
        named
    }
}

/// The paths at the beginning of this text, one for each name in braces.
fn paths(text: &str) -> Vec<Vec<String>> {
    let name_end = |text: &str| {
        text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
    };
    let mut path = Vec::new();
    let mut rest = text;
    loop {
        if let Some(inside) = rest.strip_prefix('{') {
            let names = inside.split('}').next().unwrap_or_default().split(',');
            return names
                .map(|name| {
                    let name = name.trim();
                    [path.clone(), vec![name[..name_end(name)].to_owned()]].concat()
                })
                .collect();
        }
        let end = name_end(rest);
        path.push(rest[..end].to_owned());
        match rest[end..].strip_prefix("::") {
            Some(next) => rest = next,
            None => return vec![path],
        }
    }
}

/// The source files of the daemon.
fn sources() -> Result<Vec<Source>> {
    let found = sources_of("ldk-server")?;
    assert!(found.len() > 100, "only {} files were found", found.len());
    Ok(found)
}

fn sources_of(member: &str) -> Result<Vec<Source>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(member).join("src");
    let mut found = Vec::new();
    read(&root, &root, &mut found)?;
    Ok(found)
}

fn read(root: &Path, dir: &Path, found: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if is_of_tests(&path) {
            continue;
        }
        if path.is_dir() {
            read(root, &path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let code: Vec<_> =
                code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let module = module(path.strip_prefix(root)?);
            if module != ["lib"] {
                found.push(Source { module, code: code.join("\n") });
            }
        }
    }
    Ok(())
}

fn is_of_tests(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    ["tests", "testing", "conformance", "vectors", "testdata"].contains(&name.as_ref())
}

fn module(path: &Path) -> Vec<String> {
    let path: PathBuf = if path.ends_with("mod.rs") {
        path.parent().unwrap_or(path).to_owned()
    } else {
        path.with_extension("")
    };
    path.iter().map(|part| part.to_string_lossy().into_owned()).collect()
}

#[test]
fn no_arrow_climbs() -> Result<()> {
    let floor = |room: &str| FLOORS.iter().position(|known| *known == room);
    let mut climbing = BTreeSet::new();
    for source in sources()? {
        let here = floor(source.room())
            .with_context(|| format!("{} has no floor in FLOORS", source.room()))?;
        for path in source.named() {
            let Some(there) = floor(&path[0]) else { continue };
            let is_allowed = ALLOWED
                .iter()
                .any(|(file, room, _)| *file == source.module.join("/") && *room == path[0]);
            if there < here && !is_allowed {
                climbing.insert(format!("{} -> {}", source.module.join("/"), path[0]));
            }
        }
    }
    assert!(climbing.is_empty(), "{climbing:#?}");
    Ok(())
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() -> Result<()> {
    for member in ["ldk-server", "ldk-server-client", "ldk-server-cli", "ldk-server-grpc"] {
        let circle = circle(&sources_of(member)?);
        assert!(circle.is_empty(), "{member}: these import each other, or what does: {circle:#?}");
    }
    Ok(())
}

/// The files that are left when those are taken away, again and again, that import none of the others.
fn circle(sources: &[Source]) -> Vec<String> {
    let modules: BTreeSet<&[String]> =
        sources.iter().map(|source| source.module.as_slice()).collect();
    let mut arrows: BTreeMap<&[String], BTreeSet<&[String]>> = BTreeMap::new();
    for source in sources {
        let here = source.module.as_slice();
        for path in source.named() {
            let longest = (1..=path.len()).rev().map(|length| &path[..length]);
            let there = longest.filter_map(|path| modules.get(path)).next();
            // A module and its parts know each other: the parent is the face of them.
            if let Some(there) = there
                && !here.starts_with(there)
                && !there.starts_with(here)
            {
                arrows.entry(here).or_default().insert(there);
            }
        }
    }
    let mut left: BTreeSet<&[String]> = modules.clone();
    loop {
        let ends: Vec<_> = left
            .iter()
            .filter(|module| {
                arrows.get(**module).is_none_or(|to| to.iter().all(|there| !left.contains(there)))
            })
            .copied()
            .collect();
        if ends.is_empty() {
            break;
        }
        for module in ends {
            left.remove(module);
        }
    }
    left.iter().map(|module| module.join("/")).collect()
}

#[test]
fn above_its_seam_the_store_names_no_database() -> Result<()> {
    const DATABASES: [&str; 2] = ["sqlite", "postgres"];
    let names = |source: &Source| {
        let code = source.code.to_lowercase();
        DATABASES.iter().any(|name| code.contains(name))
    };
    let is_above = |source: &&Source| {
        let part = source.module.get(1);
        source.room() == "store" && part.is_some_and(|part| !DATABASES.contains(&part.as_str()))
    };
    let sources = sources()?;
    let above: Vec<_> = sources.iter().filter(is_above).collect();
    assert!(above.len() > 20, "only {} files were found", above.len());
    let naming = above.into_iter().filter(|source| names(source));
    let naming: Vec<_> = naming.map(|source| source.module.join("/")).collect();
    assert!(naming.is_empty(), "{naming:#?}");
    Ok(())
}

#[test]
fn paths_are_read_as_they_are_written() {
    let source = |code: &str| Source {
        module: ["gate", "hold"].map(str::to_owned).to_vec(),
        code: code.to_owned(),
    };
    let named = |code: &str| -> Vec<String> {
        source(code).named().into_iter().map(|path| path.join("/")).collect()
    };
    assert_eq!(
        named("use crate::store::{Durability, Position};"),
        ["store/Durability", "store/Position"]
    );
    assert_eq!(
        named("use super::metrics::Held; super::super::store::open()"),
        ["gate/metrics/Held", "store/open"]
    );
    assert_eq!(named("use std::fs;"), Vec::<String>::new());
}
