//! Finds out which commit is built: the one that the packager names in `LDK_SERVER_COMMIT`, else the
//! one that a package of cargo was made from, else that of the git checkout.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

const VARIABLE: &str = "LDK_SERVER_COMMIT";
/// What cargo puts into each package.
const PACKAGE_INFO: &str = ".cargo_vcs_info.json";
const COMMIT_DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-changed=build.rs");
    let named = env::var(VARIABLE).ok().filter(|commit| !commit.is_empty());
    let version = env!("CARGO_PKG_VERSION");
    match named.or_else(of_package).or_else(of_checkout) {
        Some(commit) => {
            println!("cargo::rustc-env=LDK_SERVER_VERSION={version} ({commit})");
            println!("cargo::rustc-env=LDK_SERVER_BUILT_COMMIT={commit}");
        },
        None => println!("cargo::rustc-env=LDK_SERVER_VERSION={version}"),
    }
}

fn of_package() -> Option<String> {
    let info = fs::read_to_string(PACKAGE_INFO).ok()?;
    let (_, rest) = info.split_once("\"sha1\"")?;
    Some(rest.split('"').nth(1)?.chars().take(COMMIT_DIGITS).collect())
}

fn of_checkout() -> Option<String> {
    // The repository above the sources may be another one, that does not know them.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    // Of these, one changes whenever another commit is checked out or made.
    for name in ["HEAD", "logs/HEAD"] {
        let file = git(&["rev-parse", "--git-path", name])?;
        // Cargo would take a file that does not exist for one that has changed.
        if Path::new(&file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    git(&["rev-parse", &format!("--short={COMMIT_DIGITS}"), "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(text.trim().to_owned())
}
