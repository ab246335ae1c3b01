//! A replica of PostgreSQL that takes the place of the primary: one that has everything, and one that is
//! behind.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Network, Postgres, until};
use ldk_server_client::types::PaymentStatus;
use tokio::time::timeout;

use crate::postgres_faults::{Answered, pair, refused};

const PAYMENT_MSAT: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// Changes a setting, which is in force a moment later.
async fn set(postgres: &Postgres, on_replica: bool, setting: &str) -> Result<()> {
    for sql in [&format!("ALTER SYSTEM SET {setting}"), "SELECT pg_reload_conf()"] {
        match on_replica {
            true => postgres.query_replica(sql).await?,
            false => postgres.query(sql).await?,
        };
    }
    Ok(())
}

/// Crashes the primary, and makes the replica one.
async fn fail_over(postgres: &Postgres) -> Result<()> {
    postgres.stop().await?;
    let promoted = postgres.query_replica("SELECT pg_promote()").await?;
    ensure!(promoted == ["t"], "it was not promoted: {promoted:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_with_a_synchronous_replica_and_loses_nothing() -> Result<()> {
    let (network, postgres) = (Network::start().await?, Postgres::start_with_replica().await?);
    set(&postgres, false, "synchronous_standby_names = '*'").await?;
    until("the replica is synchronous", PATIENCE, async || {
        let states = postgres.query("SELECT sync_state FROM pg_stat_replication").await?;
        ensure!(states == ["sync"], "it is {states:?}");
        Ok(())
    })
    .await?;
    let [alice, bob] = pair(&network, postgres.section_with_replica("alice")?).await?;
    assert!(!alice.log().text().contains("are asynchronous"), "{}", alice.log().tail());
    let disturb = async {
        alice.pays(&bob, PAYMENT_MSAT).await?;
        fail_over(&postgres).await?;
        alice.pays(&bob, PAYMENT_MSAT).await?;
        alice.pays(&bob, PAYMENT_MSAT).await?;
        alice.ensure_running().await?;
        // So that there are no more answers.
        alice.kill().await
    };
    let (answered, disturbed) =
        timeout(PATIENCE, async { tokio::join!(Answered::all(&alice, &bob), disturb) }).await?;
    disturbed?;
    alice.start_again().await?;
    answered.is_there(&alice, &bob).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_behind_is_refused() -> Result<()> {
    let (network, postgres) = (Network::start().await?, Postgres::start_with_replica().await?);
    let [alice, bob] = pair(&network, postgres.section_with_replica("alice")?).await?;
    alice.log().says("the replicas of PostgreSQL are asynchronous").await?;
    set(&postgres, true, "primary_conninfo = ''").await?;
    until("the replica receives nothing more", PATIENCE, async || {
        let receivers = postgres.query_replica("SELECT pid FROM pg_stat_wal_receiver").await?;
        ensure!(receivers.is_empty(), "{receivers:?}");
        Ok(())
    })
    .await?;
    let paid = alice.pays(&bob, PAYMENT_MSAT).await?;
    let spendable = Network::at_rest(&alice, &bob).await?;

    fail_over(&postgres).await?;
    assert_eq!(alice.ended().await?.code(), Some(74), "{}", alice.log().tail());
    let reason = "PostgreSQL has an older state than this node has seen";
    let told = refused(&network, &alice).await?;
    assert!(told.contains(reason), "{told}");

    // The old primary has everything.
    postgres.restart().await?;
    alice.start_again().await?;
    alice.connect_to(&bob).await?;
    assert_eq!(Network::at_rest(&alice, &bob).await?, spendable);
    assert_eq!(alice.payment(&paid).await?.status(), PaymentStatus::Succeeded);
    alice.pays(&bob, PAYMENT_MSAT).await?;
    network.stop().await
}
