//! Configurations that cannot be used: the daemon ends, says why in one message that names the
//! thing, and leaves nothing half done.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e_tests::{CommandOutput, ConfigBuilder, Electrum, Esplora, Network, RPC_PASSWORD, run};
use ldk_server_grpc::places::{self, Places};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(10);
const FAILURE: i32 = 255;

/// The mnemonic of BIP 39's first example of 24 words.
const MNEMONIC: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
    abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
    abandon abandon art";

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_configured_is_refused_before_anything_is_made() -> Result<()> {
    let network = Network::start().await?;
    let builder = |name| ConfigBuilder::new(&network, name);
    for (builder, named) in [
        (builder("misspelt")?.set("log.levle", "Debug")?, &["levle"][..]),
        (builder("section")?.set("nodes.alias", "alice")?, &["nodes"]),
        (builder("no-network")?.unset("node.network")?, &["node.network", "regtest"]),
        (builder("mainnet")?.set("node.network", "mainnet")?, &["node.network", "mainnet"]),
        (
            builder("two-sources")?.set("esplora.server_url", "http://127.0.0.1:1")?,
            &["bitcoind", "esplora"],
        ),
        (builder("no-source")?.unset("bitcoind")?, &["bitcoind", "electrum", "esplora"]),
        (builder("half-a-source")?.unset("bitcoind.rpc_user")?, &["bitcoind.rpc_user"]),
        (builder("no-port")?.set("bitcoind.rpc_address", "localhost")?, &["bitcoind.rpc_address"]),
        (builder("long-alias")?.set("node.alias", "a".repeat(33))?, &["node.alias", "33", "32"]),
        (builder("empty-alias")?.set("node.alias", " ")?, &["node.alias"]),
        (builder("unheard")?.unset("node.listening_addresses")?, &["node.listening_addresses"]),
        (
            builder("unreachable")?.set("node.grpc_service_address", "localhost:3536")?,
            &["node.grpc_service_address", "localhost:3536"],
        ),
        (builder("loud")?.set("log.level", "loud")?, &["log.level", "loud"]),
        (builder("number")?.set("node.alias", 7)?, &["alias"]),
        (builder("nameless-host")?.set("tls.hosts", vec!["no host"])?, &["tls.hosts", "no host"]),
        (builder("probing")?.set("probing.strategy", "random_walk")?, &["probing", "0.7.1"]),
        (builder("password")?.set("bitcoind.rpc_password", 7)?, &["rpc_password"]),
    ] {
        let refused = refused(&builder, named).await?;
        assert!(refused.stderr.starts_with("Invalid configuration: "), "{refused:?}");
        assert!(!builder.storage_dir().exists(), "{} was made", builder.storage_dir().display());
    }
    files_that_are_no_configuration(&network).await?;
    a_configuration_can_be_looked_at(&network).await?;
    who_has_none_is_told_how_to_begin(&network).await?;
    network.stop().await
}

async fn a_configuration_can_be_looked_at(network: &Network) -> Result<()> {
    let builder = ConfigBuilder::new(network, "looked-at")?;
    let shown = builder.checked(|command| {
        command.env("LDK_SERVER_LOG_LEVEL", "Info").arg("--events-keep-count=5");
    });
    let shown = shown.await?.success()?;
    for (setting, origin) in [
        ("node.network = \"regtest\"", "file"),
        ("log.level = \"Info\"", "variable LDK_SERVER_LOG_LEVEL"),
        ("events.keep_count = 5", "flag --events-keep-count"),
        ("events.keep_secs = 7776000", "default"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(setting));
        assert!(line.is_some_and(|line| line.ends_with(&format!("# {origin}"))), "{shown}");
    }
    assert!(!shown.contains(RPC_PASSWORD), "{shown}");
    let wrong = builder.checked(|command| {
        command.env("LDK_SERVER_EVENTS_KEEP_SECS", "1");
    });
    check(&wrong.await?, &["events.keep_secs", "60"]);
    assert!(!builder.storage_dir().exists(), "{} was made", builder.storage_dir().display());
    Ok(())
}

async fn who_has_none_is_told_how_to_begin(network: &Network) -> Result<()> {
    let mut command = Command::new(&network.tools().ldk_server);
    command.env("HOME", network.dir().join("nobody"));
    let told = run(command, PATIENCE).await?;
    check(&told, &["--bitcoind-rpc-address", "--esplora-server-url", "--print-default-config"]);
    assert!(!network.dir().join("nobody").exists(), "a directory was made");

    let mut command = Command::new(&network.tools().ldk_server);
    command.arg("--print-default-config");
    let template = run(command, PATIENCE).await?.success()?;
    let file = network.dir().join("template.toml");
    fs::write(&file, &template)?;
    let mut command = Command::new(&network.tools().ldk_server);
    command.arg(&file).arg("--check-config").env("HOME", network.dir());
    let shown = run(command, PATIENCE).await?.success()?;
    assert!(shown.contains("node.network = \"signet\""), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_named() -> Result<()> {
    let network = Network::start().await?;
    ports_in_use(&network).await?;
    directories_that_cannot_be_used(&network).await?;
    a_directory_in_use(&network).await?;
    a_directory_of_ldk_server(&network).await?;
    a_bitcoind_that_is_not_ours(&network).await?;
    a_server_that_is_not_ours(&network).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_damaged_are_named_and_kept() -> Result<()> {
    let network = Network::start().await?;
    let whole = ConfigBuilder::new(&network, "whole")?;
    let dir = whole.storage_dir().to_owned();
    let mut whole = whole.start()?;
    whole.ready().await?;
    whole.stop().await?;

    secrets_that_contradict_each_other(&network, &dir).await?;

    let key = &fs::read_to_string(places::tls_key_file(&dir))?;
    let certificate = &fs::read_to_string(places::tls_cert_file(&dir))?;
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let other = &rcgen::generate_simple_self_signed(["localhost".to_owned()])?.cert.pem();
    let wrong_sum = MNEMONIC.replace("art", "abandon");
    let twelve = format!("{}about", "abandon ".repeat(11));
    for (index, (file, content, word)) in [
        ("regtest/api_key", "short", "32"),
        ("regtest/api_key", "", "32"),
        ("keys_mnemonic", "correct horse battery staple", "BIP 39"),
        ("keys_mnemonic", "", "BIP 39"),
        ("keys_mnemonic", &wrong_sum, "BIP 39"),
        ("keys_mnemonic", &twelve, "24"),
        ("tls.crt", "not a certificate", "PEM"),
        ("tls.crt", &certificate[..certificate.len() / 2], "PEM"),
        ("tls.crt", "", "PEM"),
        ("tls.key", "not a key", "PEM"),
        ("tls.key", &key[..key.len() / 2], "PEM"),
        ("tls.key", "", "PEM"),
        ("tls.crt", not_der, "certificate"),
        ("tls.crt", other, "tls.key"),
    ]
    .into_iter()
    .enumerate()
    {
        let builder = ConfigBuilder::new(&network, &format!("damaged-{index}"))?;
        copy_secrets(&dir, builder.storage_dir())?;
        let damaged = builder.storage_dir().join(file);
        fs::remove_file(&damaged)?;
        fs::write(&damaged, content)?;
        refused(&builder, &[&damaged.display().to_string(), word]).await?;
        assert_eq!(fs::read_to_string(&damaged)?, content, "{file} was changed");
    }
    network.stop().await
}

async fn files_that_are_no_configuration(network: &Network) -> Result<()> {
    let missing = network.dir().join("missing.toml");
    let broken = network.dir().join("broken.toml");
    let secret = format!("rpc_password = {RPC_PASSWORD}\"\n");
    fs::write(&broken, format!("[node]\nnetwork = \"regtest\"\n[bitcoind]\n{secret}"))?;
    for file in [missing, broken, network.dir().to_owned()] {
        let mut command = Command::new(&network.tools().ldk_server);
        command.arg(&file);
        let refused = run(command, PATIENCE).await?;
        check(&refused, &["Invalid configuration: ", &file.display().to_string()]);
        assert!(!refused.stderr.contains(RPC_PASSWORD), "{refused:?}");
    }
    Ok(())
}

async fn ports_in_use(network: &Network) -> Result<()> {
    let builder = ConfigBuilder::new(network, "grpc-taken")?;
    let address = builder.config().grpc.address();
    let _taken = TcpListener::bind(&address)?;
    refused(&builder, &["node.grpc_service_address", &address]).await?;

    let builder = ConfigBuilder::new(network, "lightning-taken")?;
    let address = builder.config().lightning.address();
    let _taken = TcpListener::bind(&address)?;
    refused(&builder, &["node.listening_addresses", &address]).await?;
    Ok(())
}

/// Not by their permissions, which do not keep root from anything.
async fn directories_that_cannot_be_used(network: &Network) -> Result<()> {
    let file = network.dir().join("a-file");
    fs::write(&file, "")?;
    let below = file.join("below").display().to_string();
    for (name, key) in [
        ("unwritable-storage", "storage.disk.dir_path"),
        ("unwritable-log", "log.file"),
        ("unwritable-key", "tls.key_path"),
        ("unwritable-certificate", "tls.cert_path"),
    ] {
        refused(&ConfigBuilder::new(network, name)?.set(key, below.as_str())?, &[&below]).await?;
    }
    Ok(())
}

async fn a_directory_in_use(network: &Network) -> Result<()> {
    let builder = ConfigBuilder::new(network, "in-use")?;
    let dir = places::network_dir(builder.storage_dir(), "regtest");
    fs::create_dir_all(&dir)?;
    let lock = File::create(dir.join("ldk-server.lock"))?;
    lock.lock()?;
    refused(&builder, &["another ldk-server", &dir.display().to_string()]).await?;
    assert!(!builder.storage_dir().join("keys_mnemonic").exists(), "the other's keys were made");
    Ok(())
}

async fn a_directory_of_ldk_server(network: &Network) -> Result<()> {
    let builder = ConfigBuilder::new(network, "ldk-server")?;
    let dir = places::network_dir(builder.storage_dir(), "regtest");
    fs::create_dir_all(&dir)?;
    let database = rusqlite::Connection::open(dir.join("ldk_node_data.sqlite"))?;
    database.pragma_update(None, "user_version", 3)?;
    drop(database);
    fs::write(dir.join("ldk_server_data.sqlite"), "")?;
    let words = ["data directory of an LDK Server", "keys_mnemonic", "api_key", "tls.crt"];
    check(&builder.refused().await?, &words);
    assert!(!builder.storage_dir().join("keys_mnemonic").exists(), "keys were made");
    Ok(())
}

async fn a_bitcoind_that_is_not_ours(network: &Network) -> Result<()> {
    let address = network.bitcoind().rpc_address();
    let builder = ConfigBuilder::new(network, "signet")?.set("node.network", "signet")?;
    refused(&builder, &["bitcoind", &address, "regtest", "signet"]).await?;

    let wrong = "another-password";
    let builder = ConfigBuilder::new(network, "stranger")?.set("bitcoind.rpc_password", wrong)?;
    let refusal = refused(&builder, &["bitcoind", &address, "bitcoind.rpc_password"]).await?;
    assert!(!refusal.stdout.contains(wrong) && !refusal.stderr.contains(wrong), "{refusal:?}");
    Ok(())
}

/// Both are on regtest.
async fn a_server_that_is_not_ours(network: &Network) -> Result<()> {
    let (electrum, esplora) = (Electrum::start().await?, Esplora::start().await?);
    for (source, url) in [("esplora", esplora.url()), ("electrum", electrum.url())] {
        let builder = ConfigBuilder::new(network, source)?.unset("bitcoind")?;
        let builder = builder.set(&format!("{source}.server_url"), url)?;
        let builder = builder.set("node.network", "signet")?;
        refused(&builder, &[source, url, "is on regtest", "node.network is signet"]).await?;
    }
    Ok(())
}

async fn secrets_that_contradict_each_other(network: &Network, whole: &Path) -> Result<()> {
    let builder = |name| {
        let builder = ConfigBuilder::new(network, name)?;
        copy_secrets(whole, builder.storage_dir())?;
        anyhow::Ok(builder)
    };
    let two = builder("two-entropies")?;
    fs::write(two.storage_dir().join("keys_seed"), [7; 64])?;
    refused(&two, &["keys_mnemonic", "keys_seed"]).await?;

    let short = builder("short-seed")?;
    fs::remove_file(short.storage_dir().join("keys_mnemonic"))?;
    fs::write(short.storage_dir().join("keys_seed"), [7; 63])?;
    refused(&short, &["keys_seed", "63", "64"]).await?;

    let lone = builder("lone-certificate")?;
    fs::remove_file(places::tls_key_file(lone.storage_dir()))?;
    refused(&lone, &["tls.key", "tls.crt"]).await?;
    assert!(!places::tls_key_file(lone.storage_dir()).exists(), "a key that fits nothing");
    Ok(())
}

/// Runs a daemon with this configuration, which must end it with a message that has all of these
/// words.
async fn refused(builder: &ConfigBuilder, words: &[&str]) -> Result<CommandOutput> {
    let refused = builder.refused().await?;
    check(&refused, words);
    let secrets = secrets(builder.storage_dir())?;
    for secret in secrets.iter().map(String::as_str).chain([RPC_PASSWORD]) {
        let told = refused.stdout.contains(secret) || refused.stderr.contains(secret);
        assert!(!told, "{secret:?} is a secret: {refused:?}");
    }
    for file in files(builder.storage_dir())? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(!name.ends_with(".partial"), "half written: {}", file.display());
        assert!(!name.ends_with(".sqlite"), "a wallet was made: {}", file.display());
    }
    Ok(refused)
}

fn check(refused: &CommandOutput, words: &[&str]) {
    let CommandOutput { code, stdout, stderr, .. } = refused;
    assert_eq!(*code, Some(FAILURE), "{refused:?}");
    assert!(words.iter().all(|word| stderr.contains(word)), "not {words:?} in {stderr}");
    assert!(!stdout.contains("panicked") && !stderr.contains("panicked"), "{stdout}{stderr}");
    // A message about the configuration may quote lines of it; any other is one line.
    let is_one = stderr.starts_with("Invalid configuration: ") || stderr.lines().count() == 1;
    assert!(is_one, "more than one message: {stderr}");
}

/// The contents of the secret files, each as a text that could have been written somewhere.
fn secrets(storage_dir: &Path) -> Result<Vec<String>> {
    let api_key = Places::of_storage_dir(storage_dir, "regtest").read_api_key();
    let texts = ["keys_mnemonic", "tls.key"].map(|name| fs::read_to_string(storage_dir.join(name)));
    let texts = texts.into_iter().flatten().map(|text| text.trim().to_owned());
    Ok(api_key.into_iter().chain(texts).filter(|text| !text.is_empty()).collect())
}

fn copy_secrets(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.join("regtest"))?;
    for name in ["keys_mnemonic", "tls.crt", "tls.key", "regtest/api_key"] {
        fs::copy(from.join(name), to.join(name)).with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// All files in a directory and below, if there is one.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if dir.is_dir() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
        }
    }
    Ok(found)
}
