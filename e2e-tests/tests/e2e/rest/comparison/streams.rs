//! Answers that are streams, and those who read them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e_tests::until;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::faces::{Face, Faces, ensure_alike};

const PATIENCE: Duration = Duration::from_secs(30);
/// The ways to read a stream.
const FACES: [Face; 2] = [Face::Grpc, Face::Connect];
/// How long it is waited for further events.
const EVENTS_MILLIS: u64 = 2_000;
const BACKUP_MILLIS: u64 = 60_000;

pub(super) async fn compare(faces: &mut Faces<'_>) -> Result<()> {
    events(faces).await?;
    consumers(faces).await?;
    books(faces).await?;
    backup(faces).await
}

async fn events(faces: &mut Faces<'_>) -> Result<()> {
    faces.has_compared("SubscribeEvents");
    let request = json!({ "resume_after_index": 0 });
    until("the same events are sent", PATIENCE, async || {
        let [grpc, connect] = both(faces, "SubscribeEvents", &request, EVENTS_MILLIS).await?;
        ensure!(grpc.len() > 10, "{grpc:?}");
        ensure_alike("SubscribeEvents", &grpc.into(), &connect.into(), &[])
    })
    .await
}

async fn both(
    faces: &Faces<'_>,
    name: &str,
    request: &Value,
    millis: u64,
) -> Result<[Vec<Value>; 2]> {
    let [first, second] = FACES;
    Ok([
        faces.stream(first, name, request, millis).await?,
        faces.stream(second, name, request, millis).await?,
    ])
}

async fn consumers(faces: &mut Faces<'_>) -> Result<()> {
    for consumer in ["reader-0", "reader-1", "reader-2"] {
        let request = json!({ "consumer": consumer, "resume_after_index": 0 });
        faces.stream(Face::Connect, "SubscribeEvents", &request, 500).await?;
    }
    let named = |face: usize| json!({ "consumer": format!("reader-{face}") });
    let request = |face| {
        let mut request = named(face);
        request["event_index"] = 3.into();
        request
    };
    let [acknowledged, ..] = faces.each("AckEvents", request, &[]).await?;
    ensure!(acknowledged["acknowledged_index"] == "3", "{acknowledged}");
    let listed = faces.read("ListEventConsumers", json!({}), &[]).await?;
    ensure!(listed["consumers"].as_array().is_some_and(|all| all.len() == 3), "{listed}");
    faces.each("DeleteEventConsumer", named, &[]).await?;
    Ok(())
}

async fn books(faces: &mut Faces<'_>) -> Result<()> {
    faces.has_compared("ExportPayments");
    until("the same books are sent", PATIENCE, async || {
        let [grpc, connect] = both(faces, "ExportPayments", &json!({}), EVENTS_MILLIS).await?;
        ensure!(grpc.len() > 5, "{grpc:?}");
        ensure_alike("ExportPayments", &grpc.into(), &connect.into(), &[])
    })
    .await?;
    for name in ["GetSummary", "ListChannelAccounts"] {
        faces.read(name, json!({}), &[]).await?;
    }
    Ok(())
}

async fn backup(faces: &mut Faces<'_>) -> Result<()> {
    faces.has_compared("CreateBackup");
    let request = json!({ "passphrase": "correct horse battery" });
    let made = both(faces, "CreateBackup", &request, BACKUP_MILLIS).await?;
    let [grpc, connect] = [summary(&made[0])?, summary(&made[1])?];
    let volatile = [
        ("epoch", "counts what was written meanwhile"),
        ("created_at", "is the second it was made in"),
        ("total_bytes", "depends on what was written meanwhile"),
        ("sha256", "is that of a file encrypted with another salt"),
    ];
    ensure_alike("CreateBackup", grpc, connect, &volatile)?;
    // Its state is not in PostgreSQL.
    faces.refused("StepDown", json!({})).await
}

/// What a backup tells of itself, which must be right.
fn summary(parts: &[Value]) -> Result<&Value> {
    let (last, chunks) = parts.split_last().context("an empty stream")?;
    let mut file = Vec::new();
    for chunk in chunks {
        file.extend(BASE64_STANDARD.decode(chunk["chunk"].as_str().context("no chunk")?)?);
    }
    let summary = &last["summary"];
    ensure!(summary["sha256"] == hex::encode(Sha256::digest(&file)), "{summary}");
    let length = Value::from(file.len().to_string());
    ensure!(summary["total_bytes"] == length, "{summary}");
    Ok(summary)
}
