//! CLNRest: what its clients send, and what they are answered.

mod calls;
mod client;
mod hostile;
mod notifications;
mod runes;

use std::sync::Arc;

use anyhow::Result;
use e2e_tests::{Network, Node, Port};

pub(crate) use self::client::Rest;
pub(crate) use self::notifications::Program;

use self::client::section;

const CHANNEL_SATS: u64 = 1_000_000;

/// Two nodes with a channel, and the client of the first one's CLNRest.
struct Pair {
    network: Network,
    alice: Arc<Node>,
    bob: Arc<Node>,
    rest: Rest,
    /// Nobody else takes it meanwhile.
    _port: Port,
}

impl Pair {
    async fn start(has_tls: bool) -> Result<Self> {
        let (network, port) = (Network::start().await?, Port::claim()?);
        let section = section(&port, has_tls);
        let (alice, bob) =
            tokio::try_join!(network.node_with("alice", section), network.node("bob"))?;
        network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
        network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
        let scheme = if has_tls { "https" } else { "http" };
        let rest = Rest::new(&alice, format!("{scheme}://localhost:{}", port.number())).await?;
        Ok(Self { network, alice, bob, rest, _port: port })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_clnrest_are_answered() -> Result<()> {
    let pair = Pair::start(true).await?;
    calls::what_is_refused_has_core_lightnings_numbers(&pair.rest).await?;
    calls::bodies_are_json_forms_or_nothing(&pair.rest).await?;
    calls::a_payment_is_waited_for(&pair.rest, &pair.bob).await?;
    calls::an_invoice_of_another_is_paid(&pair.rest, &pair.bob).await?;
    calls::the_methods_are_listed(&pair.rest).await?;
    calls::the_nodes_own_api_is_where_it_was(&pair.rest, &pair.alice).await?;
    pair.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn runes_have_core_lightnings_names() -> Result<()> {
    let pair = Pair::start(true).await?;
    runes::they_are_made_shown_and_revoked(&pair.rest).await?;
    runes::methods_and_parameters_are_restricted(&pair.rest, &pair.alice).await?;
    runes::groups_are_those_of_the_api(&pair.rest).await?;
    runes::a_call_counts_once(&pair.rest).await?;
    runes::a_budget_is_kept(&pair.rest, &pair.bob).await?;
    pair.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_program_is_notified() -> Result<()> {
    let pair = Pair::start(false).await?;
    notifications::what_happens_is_told(&pair).await?;
    notifications::who_may_not_hear_is_refused(&pair.rest).await?;
    pair.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_slow_readers_hold_up_nobody() -> Result<()> {
    let (network, port) = (Network::start_for(1).await?, Port::claim()?);
    let alice = network.node_with("alice", section(&port, false)).await?;
    let rest = Rest::new(&alice, format!("http://localhost:{}", port.number())).await?;
    hostile::nothing_of_a_strangers_body_is_read(&port).await?;
    hostile::strangers_have_no_place_for_long(&rest, &alice, &port).await?;
    hostile::who_waits_holds_up_nobody(&rest, &port).await?;
    network.stop().await
}
