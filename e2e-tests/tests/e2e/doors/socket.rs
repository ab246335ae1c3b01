//! The Unix socket: for processes of the same user, of a group, and for nobody else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{CommandOutput, ConfigBuilder, Network, Node, print_uncaptured, run};
use ldk_server_client::Client;
use ldk_server_client::api::GetNodeInfoRequest;
use ldk_server_grpc::{RPC_NAMES, SERVICE_NAME, places};
use tempfile::TempDir;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(30);
/// A user and a group that every system has, and that own nothing.
const NOBODY: &str = "65534";

/// A directory that every user can look into.
fn open_dir() -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755))?;
    Ok(dir)
}

async fn node(network: &Network, args: &[&str]) -> Result<Arc<Node>> {
    let mut config = network.config("alice")?;
    config.args = args.iter().map(|arg| (*arg).to_owned()).collect();
    network.node_of(config).await
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_the_same_user_need_no_key() -> Result<()> {
    let network = Network::start().await?;
    let path = places::unix_socket_file(&network.config("alice")?.storage_dir, "regtest");
    let path_text = path.display().to_string();
    let alice = node(&network, &["--node-unix-socket", &path_text]).await?;
    ensure!(mode(&path)? == 0o600);
    let client = Client::unix_socket(&path).build()?;
    ensure!(client.get_node_info(GetNodeInfoRequest {}).await?.node_id == alice.id());
    client.check_live().await?;

    // The command-line client finds it by itself and needs nothing else.
    let (key, aside) = (api_key_file(&alice), network.dir().join("api_key"));
    fs::rename(&key, &aside)?;
    for args in [&["get-node-info"][..], &["--unix-socket", &path_text, "get-node-info"]] {
        ensure!(alice.cli(args).await?["node_id"] == alice.id());
    }
    // An option that names a server or a key is for the network.
    let refused = alice.cli_output(&["--api-key", "00", "get-node-info"]).await?;
    ensure!(refused.stderr.starts_with("Error (Authentication Error)"), "{refused:?}");
    fs::rename(&aside, &key)?;
    // Without a socket the network is left.
    let moved = path.with_extension("moved");
    fs::rename(&path, &moved)?;
    alice.cli(&["get-node-info"]).await?;
    fs::rename(&moved, &path)?;

    what_is_left_by_a_kill_is_replaced(&alice, &path).await?;
    another_daemon_does_not_take_it(&network, &path_text).await?;
    alice.stop().await?;
    ensure!(!path.exists());
    network.stop().await
}

async fn what_is_left_by_a_kill_is_replaced(alice: &Node, path: &Path) -> Result<()> {
    alice.kill().await?;
    ensure!(path.exists());
    alice.start_again().await?;
    let client = Client::unix_socket(path).build()?;
    client.get_node_info(GetNodeInfoRequest {}).await?;
    Ok(())
}

async fn another_daemon_does_not_take_it(network: &Network, path: &str) -> Result<()> {
    for (path, reason) in [
        (path, "another process listens there"),
        (&"a".repeat(108), "has 108 bytes; at most 107"),
        ("/nowhere/node.sock", "cannot listen there"),
    ] {
        let bob = ConfigBuilder::new(network, "bob")?.set("node.unix_socket", path)?;
        let refused = bob.refused().await?;
        ensure!(refused.code == Some(255), "{refused:?}");
        let said = format!("{}{}", refused.stdout, refused.stderr);
        ensure!(said.contains("node.unix_socket: ") && said.contains(reason), "{said}");
    }
    Ok(())
}

fn api_key_file(node: &Node) -> PathBuf {
    places::api_key_file(&node.config().storage_dir, "regtest")
}

/// The command-line client, where other users can run it.
fn cli_in(dir: &Path, network: &Network) -> Result<PathBuf> {
    let cli = dir.join("ldk-server-cli");
    fs::copy(&network.tools().ldk_server_cli, &cli)?;
    Ok(cli)
}

/// Calls over the socket as this user, of these groups.
async fn call_as(cli: &Path, socket: &Path, user: &str, groups: &[&str]) -> Result<CommandOutput> {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", groups[0]]);
    match groups.get(1) {
        Some(group) => command.args(["--groups", group]),
        None => command.arg("--clear-groups"),
    };
    command.current_dir("/").arg(cli).arg("--unix-socket").arg(socket).arg("get-node-info");
    run(command, PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn other_users_are_turned_away_whatever_the_mode() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        println!("only root can be another user: not tested");
        return Ok(());
    }
    let (network, dir) = (Network::start().await?, open_dir()?);
    let (cli, path) = (cli_in(dir.path(), &network)?, dir.path().join("node.sock"));
    let path_text = path.to_str().context("no text")?;
    let alice = node(&network, &["--node-unix-socket", path_text]).await?;
    let refused = call_as(&cli, &path, NOBODY, &[NOBODY]).await?;
    ensure!(refused.stderr.contains("Permission denied"), "{refused:?}");
    fs::set_permissions(&path, Permissions::from_mode(0o666))?;
    let refused = call_as(&cli, &path, NOBODY, &[NOBODY]).await?;
    ensure!(refused.code == Some(1) && refused.stdout.is_empty(), "{refused:?}");
    alice.log().says("refused a process of another user").await?;
    no_call_of_another_user_is_answered(&path).await?;
    // The same program is let in as the user of the daemon.
    call_as(&cli, &path, "0", &["0"]).await?.success()?;
    network.stop().await
}

/// Sends each call as another user, whom the mode of the socket does not stop.
async fn no_call_of_another_user_is_answered(socket: &Path) -> Result<()> {
    for name in RPC_NAMES {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).current_dir("/");
        command.args(["curl", "--silent", "--http2-prior-knowledge", "--unix-socket"]).arg(socket);
        command.args(["--header", "content-type: application/grpc", "--data", ""]);
        command.arg(format!("http://localhost/{SERVICE_NAME}/{name}"));
        let answer = run(command, PATIENCE).await?;
        ensure!(answer.code != Some(0) && answer.stdout.is_empty(), "{name}: {answer:?}");
    }
    print_uncaptured(&format!("{} calls of another user: no connection", RPC_NAMES.len()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_the_group_are_let_in() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        println!("only root can be another user: not tested");
        return Ok(());
    }
    let (network, dir) = (Network::start().await?, open_dir()?);
    let (cli, path) = (cli_in(dir.path(), &network)?, dir.path().join("node.sock"));
    let path_text = path.to_str().context("no text")?;
    let args = ["--node-unix-socket", path_text, "--node-unix-socket-group", NOBODY];
    let alice = node(&network, &args).await?;
    ensure!(mode(&path)? == 0o660);
    for groups in [&[NOBODY][..], &["65532", NOBODY]] {
        let printed = call_as(&cli, &path, "65533", groups).await?.success()?;
        ensure!(printed.contains(alice.id()), "{printed}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o666))?;
    let refused = call_as(&cli, &path, NOBODY, &["65532"]).await?;
    ensure!(refused.code == Some(1) && refused.stdout.is_empty(), "{refused:?}");
    network.stop().await
}
