//! Clients in other languages.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::command_output::run;
use crate::process::{Log, Process};
use crate::tools::repository;
use crate::wait::until;

const INSTALL_PATIENCE: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(30);

/// A Python that has the packages of requirements.txt, in a directory under `tmp`: made once, and
/// again when that file changes.
pub async fn python(tmp: &Path) -> Result<PathBuf> {
    python_in(&tmp.join("python"), "requirements.txt").await
}

/// As [`python`], with the packages that read OpenAPI documents.
pub async fn python_for_openapi(tmp: &Path) -> Result<PathBuf> {
    python_in(&tmp.join("python-openapi"), "openapi/requirements.txt").await
}

/// As [`python`], with Core Lightning's own client.
pub async fn python_for_cln(tmp: &Path) -> Result<PathBuf> {
    python_in(&tmp.join("python-cln"), "cln/requirements.txt").await
}

/// As [`python`], with the packages of a program that is a client of nodes: those of
/// `NAME/requirements.txt`, which may need other versions than those of the next program.
pub async fn python_for_client(tmp: &Path, name: &str) -> Result<PathBuf> {
    let environment = tmp.join(format!("python-{name}"));
    python_in(&environment, &format!("{name}/requirements.txt")).await
}

/// A Python in `environment` that has the packages of this file.
async fn python_in(environment: &Path, requirements: &str) -> Result<PathBuf> {
    let python = environment.join("bin/python");
    let requirements = repository().join("e2e-tests/python").join(requirements);
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(environment);
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements);
    let installed = install_once(environment, &[&requirements], vec![create, install]).await;
    installed.context("this test needs python3 with venv, and the Python package index")?;
    ensure!(python.exists(), "there is no {}", python.display());
    Ok(python)
}

/// Makes a Python client of the protos in `into`.
pub async fn python_stubs(python: &Path, into: &Path) -> Result<()> {
    let mut protoc = Command::new(python);
    protoc
        .current_dir(protos())
        .args(["-m", "grpc_tools.protoc", "--proto_path=."])
        .arg(format!("--python_out={}", into.display()))
        .arg(format!("--grpc_python_out={}", into.display()))
        .args(["api.proto", "events.proto", "types.proto", "error.proto"]);
    run(protoc, PATIENCE).await?.success().map(drop)
}

/// Makes a Python client of Core Lightning's protos in `into`, as its tutorial does it.
pub async fn python_stubs_for_cln(python: &Path, into: &Path) -> Result<()> {
    let protos = protos().join("cln");
    for file in ["node.proto", "primitives.proto"] {
        let mut protoc = Command::new(python);
        protoc.current_dir(into).args(["-m", "grpc_tools.protoc", "-I"]);
        protoc.arg(&protos).arg(protos.join(file));
        protoc.args(["--python_out=.", "--grpc_python_out=."]);
        protoc.arg("--experimental_allow_proto3_optional");
        run(protoc, PATIENCE).await?.success()?;
    }
    Ok(())
}

/// The directory, under `tmp`, of the JavaScript packages of package-lock.json: installed once, and
/// again when that file changes.
pub async fn node_packages(tmp: &Path) -> Result<PathBuf> {
    const NEEDED: &str = "this test needs Node.js 18 or later with npm, and the npm registry: on \
                          Debian and Ubuntu, apt-get install nodejs npm";
    let environment = tmp.join("javascript");
    fs::create_dir_all(&environment)?;
    let manifests = ["package.json", "package-lock.json"]
        .map(|name| repository().join("e2e-tests/javascript").join(name));
    let mut copy = Command::new("cp");
    copy.args(&manifests).arg(&environment);
    let mut install = Command::new("npm");
    install.current_dir(&environment).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    let files = [manifests[0].as_path(), manifests[1].as_path()];
    install_once(&environment, &files, vec![copy, install]).await.context(NEEDED)?;
    Ok(environment.join("node_modules"))
}

/// The directory of the protocol definitions.
pub fn protos() -> PathBuf {
    repository().join("ldk-server-grpc/src/proto")
}

/// Runs these commands, unless they were run for just these files. They make what is to be in
/// `dir`, which several tests and test runs share.
async fn install_once(dir: &Path, files: &[&Path], commands: Vec<Command>) -> Result<()> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    let lock = File::create(dir.with_extension("lock"))?;
    lock.lock()?;
    let mut wanted = Vec::new();
    for file in files {
        wanted.extend(fs::read(file).with_context(|| file.display().to_string())?);
    }
    let installed = dir.join("installed.txt");
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        for command in commands {
            run(command, INSTALL_PATIENCE).await?.success()?;
        }
        fs::write(&installed, wanted)?;
    }
    Ok(())
}

/// The object with this index of what a client prints. Warnings of its libraries are passed over.
pub async fn printed(client: &mut Process, log: &Log, index: usize) -> Result<Value> {
    until(&format!("object {index} of the client"), PATIENCE, async || {
        let text = log.text();
        // The last line is whole only when the client went on to the next or has ended.
        let mut lines = text.split_inclusive('\n').filter(|line| line.starts_with('{'));
        let line = lines.nth(index).filter(|line| line.ends_with('\n'));
        if line.is_none() {
            client.ensure_running().with_context(|| text.clone())?;
        }
        let line = line.with_context(|| format!("it printed {text:?}"))?;
        serde_json::from_str(line).with_context(|| text.clone())
    })
    .await
}
