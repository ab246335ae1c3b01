//! Every file and directory of this repository that the documentation names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::{REPOSITORY, code_spans, read};

/// What is built, installed or fetched, and so not in the repository.
const NOT_OURS: [&str; 3] = ["target", ".git", "node_modules"];
/// A file of another project.
const ELSEWHERE: [&str; 1] = ["fwd_batch.rs"];

#[test]
fn every_path_that_is_named_exists() {
    let paths = paths();
    let documents: Vec<&Path> =
        paths.iter().map(PathBuf::as_path).filter(|path| is_document(path)).collect();
    assert!(documents.len() > 10, "{documents:?}");
    let mut missing = Vec::new();
    for document in documents {
        let text = without_blocks(&read(document));
        let dir = document.parent().unwrap();
        let links = links(&text).filter(|link| !paths.contains(&normal(&dir.join(link))));
        let spans = code_spans(&text).filter(|span| is_missing(span, dir, &paths));
        missing.extend(links.chain(spans).map(|path| format!("{}: {path}", document.display())));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
        && !path.ends_with("CHANGELOG.md")
        && path.components().count() <= 2
}

/// All files and directories, from the root of the repository.
fn paths() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::from([PathBuf::new()]);
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(Path::new(REPOSITORY).join(&dir)).unwrap() {
            let entry = entry.unwrap();
            let path = dir.join(entry.file_name());
            if NOT_OURS.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                dirs.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// What is between fences is a command, a program or an answer.
fn without_blocks(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The targets of links within the repository, without the anchors.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#', ' ']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
}

/// Whether a code span names something in this repository that is not there: from the root or from
/// where the document is; or, if it begins within a crate, anywhere.
fn is_missing(span: &str, dir: &Path, paths: &BTreeSet<PathBuf>) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    if !span.chars().all(is_plain) || span.starts_with('/') || ELSEWHERE.contains(&span) {
        return false;
    }
    let path = normal(Path::new(span));
    let begins_at_the_root = path.components().count() > 1
        && path.iter().next().is_some_and(|top| is_in_root(top, paths));
    if begins_at_the_root {
        !paths.contains(&path) && !paths.contains(&normal(&dir.join(span)))
    } else {
        let is_path = span.ends_with('/') || span.ends_with(".rs");
        is_path && !paths.iter().any(|known| known.ends_with(&path))
    }
}

fn is_in_root(name: &std::ffi::OsStr, paths: &BTreeSet<PathBuf>) -> bool {
    paths.contains(Path::new(name)) && Path::new(REPOSITORY).join(name).is_dir()
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(normal.pop()),
            Component::Normal(name) => normal.push(name),
            _ => {},
        }
    }
    normal
}

#[test]
fn a_path_that_does_not_exist_is_found() {
    let (paths, dir) = (paths(), Path::new("docs"));
    for missing in ["ldk-server/src/nothing.rs", "nothing.rs", "nothing/", "docs/nothing.md"] {
        assert!(is_missing(missing, dir, &paths), "{missing}");
    }
    for other in ["ldk-server/src", "config/parse/", "main.rs", "a/b", "/tmp/play", "cargo test"] {
        assert!(!is_missing(other, dir, &paths), "{other}");
    }
}
