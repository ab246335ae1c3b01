//! The programs of the guide, run as they are printed there.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Group, Log, Process, other_languages};
use serde_json::Value;
use tokio::process::Command;

const RUST_EXAMPLE: &str = include_str!("../../../../ldk-server-client/examples/shop.rs");

/// A program that runs.
pub(crate) struct Program {
    process: Process,
    log: Log,
}

/// Starts a program of this language in the directory `place`, which does not exist yet. `play` is
/// where the nodes are.
pub(crate) async fn start(
    language: &str,
    text: &str,
    place: &Path,
    play: &Path,
) -> Result<Program> {
    fs::create_dir(place)?;
    let mut command = match language {
        "rust" => rust(text, play).await?,
        "python" => python(text, place).await?,
        "javascript" => javascript(text, place).await?,
        other => bail!("nobody knows how to run {other}"),
    };
    command.current_dir(place);
    let log = Log::new(place.join("output"));
    let process = Process::spawn(language, command, &log, Group::Shared)?;
    Ok(Program { process, log })
}

impl Program {
    /// The object that it prints first.
    pub(crate) async fn first_line(&mut self) -> Result<Value> {
        other_languages::printed(&mut self.process, &self.log, 0).await
    }

    /// Waits until it has ended, having been paid.
    pub(crate) async fn ends_well(mut self) -> Result<()> {
        let status = self.process.ended().await?;
        ensure!(status.success(), "it ended with {status}\n{}", self.log.tail());
        ensure!(self.log.text().contains("paid"), "{}", self.log.tail());
        Ok(())
    }
}

/// The example of the client crate, which the guide quotes.
async fn rust(text: &str, play: &Path) -> Result<Command> {
    ensure!(text == RUST_EXAMPLE.trim_end(), "this is not examples/shop.rs of ldk-server-client");
    let shop = e2e_tests::example("ldk-server-client", "shop").await?;
    let mut command = Command::new(shop);
    command.arg(play.join("bob/config.toml"));
    Ok(command)
}

async fn python(text: &str, place: &Path) -> Result<Command> {
    let python = other_languages::python(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
    let stubs = place.join("stubs");
    fs::create_dir(&stubs)?;
    other_languages::python_stubs(&python, &stubs).await?;
    fs::write(place.join("shop.py"), text)?;
    let mut command = Command::new(python);
    command.arg("shop.py");
    Ok(command)
}

async fn javascript(text: &str, place: &Path) -> Result<Command> {
    let packages = other_languages::node_packages(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
    fs::write(place.join("shop.js"), text)?;
    // What the guide has in the current directory when the program is run from the repository.
    let link = |from: &Path, name: &str| std::os::unix::fs::symlink(from, place.join(name));
    link(&packages, "node_modules").context("node_modules")?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    link(&repository.join("ldk-server-grpc"), "ldk-server-grpc").context("ldk-server-grpc")?;
    let mut command = Command::new("node");
    command.arg("shop.js");
    Ok(command)
}
