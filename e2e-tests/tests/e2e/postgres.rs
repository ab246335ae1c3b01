//! Nodes whose state is in PostgreSQL: kills, restarts of the database, another node that takes over, and
//! the way there and back.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use e2e_tests::{
    ConfigBuilder, Network, Node, NodeConfig, Postgres, print_uncaptured, refusal, run, until,
};
use ldk_server_client::api::GetNodeInfoRequest;
use ldk_server_client::types::PaymentStatus;
use ldk_server_client::{Client, Code};
use ldk_server_grpc::places::Places;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::crash::kill_during_payments;

const CHANNEL_SATS: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(60);
const DISTURBANCES: usize = 4;

/// Alice and bob with a channel, both with their state in PostgreSQL.
async fn pair(network: &Network, postgres: &Postgres, more: &str) -> Result<[Arc<Node>; 2]> {
    let section = |alias: &str| postgres.section(alias) + more;
    let (alice, bob) = tokio::try_join!(
        network.node_with("alice", section("alice")),
        network.node_with("bob", section("bob"))
    )?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    Ok([alice, bob])
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_amid_payments_lose_nothing() -> Result<()> {
    let (network, postgres) = (Network::start().await?, Postgres::start().await?);
    let [alice, bob] = pair(&network, &postgres, "").await?;
    kill_during_payments(&alice, &bob, &bob).await?;
    kill_during_payments(&alice, &bob, &alice).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_go_on_when_the_database_restarts_and_connections_are_killed() -> Result<()> {
    let (network, postgres) = (Network::start().await?, Postgres::start().await?);
    let [alice, bob] = pair(&network, &postgres, "").await?;
    let disturb = async {
        for _ in 0..DISTURBANCES {
            let paid = alice.pays(&bob, 1_000_000).await?;
            postgres.restart().await?;
            ensure!(alice.payment(&paid).await?.status() == PaymentStatus::Succeeded);
            bob.pays(&alice, 1_000_000).await?;
            let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE application_name = 'ldk-server'";
            ensure!(postgres.query(kill).await?.len() >= 2, "nobody is connected");
        }
        anyhow::Ok(())
    };
    let pay = async {
        for _ in 0..4 * DISTURBANCES {
            alice.pays(&bob, 1_000_000).await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(disturb, pay)?;
    for node in [&alice, &bob] {
        node.ensure_running().await?;
        ensure!(node.log().text().contains("a commit is tried again"), "{}", node.log().tail());
    }
    network.stop().await
}

/// The configuration of the same node in another directory, with its keys and these sections.
fn same_node(network: &Network, node: &Node, sections: String) -> Result<NodeConfig> {
    let config = NodeConfig { sections, ..network.config(&format!("{}2", node.alias()))? };
    copy_keys(node, &config.storage_dir)?;
    Ok(config)
}

fn copy_keys(node: &Node, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for file in ["keys_mnemonic", "keys_seed", "tls.crt", "tls.key"] {
        let from = node.config().storage_dir.join(file);
        if from.exists() {
            fs::copy(from, to.join(file))?;
        }
    }
    Ok(())
}

/// What clients of a daemon that serves nobody yet are told, with the key and without.
async fn told(config_file: &Path) -> Result<[String; 2]> {
    let client = Client::from_config_file(config_file)?;
    let refusals =
        [client.get_node_info(GetNodeInfoRequest {}).await.map(drop), client.check_ready().await];
    let [with_key, without] = refusals.map(|refusal| match refusal {
        Err(refusal) if refusal.code() == Some(Code::Unavailable) => Ok(refusal.to_string()),
        other => Err(anyhow!("{other:?}")),
    });
    Ok([with_key?, without?])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_waits_and_takes_the_place_of_a_node_that_is_killed() -> Result<()> {
    let (network, postgres) = (Network::start_for(3).await?, Postgres::start().await?);
    let standby = "lease_secs = 3\nstandby = true\n";
    let [alice, bob] = pair(&network, &postgres, standby).await?;
    let paid = alice.pays(&bob, 1_000_000).await?;
    let config = same_node(&network, &alice, postgres.section("alice") + standby)?;
    let file = config.storage_dir.join("config.toml");
    let starting = network.node_of(config);
    let taking_over = async {
        until("the standby waits", PATIENCE, async || {
            let [told, readiness] = told(&file).await?;
            let holder = alice.config().storage_dir.display().to_string();
            ensure!(told.contains("standby: ") && told.contains(&holder), "{told}");
            ensure!(readiness.contains("standby: another node has the state"), "{readiness}");
            Ok(())
        })
        .await?;
        let standby = Places::of_config_file(&file)?.address;
        let servers = format!("{standby},{}", alice.config().grpc.address());
        let info = alice.cli(&["--base-url", &servers, "get-node-info"]).await?;
        assert_eq!(info["node_id"], alice.id());
        let servers = format!("{standby},");
        let nobody = alice.cli_output(&["--base-url", &servers, "get-node-info"]).await?.stderr;
        ensure!(nobody.contains("standby: another node has the state"), "{nobody}");
        // It outlives the database, and the node goes on.
        postgres.restart().await?;
        alice.pays(&bob, 1_000_000).await?;
        let spendable = Network::at_rest(&alice, &bob).await?;
        alice.kill().await?;
        anyhow::Ok((spendable, Instant::now()))
    };
    let (second, (spendable, killed_at)) = tokio::try_join!(starting, taking_over)?;
    print_uncaptured(&format!("the standby serves {:?} after the kill", killed_at.elapsed()));
    assert_eq!(second.id(), alice.id());
    second.connect_to(&bob).await?;
    assert_eq!(Network::at_rest(&second, &bob).await?, spendable);
    assert_eq!(second.payment(&paid).await?.status(), PaymentStatus::Succeeded);
    second.pays(&bob, 1_000_000).await?;
    // It has read everything while it waited, once or again after the database was away, and then what was
    // changed.
    let is_made_anew = "the working copy is made anew";
    let log = second.log().text();
    let (_, since) = log.rsplit_once(is_made_anew).context("nothing was read")?;
    ensure!(since.contains("has the last changes"), "{}", second.log().tail());

    // And back, at once.
    let refused = second.cli_output(&["step-down"]).await?.stderr;
    ensure!(refused.contains("no standby waits"), "{refused}");
    let standing_by = alice.start_again();
    let handing_over = async {
        until("the first one waits", PATIENCE, async || told(alice.config_file()).await.map(drop))
            .await?;
        second.pays(&bob, 1_000_000).await?;
        // It is no standby before it has read the last changes.
        let step_down = async || second.cli(&["step-down"]).await;
        let answer = until("the first one could take over", PATIENCE, step_down).await?;
        let standby = alice.config().storage_dir.display().to_string();
        ensure!(answer["standby"].as_str().is_some_and(|it| it.contains(&standby)), "{answer}");
        anyhow::Ok(Instant::now())
    };
    let ((), stepped_down_at) = tokio::try_join!(standing_by, handing_over)?;
    let took = stepped_down_at.elapsed();
    print_uncaptured(&format!("the standby serves {took:?} after a handover"));
    // Its file was still there.
    assert!(!alice.log().text().contains(is_made_anew), "{}", alice.log().tail());
    assert!(alice.log().text().contains("has the last changes"), "{}", alice.log().tail());
    alice.connect_to(&bob).await?;
    alice.pays(&bob, 1_000_000).await?;
    // The same process waits now.
    until("the other one waits", PATIENCE, async || told(second.config_file()).await.map(drop))
        .await?;
    second.ensure_running().await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_stopped_ends_at_once() -> Result<()> {
    let (network, postgres) = (Network::start_for(2).await?, Postgres::start().await?);
    let alice = network.node_with("alice", postgres.section("alice")).await?;
    let standby = ConfigBuilder::new(&network, "alice2")?
        .set("storage.postgres.url", postgres.url())?
        .set("storage.postgres.schema", "alice")?
        .set("storage.postgres.standby", true)?;
    copy_keys(&alice, standby.storage_dir())?;
    let mut waiting = standby.start()?;
    waiting.says("standby: another node has the state").await?;
    waiting.stop().await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_stopped_while_another_took_over_commits_nothing_more() -> Result<()> {
    let (network, postgres) = (Network::start_for(3).await?, Postgres::start().await?);
    let [alice, bob] = pair(&network, &postgres, "lease_secs = 3\n").await?;
    let paid = alice.pays(&bob, 1_000_000).await?;
    let spendable = Network::at_rest(&alice, &bob).await?;
    let pid = Pid::from_raw(alice.pid().await?.cast_signed()).context("no pid")?;
    kill_process(pid, Signal::STOP)?;

    let second = network.node_of(same_node(&network, &alice, postgres.section("alice"))?).await?;
    assert_eq!(second.id(), alice.id());
    kill_process(pid, Signal::CONT)?;
    assert_eq!(alice.ended().await?.code(), Some(74), "{}", alice.log().tail());
    let reason = "does not hold the lease";
    assert!(alice.log().text().contains(reason), "{}", alice.log().tail());

    second.connect_to(&bob).await?;
    assert_eq!(Network::at_rest(&second, &bob).await?, spendable);
    assert_eq!(second.payment(&paid).await?.status(), PaymentStatus::Succeeded);
    second.pays(&bob, 1_000_000).await?;
    bob.pays(&second, 1_000_000).await?;
    network.stop().await
}

/// Moves the state of this node, which is stopped.
async fn migrate(network: &Network, node: &Node, to: &str) -> Result<String> {
    let mut command = Command::new(&network.tools().ldk_server);
    command.args(["migrate-storage", "--to", to]).arg(node.config_file());
    run(command, PATIENCE).await?.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_moves_to_postgresql_and_back_and_starts_at_one_place_only() -> Result<()> {
    let (network, postgres) = (Network::start().await?, Postgres::start().await?);
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let paid = alice.pays(&bob, 1_000_000).await?;
    let spendable = Network::at_rest(&alice, &bob).await?;
    let file = alice.config_file().to_owned();
    let on_disk = fs::read_to_string(&file)?;
    let in_postgres = format!("{on_disk}\n{}", postgres.section("alice"));
    let started_with = async |text: &str| {
        fs::write(&file, text)?;
        let refused = refusal(network.tools(), &[&file.display().to_string()]).await?;
        anyhow::Ok(refused.stderr + &refused.stdout)
    };
    for (to, here, there, words) in [
        ("postgres", &in_postgres, &on_disk, "only the working copy"),
        ("sqlite", &on_disk, &in_postgres, "was moved from PostgreSQL to SQLite"),
    ] {
        alice.stop().await?;
        fs::write(&file, &in_postgres)?;
        let report = migrate(&network, &alice, to).await?;
        assert!(report.contains("ldk_node_data: ") && report.contains("all the same"), "{report}");
        let refused = started_with(there).await?;
        assert!(refused.contains(words), "{refused}");
        fs::write(&file, here)?;
        alice.start_again().await?;
        alice.connect_to(&bob).await?;
        assert_eq!(Network::at_rest(&alice, &bob).await?, spendable);
        assert_eq!(alice.payment(&paid).await?.status(), PaymentStatus::Succeeded);
        alice.pays(&bob, 1_000_000).await?;
        bob.pays(&alice, 1_000_000).await?;
    }
    let lease = postgres.query("SELECT state FROM alice.ldk_server_lease").await?;
    assert_eq!(lease, ["fenced"]);
    network.stop().await
}
