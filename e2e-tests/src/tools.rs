//! The executables that a network is made of.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::command_output::run_in_view;
use crate::process::Group;

/// A release build of the whole workspace on a slow machine takes this long at most.
const BUILD_PATIENCE: Duration = Duration::from_secs(3600);
const DOWNLOAD_PATIENCE: Duration = Duration::from_secs(900);

/// Where the executables are.
#[derive(Clone, Debug)]
pub struct Tools {
    /// A bitcoind that runs here.
    pub bitcoind: PathBuf,
    /// The daemon.
    pub ldk_server: PathBuf,
    /// The command-line client.
    pub ldk_server_cli: PathBuf,
}

impl Tools {
    /// Finds the executables, once in a process.
    ///
    /// bitcoind comes from `contrib/get-bitcoind.sh`, which installs one if need be. Daemon and
    /// client are those that `LDK_SERVER_EXE` and `LDK_SERVER_CLI_EXE` name; otherwise they are
    /// built, in the profile that the caller was built in.
    pub async fn get(group: Group) -> Result<&'static Self> {
        static TOOLS: OnceCell<Tools> = OnceCell::const_new();
        TOOLS.get_or_try_init(|| Self::find(group)).await
    }

    async fn find(group: Group) -> Result<Self> {
        let bitcoind = bitcoind(group).await?;
        let named = |variable| env::var_os(variable).map(PathBuf::from);
        let (ldk_server, ldk_server_cli) =
            match (named("LDK_SERVER_EXE"), named("LDK_SERVER_CLI_EXE")) {
                (Some(ldk_server), Some(ldk_server_cli)) => (ldk_server, ldk_server_cli),
                (ldk_server, ldk_server_cli) => {
                    let built = build(group).await?;
                    (
                        ldk_server.map_or_else(|| executable(&built, "ldk-server"), Ok)?,
                        ldk_server_cli.map_or_else(|| executable(&built, "ldk-server-cli"), Ok)?,
                    )
                },
            };
        Ok(Self { bitcoind, ldk_server, ldk_server_cli })
    }
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

async fn bitcoind(group: Group) -> Result<PathBuf> {
    let script = Command::new(repository().join("contrib/get-bitcoind.sh"));
    let printed = run_in_view(script, group, DOWNLOAD_PATIENCE).await?.success()?;
    Ok(PathBuf::from(printed.trim_end()))
}

/// Builds an example of a member of the workspace, and tells where it is.
pub async fn example(package: &str, name: &str) -> Result<PathBuf> {
    let built = build(Group::Shared).await?;
    executable(&built, name).with_context(|| format!("the example of {package}"))
}

/// Builds the binaries and examples of the workspace and returns what cargo reports of it, a JSON
/// value a line.
async fn build(group: Group) -> Result<String> {
    // The examples have the features of dev-dependencies turned on, as the tests have. Without them
    // LDK would be built a second time.
    cargo_build(&["--workspace", "--bins", "--examples"], group).await
}

async fn cargo_build(what: &[&str], group: Group) -> Result<String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(repository())
        .args(["build", "--message-format=json-render-diagnostics"])
        .args(what)
        .args(["--profile", &profile()?]);
    // What cargo told a test of its package would have build scripts run anew, and those of the
    // next build again.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    run_in_view(cargo, group, BUILD_PATIENCE).await?.success()
}

/// The profile that this very executable was built in, which is told by the directory it is in.
fn profile() -> Result<String> {
    let exe = env::current_exe()?;
    exe.ancestors()
        .skip(1)
        .filter_map(|dir| dir.file_name()?.to_str())
        .find(|name| *name != "deps")
        .map(|name| if name == "debug" { "dev" } else { name }.to_owned())
        .with_context(|| format!("{} is in no target directory", exe.display()))
}

fn executable(built: &str, name: &str) -> Result<PathBuf> {
    built
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo built no {name}"))
}
