//! Backups, and nodes made of them: one that goes on where it was, and one whose state is too old.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{CommandOutput, Network, Node, refusal, until};
use ldk_server_client::Error;
use ldk_server_client::api::CreateBackupRequest;
use tokio::sync::watch;

const CHANNEL_SATS: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(120);
const PASSPHRASE: &str = "correct horse battery staple";
const DATABASE: &str = "ldk_node_data.sqlite";
/// Payments before the one backup and after it.
const PAYMENTS: usize = 5;
/// What its transactions on chain may cost a node.
const MAX_FEES_SATS: u64 = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_comes_back_from_its_backup_and_an_old_one_only_to_close() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", "[backup]\nallow_keys = true\n").await?;
    let bob = network.node("bob").await?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    let files = Files::new(&network, &alice)?;

    refused_requests(&alice, &bob).await?;
    let without_keys = backup_in_bounded_memory(&files, &alice).await?;
    let early = backup_under_load(&files, &alice, &bob).await?;
    Network::at_rest(&alice, &bob).await?;
    let late = files.back_up(&alice, "late.age").await?;
    let before = (Network::at_rest(&alice, &bob).await?, onchain(&alice).await?);
    wrong_ways(&files, &alice, &late).await?;

    // The machine is gone, but for what clients know the node by.
    alice.kill().await?;
    files.lose_machine()?;
    the_keys_of_another_node_are_refused(&files, &without_keys, &alice, &bob).await?;
    let restored = files.restore(&late, &[]).await?.success()?;
    assert!(restored.contains(alice.id()), "{restored}");
    alice.start_again().await?;
    assert_eq!((Network::at_rest(&alice, &bob).await?, onchain(&alice).await?), before);
    alice.pays(&bob, 1_000_000).await?;
    bob.pays(&alice, 2_000_000).await?;

    an_old_database_is_not_started_on(&network, &files, &alice, &bob).await?;
    the_peers_close_what_is_too_old(&network, &files, &early, &alice, &bob).await?;
    a_node_that_is_in_place_is_recovered(&network, &bob).await?;
    network.stop().await
}

/// What the operator of alice handles.
struct Files {
    ldk_server: e2e_tests::Tools,
    config_file: PathBuf,
    storage_dir: PathBuf,
    network_dir: PathBuf,
    /// Where backups and what was moved away is.
    elsewhere: PathBuf,
    passphrase: PathBuf,
}

impl Files {
    fn new(network: &Network, node: &Node) -> Result<Self> {
        let elsewhere = network.dir().join("elsewhere");
        fs::create_dir(&elsewhere)?;
        let passphrase = elsewhere.join("passphrase");
        fs::write(&passphrase, format!("{PASSPHRASE}\n"))?;
        let storage_dir = node.config().storage_dir.clone();
        Ok(Self {
            ldk_server: network.tools().clone(),
            config_file: node.config_file().to_owned(),
            network_dir: storage_dir.join("regtest"),
            storage_dir,
            elsewhere,
            passphrase,
        })
    }

    /// Makes a backup by the command-line client.
    async fn back_up(&self, node: &Node, name: &str) -> Result<PathBuf> {
        let file = self.elsewhere.join(name);
        let (path, passphrase) =
            (file.display().to_string(), self.passphrase.display().to_string());
        let summary = node
            .cli(&["backup", &path, "--passphrase-file", &passphrase, "--include-keys"])
            .await?;
        assert_eq!(summary["node_id"], node.id());
        assert_eq!(summary["network"], "regtest");
        assert_eq!(summary["includes_keys"], true);
        assert_eq!(summary["total_bytes"], fs::metadata(&file)?.len());
        Ok(file)
    }

    /// Runs `ldk-server restore`.
    async fn restore(&self, backup: &Path, more: &[&str]) -> Result<CommandOutput> {
        let (backup, config) =
            (backup.display().to_string(), self.config_file.display().to_string());
        let passphrase = self.passphrase.display().to_string();
        let args = ["restore", &backup, &config, "--passphrase-file", &passphrase];
        refusal(&self.ldk_server, &[&args[..], more].concat()).await
    }

    /// Leaves nothing of the node but the configuration and what clients know it by.
    fn lose_machine(&self) -> Result<()> {
        fs::rename(&self.network_dir, self.elsewhere.join("lost"))?;
        fs::remove_file(self.storage_dir.join("keys_mnemonic"))?;
        fs::remove_file(self.storage_dir.join("regtest.epochs"))?;
        self.bring_api_key("lost")
    }

    fn bring_api_key(&self, from: &str) -> Result<()> {
        fs::create_dir(&self.network_dir)?;
        fs::copy(self.elsewhere.join(from).join("api_key"), self.network_dir.join("api_key"))?;
        Ok(())
    }
}

async fn onchain(node: &Node) -> Result<u64> {
    Ok(node.balances().await?.total_onchain_balance_sats)
}

async fn refused_requests(alice: &Node, bob: &Node) -> Result<()> {
    let request = |passphrase: &str, recipients: &[&str]| CreateBackupRequest {
        passphrase: passphrase.to_owned(),
        recipients: recipients.iter().map(|text| (*text).to_owned()).collect(),
        include_keys: false,
    };
    for (request, named) in [
        (request("", &[]), "passphrase"),
        (request("short", &[]), "passphrase"),
        (request(PASSPHRASE, &["age1"]), "passphrase"),
        (request("", &["age1"]), "recipients"),
    ] {
        let error = alice.client().create_backup(request).await.err();
        ensure!(
            matches!(&error, Some(Error::InvalidRequest(text)) if text.starts_with(named)),
            "{error:?} for {named}"
        );
    }
    let with_keys = CreateBackupRequest { include_keys: true, ..request(PASSPHRASE, &[]) };
    let error = bob.client().create_backup(with_keys).await.err();
    let text = error.context("bob does not allow it")?.to_string();
    assert!(text.contains("backup.allow_keys"), "{text}");
    Ok(())
}

/// The first backup of a process, so that the most memory it ever had is that of the backup.
async fn backup_in_bounded_memory(files: &Files, alice: &Node) -> Result<PathBuf> {
    let file = files.elsewhere.join("without-keys.age");
    let (path, passphrase) = (file.display().to_string(), files.passphrase.display().to_string());
    let before = most_memory_kib(alice.pid().await?)?;
    alice.cli(&["backup", &path, "--passphrase-file", &passphrase]).await?;
    let taken = most_memory_kib(alice.pid().await?)?.saturating_sub(before);
    println!("a backup with a passphrase took {taken} KiB");
    assert!(taken < 96 * 1024, "{taken} KiB");
    Ok(file)
}

/// A backup that is made amid payments is whole. More are paid afterwards, so that it is old.
async fn backup_under_load(files: &Files, alice: &Node, bob: &Node) -> Result<PathBuf> {
    let (paid, mut payments) = watch::channel(0);
    let (made, is_made) = watch::channel(false);
    let pay = async {
        let mut after = 0;
        while after < PAYMENTS {
            alice.pays(bob, 1_000_000).await?;
            paid.send_modify(|payments| *payments += 1);
            after += usize::from(*is_made.borrow());
        }
        anyhow::Ok(())
    };
    let back_up = async {
        payments.wait_for(|payments| *payments >= PAYMENTS).await?;
        let early = files.back_up(alice, "early.age").await?;
        made.send(true)?;
        Ok(early)
    };
    let ((), early) = tokio::try_join!(pay, back_up)?;
    Ok(early)
}

/// What does not restore anything.
async fn wrong_ways(files: &Files, node: &Node, backup: &Path) -> Result<()> {
    let (there, new) = (backup.display().to_string(), files.elsewhere.join("new.age"));
    let new = new.display().to_string();
    for (args, reason) in [
        (["backup", &there, "--recipient=age1"], "exists already"),
        (["backup", &new, "--recipient=age1"], "recipients: "),
        (["backup", &new, "--include-keys"], "--passphrase-file"),
        (["backup", &new, "--passphrase-file=/dev/null"], "passphrase: "),
    ] {
        let refused = node.cli_output(&args).await?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(reason), "{refused:?}");
        assert!(!files.elsewhere.join("new.age").exists());
    }
    let refused = files.restore(backup, &[]).await?;
    assert_eq!(refused.code, Some(255));
    assert!(refused.stderr.contains("another ldk-server is running"), "{refused:?}");
    let damaged = files.elsewhere.join("damaged.age");
    let mut bytes = fs::read(backup)?;
    bytes.truncate(bytes.len() - 1);
    fs::write(&damaged, bytes)?;
    let fresh = files.elsewhere.join("fresh");
    let dir = format!("--storage-dir-path={}", fresh.display());
    let wrong = files.elsewhere.join("wrong");
    fs::write(&wrong, "another passphrase\n")?;
    let wrong = wrong.display().to_string();
    for (file, more) in [
        (&damaged, &[&*dir][..]),
        (&files.config_file, &[&dir]),
        (&files.elsewhere.join("missing.age"), &[&dir]),
    ] {
        let refused = files.restore(file, more).await?;
        assert_eq!(refused.code, Some(255), "{refused:?}");
        assert!(refused.stderr.contains(&file.display().to_string()), "{refused:?}");
    }
    let (backup, config) = (backup.display().to_string(), files.config_file.display().to_string());
    let args = ["restore", &backup, &config, &dir, "--passphrase-file", &wrong];
    let refused = refusal(&files.ldk_server, &args).await?;
    assert_eq!(refused.code, Some(255), "{refused:?}");
    assert!(
        !fresh.join("keys_mnemonic").exists() && !fresh.join("regtest").join(DATABASE).exists()
    );
    Ok(())
}

/// Neither what the backup says of itself nor the lack of it makes a node of another's database.
async fn the_keys_of_another_node_are_refused(
    files: &Files,
    backup: &Path,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let beside = files.elsewhere.join("beside-bobs-keys");
    fs::create_dir(&beside)?;
    fs::copy(bob.config().storage_dir.join("keys_mnemonic"), beside.join("keys_mnemonic"))?;
    let dir = format!("--storage-dir-path={}", beside.display());
    let mirror = files.elsewhere.join("lost").join(DATABASE);
    for (backup, reason) in [
        (backup, format!("the backup is of node {}", alice.id())),
        (&mirror, "its database is that of another node".to_owned()),
    ] {
        let refused = files.restore(backup, &[&dir]).await?;
        assert_eq!(refused.code, Some(255), "{refused:?}");
        assert!(refused.stderr.contains(&reason), "{refused:?}");
        assert!(refused.stderr.contains(&format!("the keys of node {}", bob.id())), "{refused:?}");
        assert!(!beside.join("regtest").join(DATABASE).exists());
    }
    Ok(())
}

/// The most memory that a process ever had.
fn most_memory_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// As after the disk image of last week was put back.
async fn an_old_database_is_not_started_on(
    network: &Network,
    files: &Files,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let (database, old) = (files.network_dir.join(DATABASE), files.elsewhere.join("old.sqlite"));
    alice.stop().await?;
    fs::copy(&database, &old)?;
    alice.start_again().await?;
    network.usable(alice, bob).await?;
    alice.pays(bob, 1_000_000).await?;
    alice.stop().await?;
    let new = files.elsewhere.join("new.sqlite");
    fs::rename(&database, &new)?;
    fs::copy(&old, &database)?;
    let config = files.config_file.display().to_string();
    let refused = refusal(&files.ldk_server, &[&config]).await?;
    assert_eq!(refused.code, Some(255), "{refused:?}");
    assert!(refused.stderr.contains("the state is too old"), "{refused:?}");
    fs::rename(&new, &database)?;
    alice.start_again().await?;
    network.usable(alice, bob).await
}

async fn the_peers_close_what_is_too_old(
    network: &Network,
    files: &Files,
    early: &Path,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let [in_channel_msat, _] = Network::at_rest(alice, bob).await?;
    let expected_sats = onchain(alice).await? + in_channel_msat / 1_000 - MAX_FEES_SATS;
    alice.stop().await?;
    fs::rename(&files.network_dir, files.elsewhere.join("moved"))?;
    files.bring_api_key("moved")?;
    let refused = files.restore(early, &[]).await?;
    assert_eq!(refused.code, Some(255), "{refused:?}");
    for part in ["too old", "this machine has seen", "--recover", "--accept-old-state"] {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    let wrong_words = files.restore(early, &["--accept-old-state", "yes"]).await?;
    assert_eq!(wrong_words.code, Some(255), "{wrong_words:?}");
    assert!(!files.network_dir.join(DATABASE).exists());

    let restored = files.restore(early, &["--recover"]).await?.success()?;
    assert!(restored.contains("Channels in quarantine: 1."), "{restored}");
    alice.start_again().await?;
    assert!(alice.channels().await?.is_empty());
    until("bob has closed the channel", PATIENCE, async || {
        let channels = bob.channels().await?;
        ensure!(channels.is_empty(), "{channels:?}");
        ensure!(!network.bitcoind().mempool().await?.is_empty(), "nothing is broadcast");
        Ok(())
    })
    .await?;
    network.bitcoind().mine(6).await?;
    until("alice has her money on chain", PATIENCE, async || {
        network.bitcoind().mine(1).await?;
        let balances = alice.balances().await?;
        ensure!(balances.spendable_onchain_balance_sats >= expected_sats, "{balances:?}");
        Ok(())
    })
    .await
}

/// Its only channel is closed already, so that the monitor comes back at once.
async fn a_node_that_is_in_place_is_recovered(network: &Network, bob: &Node) -> Result<()> {
    const FLAG: &str = "--close-all-channels";
    let config = bob.config_file().display().to_string();
    let running = refusal(network.tools(), &["recover", FLAG, &config]).await?;
    assert_eq!(running.code, Some(255), "{running:?}");
    let before = onchain(bob).await?;
    bob.stop().await?;
    let hasty = refusal(network.tools(), &["recover", &config]).await?;
    assert_eq!(hasty.code, Some(2), "{hasty:?}");
    assert!(hasty.stderr.contains(FLAG), "{hasty:?}");
    let recovered = refusal(network.tools(), &["recover", FLAG, &config]).await?.success()?;
    assert!(recovered.contains("Channels in quarantine: 1."), "{recovered}");
    bob.start_again().await?;
    bob.log().says("is closed; claiming our balance").await?;
    assert!(bob.channels().await?.is_empty());
    assert!(onchain(bob).await? >= before);
    Ok(())
}
