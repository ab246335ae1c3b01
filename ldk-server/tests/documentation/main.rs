//! The keys and flags that the daemon knows, those in docs/configuration.md and those in the
//! template are the same, and every configuration shown in the documentation is accepted.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers of a test for production code")]

mod packaging;
mod paths;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ldk_server::config::keys::{Definition, KEYS, Refused};
use ldk_server::config::{Args, Config, ConfigError, TEMPLATE};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const REFERENCE: &str = "docs/configuration.md";

/// What cannot be in one file with the rest of the template: all but one of the chain sources, and
/// one of the two ways to log in to bitcoind.
const ALTERNATIVES: [&[&str]; 4] = [
    &["electrum", "esplora", "bitcoind.rpc_cookie_file", "storage.postgres"],
    &["electrum", "esplora", "bitcoind.rpc_user", "bitcoind.rpc_password", "storage.postgres"],
    &["bitcoind", "esplora", "backup.directory", "storage.postgres.password"],
    &["bitcoind", "electrum", "backup.directory", "storage.postgres.password_file"],
];

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(Path::new(REPOSITORY).join(path)).unwrap()
}

fn load(text: &str) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    Config::load(&Args::try_parse_from([Path::new("ldk-server"), file.path()]).unwrap())
}

fn refusal(text: &str) -> Option<String> {
    load(text).err().map(|error| error.to_string())
}

fn known_keys() -> BTreeSet<String> {
    KEYS.iter().filter(|key| key.is_in_file()).map(|key| key.name.to_owned()).collect()
}

#[test]
fn the_unit_of_systemd_forbids_core_dumps() {
    assert!(read("contrib/ldk-server.service").lines().any(|line| line == "LimitCORE=0"));
}

fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn table_rows(document: &str) -> impl Iterator<Item = &str> {
    document.lines().filter(|line| line.starts_with('|'))
}

/// A key of the template, whether it is on or off there.
struct Entry {
    section: String,
    path: String,
    line: String,
}

fn template_entries() -> Vec<Entry> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for line in TEMPLATE.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with(' ')) {
            let path = format!("{section}.{key}");
            entries.push(Entry { section: section.clone(), path, line: line.to_owned() });
        }
    }
    entries
}

/// The template with every key on, except those that are, or are in, what is left out.
fn template_without(left_out: &[&str]) -> String {
    let mut text = String::new();
    let mut section = String::new();
    for entry in template_entries() {
        if left_out.iter().any(|out| entry.section == *out || entry.path == *out) {
            continue;
        }
        if entry.section != section {
            section = entry.section;
            text.push_str(&format!("[{section}]\n"));
        }
        text.push_str(&entry.line);
        text.push('\n');
    }
    text
}

#[test]
fn the_reference_names_the_keys_that_the_daemon_knows() {
    let reference = read(REFERENCE);
    let documented: BTreeSet<String> = table_rows(&reference)
        .filter_map(|row| Some(row.strip_prefix("| `")?.split_once('`')?.0))
        .filter(|name| !name.starts_with("--") && !name.contains('/'))
        .map(str::to_owned)
        .collect();
    assert_eq!(documented, known_keys());
}

#[test]
fn the_reference_names_the_flags_and_variables_that_the_rule_does_not_give() {
    let reference = read(REFERENCE);
    let documented: BTreeSet<&str> = table_rows(&reference)
        .flat_map(code_spans)
        .filter(|span| span.starts_with("--") || span.starts_with("LDK_SERVER_"))
        .collect();
    let mut known = BTreeSet::new();
    for key in KEYS.iter().filter(|key| key.has_short_name() || !key.is_in_file()) {
        let (flag, variable) = (format!("--{}", key.flag()), key.variable());
        let row = format!("`{flag}` | `{variable}` |");
        assert!(reference.contains(&row), "{row}");
        known.extend([flag, variable]);
    }
    assert_eq!(documented, known.iter().map(String::as_str).collect());
}

#[test]
fn every_key_has_a_flag_and_a_variable_that_no_other_has() {
    let flags: BTreeSet<String> = KEYS.iter().map(Definition::flag).collect();
    let variables: BTreeSet<String> = KEYS.iter().map(Definition::variable).collect();
    assert_eq!((flags.len(), variables.len()), (KEYS.len(), KEYS.len()));
}

#[test]
fn the_template_has_every_key_or_says_that_it_is_refused() {
    let shown: BTreeSet<String> = template_entries().into_iter().map(|entry| entry.path).collect();
    let (_, said_to_be_refused) = TEMPLATE.split_once("# Refused whatever their value").unwrap();
    for key in KEYS.iter().filter(|key| key.is_in_file() && !shown.contains(key.name)) {
        let (section, _) = key.name.split_once('.').unwrap();
        let is_said = said_to_be_refused.contains(key.name)
            || said_to_be_refused.contains(&format!("section {section}"));
        assert!(is_said && matches!(key.refused, Some(Refused::Always(_))), "{}", key.name);
    }
}

#[test]
fn the_template_is_accepted_as_it_is_and_with_every_key_on() {
    assert_eq!(refusal(TEMPLATE), None);
    for left_out in ALTERNATIVES {
        let text = template_without(left_out);
        assert_eq!(refusal(&text), None, "{text}");
    }
}

#[test]
fn every_configuration_in_the_documentation_is_accepted() {
    let docs = fs::read_dir(Path::new(REPOSITORY).join("docs")).unwrap();
    let documents = docs.map(|entry| entry.unwrap().path()).chain(["README.md".into()]);
    let documents = documents.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let mut checked = 0;
    for document in documents {
        for block in read(&document).split("```toml\n").skip(1) {
            let (text, _) = block.split_once("```").unwrap();
            assert_eq!(refusal(text), None, "{}: {text}", document.display());
            checked += 1;
        }
    }
    assert!(checked > 0, "no document shows a configuration");
}
