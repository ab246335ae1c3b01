//! Requests that make no sense: to every RPC, one field after the other is given what it should not
//! have, and the encoding itself is broken. Each must be refused in words for the caller, in time,
//! and the node must go on as if nothing had been.
//!
//! What is sent follows from the descriptors, so that it grows with the protos; an RPC that is new
//! needs a sound request in the table of [`bases`]. `LDK_SERVER_GARBAGE_SEED` sets what chance is
//! seeded with.

mod bases;
mod fixture;
mod judge;
mod rules;
mod storm;
mod values;
mod variants;

use std::env;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::Network;
use ldk_server_grpc::{DESCRIPTOR_SET, RPC_NAMES, SERVICE_NAME};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::garbage::bases::Base;
use crate::garbage::fixture::Fixture;
use crate::garbage::storm::Outcome;

const SEED: u64 = 4;
/// An RPC without fields gets so many, and those with fields many more.
const LEAST_OF_EACH: usize = 50;
const LEAST_IN_ALL: usize = 10_000;
/// Beginnings of what must not be logged.
const NEVER_LOGGED: [&str; 3] = ["panicked at", "stack overflow", bases::SECRET];

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_too_bad_to_be_answered() -> Result<()> {
    let seed = env::var("LDK_SERVER_GARBAGE_SEED").map_or(Ok(SEED), |seed| seed.parse())?;
    println!("chance is seeded with {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let network = Network::start().await?;
    let fixture = Fixture::new(&network).await?;
    let table = bases::all(&fixture);
    let mut events = fixture.alice.events().await?;

    let mut outcomes = Vec::new();
    for method in methods()? {
        let bases: Vec<&Base> = table.iter().filter(|base| base.method == method.name()).collect();
        ensure!(!bases.is_empty(), "{} has no sound request in the table", method.name());
        let outcome = storm::rage(&fixture.alice, &method, &bases, &mut random).await?;
        println!("{:42}{outcome}", method.name());
        outcomes.push((method.name().to_owned(), outcome));
    }
    storm::subscribe_and_leave(&fixture.alice).await?;
    let (sent, wrong) = count(&outcomes)?;
    let unchanged = fixture.ensure_unchanged().await;
    // All that is wrong is told, not only what was found first.
    let state =
        unchanged.err().map_or_else(|| "as it was".to_owned(), |error| format!("{error:#}"));
    ensure!(
        wrong.is_empty() && state == "as it was",
        "{} of {sent} requests were answered wrongly:\n{}\nafter all of them, the network is: {state}",
        wrong.len(),
        wrong.join("\n"),
    );
    // She who listened through all of it has missed nothing.
    let payment_id = fixture.bob.pays(&fixture.alice, 10_000).await?;
    events.payment_received(&payment_id).await?;
    let log = fixture.alice.log().text();
    for text in NEVER_LOGGED {
        let line = log.lines().find(|line| line.contains(text));
        ensure!(line.is_none(), "in the log: {line:?}");
    }
    network.stop().await
}

/// Every RPC, in the order of the proto file.
fn methods() -> Result<Vec<MethodDescriptor>> {
    let pool = DescriptorPool::decode(DESCRIPTOR_SET)?;
    let service = pool.get_service_by_name(SERVICE_NAME).context("there is no service")?;
    let methods: Vec<MethodDescriptor> = service.methods().collect();
    let names: Vec<&str> = methods.iter().map(MethodDescriptor::name).collect();
    ensure!(names == RPC_NAMES, "{names:?}");
    Ok(methods)
}

/// How many requests were sent, and a line for each that was answered wrongly.
fn count(outcomes: &[(String, Outcome)]) -> Result<(usize, Vec<String>)> {
    let sent: usize = outcomes.iter().map(|(_, outcome)| outcome.sent()).sum();
    e2e_tests::print_uncaptured(&format!(
        "{sent} bad requests were sent to {} RPCs",
        outcomes.len()
    ));
    ensure!(sent >= LEAST_IN_ALL, "only {sent} requests");
    let mut wrong = Vec::new();
    for (method, outcome) in outcomes {
        ensure!(outcome.sent() >= LEAST_OF_EACH, "only {} to {method}", outcome.sent());
        wrong.extend(outcome.failures.iter().map(|failure| format!("{method} {failure}")));
    }
    Ok((sent, wrong))
}
