//! docs/api-guide.md, executed as it is written: each command is run, in order, on the nodes of
//! `cargo regtest`, and must answer as the guide shows.
//!
//! What the calls consist of is recorded: the examples of the OpenAPI document are just these.
//!
//! With GUIDE_WRITE set, the answers are written into the guide instead, and the examples into their file.

mod document;
mod examples;
mod likeness;
mod player;
mod programs;
mod recorder;
mod recording;
mod words;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, playground};
use ldk_server_grpc::RPC_NAMES;

use crate::guide::document::Document;
use crate::guide::examples::Examples;
use crate::guide::player::Player;

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_guide_works() -> Result<()> {
    let is_to_be_written = std::env::var_os("GUIDE_WRITE").is_some();
    let (count, examples) = play(Document::read()?, is_to_be_written).await?;
    match is_to_be_written {
        true => examples.write()?,
        false => examples.check()?,
    }
    e2e_tests::print_uncaptured(&format!(
        "{count} commands and programs of the guide were executed"
    ));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_sells_as_it_is_told_to() -> Result<()> {
    let is_to_be_written = std::env::var_os("GUIDE_WRITE").is_some();
    let (count, _) = play(Document::read_from("selling.md")?, is_to_be_written).await?;
    ensure!(count >= 10, "only {count} commands were executed");
    Ok(())
}

/// Executes a document; returns how much was executed, and what the calls consisted of.
async fn play(document: Document, is_to_be_written: bool) -> Result<(usize, Examples)> {
    let network = Network::start_for(3).await?;
    let nodes = playground::set_up(&network).await?;
    let mut player = Player::new(&network, &nodes, is_to_be_written).await?;
    let mut played = Ok(());
    for step in document.steps()? {
        played = player.play(step.action, step.line).await;
        if played.is_err() {
            played = played.with_context(|| format!("line {} of the guide", step.line));
            break;
        }
    }
    document.write(player.corrections())?;
    played?;
    let played = player.finish().await?;
    network.stop().await?;
    Ok(played)
}

#[test]
fn every_call_has_a_chapter_with_a_command() -> Result<()> {
    let document = Document::read()?;
    let mut chapters = BTreeSet::new();
    for chapter in document.text.split("\n### ").skip(1) {
        let (name, text) = chapter.split_once('\n').context("an empty chapter")?;
        ensure!(!RPC_NAMES.contains(&name) || text.contains("```sh\n"), "{name} has no command");
        chapters.insert(name);
    }
    let missing: Vec<_> = RPC_NAMES.iter().filter(|name| !chapters.contains(*name)).collect();
    ensure!(missing.is_empty(), "no chapter for {missing:?}");
    Ok(())
}

#[test]
fn the_worked_example_of_the_header_is_right() -> Result<()> {
    let document = Document::read()?;
    let value = |name: &str| {
        let line = document.text.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim).with_context(|| format!("the guide has no {name}"))
    };
    let key = value("api key ")?;
    let secs = value("unix time ")?.parse()?;
    let body = hex::decode(value("request body ")?.replace(' ', ""))?;
    let nonce = hex::decode(value("nonce ")?)?.try_into().ok().context("no nonce")?;
    let path = "/api.LightningNode/GetNodeInfo";
    let signed = ldk_server_grpc::auth::sign_request(key, secs, &nonce, path, &body);
    ensure!(value("signs the request ")? == signed, "{signed}");
    let signed_time = ldk_server_grpc::auth::sign(key, secs, &[]);
    ensure!(value("signs the time ")? == signed_time, "{signed_time}");
    let signed_body = ldk_server_grpc::auth::sign(key, secs, &body);
    ensure!(value("signs the body too ")? == signed_body, "{signed_body}");
    Ok(())
}
