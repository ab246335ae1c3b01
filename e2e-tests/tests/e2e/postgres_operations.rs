//! What operators of a node on PostgreSQL rely on: TLS and passwords, metrics, warnings, and a lease that
//! nobody has to wait for.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Authority, ConfigBuilder, Network, NodeConfig, Postgres, until};
use hyper::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::health::ask;

const PATIENCE: Duration = Duration::from_secs(60);
const METRICS: &str = "[metrics]\nenabled = true\npoll_metrics_interval = 1\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_reached_with_tls_and_a_password() -> Result<()> {
    const PASSWORD: &str = "correct horse battery";
    let (network, ours, other) =
        (Network::start().await?, Authority::new("localhost")?, Authority::new("localhost")?);
    let postgres = Postgres::start_guarded(&ours, PASSWORD).await?;
    let file = network.dir().join("postgres-password");
    fs::write(&file, format!("{PASSWORD}\n"))?;
    let builder = |host: &str, authority: &Authority| {
        let url = format!("postgres://postgres@{host}:{}/postgres", postgres.port());
        ConfigBuilder::new(&network, "alice")?
            .set("storage.postgres.url", url)?
            .set("storage.postgres.tls", true)?
            .set("storage.postgres.ca_cert_path", authority.ca_cert_path().display().to_string())?
            .set("storage.postgres.password_file", file.display().to_string())
    };
    for (host, authority) in [("localhost", &other), ("127.0.0.1", &ours)] {
        let refused = builder(host, authority)?.refused().await?;
        let told = refused.stderr + &refused.stdout;
        ensure!(told.contains("storage.postgres.ca_cert_path must name the authority"), "{told}");
        ensure!(!told.contains(PASSWORD), "{told}");
    }
    let refused =
        builder("localhost", &ours)?.set("storage.postgres.tls", false)?.refused().await?;
    let told = refused.stderr + &refused.stdout;
    ensure!(told.contains("no encryption"), "{told}");

    fs::write(&file, "wrong horse\n")?;
    let refused = builder("localhost", &ours)?.refused().await?;
    let told = refused.stderr + &refused.stdout;
    ensure!(told.contains("password authentication failed for user \"postgres\""), "{told}");
    ensure!(!told.contains("wrong horse"), "{told}");

    fs::write(&file, format!("{PASSWORD}\n"))?;
    let mut alice = builder("localhost", &ours)?.start()?;
    alice.ready().await?;
    ensure!(!alice.output().contains(PASSWORD), "the password is in the log");
    alice.stop().await?;
    network.stop().await
}

/// A connection of the kind that a replica makes; the server lists it as one.
async fn replica(postgres: &Postgres) -> Result<TcpStream> {
    const END: u8 = b'Z';
    let mut connection = TcpStream::connect(("127.0.0.1", postgres.port())).await?;
    let parameters = b"user\0postgres\0replication\0true\0application_name\0db2\0\0";
    connection.write_u32(u32::try_from(8 + parameters.len())?).await?;
    connection.write_u32(196_608).await?;
    connection.write_all(parameters).await?;
    loop {
        let (kind, length) = (connection.read_u8().await?, connection.read_u32().await?);
        let mut body = vec![0; length as usize - 4];
        connection.read_exact(&mut body).await?;
        ensure!(kind != b'E', "{}", String::from_utf8_lossy(&body));
        if kind == END {
            return Ok(connection);
        }
    }
}

/// What it answers without a key.
async fn page(node: &NodeConfig, path: &str) -> Result<String> {
    let answer = ask(node, Method::GET, path).await?;
    ensure!(answer.status == StatusCode::OK, "{answer:?}");
    Ok(String::from_utf8(answer.body.to_vec())?)
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_told_of_the_lease_the_replicas_and_the_standby() -> Result<()> {
    let (network, postgres) = (Network::start_for(2).await?, Postgres::start().await?);
    let connected = replica(&postgres).await?;
    let sections = postgres.section("alice") + METRICS;
    let alice = network.node_with("alice", sections).await?;
    let readiness = async |expected: &str| {
        until("readiness is told", PATIENCE, async || {
            let told = page(alice.config(), "/readyz").await?;
            ensure!(told == expected, "{told}");
            Ok(())
        })
        .await
    };
    readiness("ready\nreplicas: none is synchronous, so one that takes over may be old\n").await?;
    until("there are metrics", PATIENCE, async || {
        let text = page(alice.config(), "/metrics").await?;
        for sample in [
            "standby 0",
            "postgres_lease_duration_seconds 6",
            "postgres_standbys 0",
            "postgres_replicas_count 1",
            "postgres_replicas_may_be_old 1",
            "postgres_replicas{state=\"async\"} 1",
            "postgres_commit_retries_total 0",
        ] {
            ensure!(text.contains(&format!("\nldk_server_{sample}\n")), "{sample}: {text}");
        }
        ensure!(!text.contains("ldk_server_postgres_commit_duration_seconds_count 0"), "{text}");
        Ok(())
    })
    .await?;

    let mut standby = ConfigBuilder::new(&network, "alice2")?
        .set("storage.postgres.url", postgres.url())?
        .set("storage.postgres.schema", "alice")?
        .set("storage.postgres.standby", true)?
        .set("metrics.enabled", true)?
        .start()?;
    until("the standby has metrics", PATIENCE, async || {
        let text = page(standby.config(), "/metrics").await?;
        ensure!(text.contains("\nldk_server_standby 1\n"), "{text}");
        ensure!(!text.contains("ldk_server_ready"), "{text}");
        Ok(())
    })
    .await?;
    until("the node that runs counts it", PATIENCE, async || {
        let text = page(alice.config(), "/metrics").await?;
        ensure!(text.contains("\nldk_server_postgres_standbys 1\n"), "{text}");
        Ok(())
    })
    .await?;
    standby.ensure_running()?;
    standby.stop().await?;

    drop(connected);
    readiness("ready\n").await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_lease_of_a_node_that_has_ended_or_not_begun() -> Result<()> {
    let (network, postgres) = (Network::start_for(2).await?, Postgres::start().await?);
    let alice = network.node_with("alice", postgres.section("alice")).await?;
    alice.stop().await?;
    let holder = "SELECT holder FROM alice.ldk_server_lease";
    assert_eq!(postgres.query(holder).await?, [""], "{}", alice.log().tail());
    // It has keys of its own, which do not fit the state.
    let other = ConfigBuilder::new(&network, "other")?
        .set("storage.postgres.url", postgres.url())?
        .set("storage.postgres.schema", "alice")?;
    let refused = other.refused().await?;
    let takeovers = "SELECT count(*) FROM alice.ldk_server_takeovers";
    assert_eq!(postgres.query(takeovers).await?, ["2"], "{}", refused.stdout);
    assert_eq!(postgres.query(holder).await?, [""], "{}", refused.stdout);
    alice.start_again().await?;
    network.stop().await
}
