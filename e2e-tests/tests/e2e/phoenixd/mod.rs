//! phoenixd's interface: what its clients send, and what they are answered.

mod client;
mod hostile;
mod lnbits;
mod lnurl;
mod logins;
mod outgoing;
mod receiving;
mod sending;
mod socket;
mod webhooks;

use std::sync::Arc;

use anyhow::Result;
use e2e_tests::{Authority, LnurlService, Network, Node, Port, Reaction, WebhookReceiver};

use self::client::{Phoenix, section};

const CHANNEL_SATS: u64 = 1_000_000;

/// Two nodes with a channel, and a client of the first one's phoenixd interface.
struct Pair {
    network: Network,
    alice: Arc<Node>,
    bob: Arc<Node>,
    phoenix: Phoenix,
    /// Nobody else takes it meanwhile.
    _port: Port,
}

impl Pair {
    async fn start(sections: &str) -> Result<Self> {
        let (network, port) = (Network::start().await?, Port::claim()?);
        let sections = format!("{}{sections}", section(&port));
        let (alice, bob) =
            tokio::try_join!(network.node_with("alice", sections), network.node("bob"))?;
        network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
        network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
        let phoenix = Phoenix::new(&alice, &port)?;
        Ok(Self { network, alice, bob, phoenix, _port: port })
    }
}

/// What lets the URLs of these tests be asked.
fn with_urls_of_this_machine(authority: &Authority, all_payments: &WebhookReceiver) -> String {
    format!(
        "webhooks = [\"{}\"]\n[webhooks]\nallow_private = true\n\
         [lnurl]\nenabled = true\nallow_private = true\nca_cert_path = \"{}\"\n",
        all_payments.url(),
        authority.ca_cert_path().display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_phoenixd_are_paid_and_pay() -> Result<()> {
    let authority = Authority::new("localhost")?;
    let all_payments = WebhookReceiver::start(Reaction::Answer(200)).await?;
    let pair = Pair::start(&with_urls_of_this_machine(&authority, &all_payments)).await?;
    let service = LnurlService::start(&pair.bob, &authority).await?;
    receiving::the_node_is_shown(&pair).await?;
    receiving::invoices_are_made_and_shown(&pair).await?;
    receiving::a_payment_is_told_of(&pair).await?;
    receiving::offers_are_made_and_paid(&pair).await?;
    sending::an_invoice_is_paid_once(&pair).await?;
    sending::an_offer_is_paid(&pair).await?;
    sending::what_cannot_be_paid_says_why(&pair).await?;
    outgoing::payments_are_listed(&pair).await?;
    outgoing::what_cannot_be_done_says_why(&pair).await?;
    webhooks::a_payment_is_posted(&pair, &all_payments).await?;
    lnurl::services_are_paid(&pair, &service).await?;
    lnurl::a_service_pays_out(&pair, &service).await?;
    outgoing::the_history_is_exported(&pair).await?;
    pair.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_on_its_way_is_not_missing() -> Result<()> {
    let pair = Pair::start("").await?;
    sending::what_is_under_way_is_found(&pair).await?;
    pair.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn lnbits_is_a_client_as_it_is() -> Result<()> {
    let pair = Pair::start("").await?;
    lnbits::its_wallet_is_paid_and_pays(&pair).await?;
    pair.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_strangers() -> Result<()> {
    let (network, port) = (Network::start_for(1).await?, Port::claim()?);
    let alice = network.node_with("alice", section(&port)).await?;
    let phoenix = Phoenix::new(&alice, &port)?;
    logins::two_passwords_allow_different_things(&phoenix).await?;
    logins::a_rune_is_a_password(&alice, &phoenix).await?;
    logins::the_file_has_the_passwords(&alice, &phoenix)?;
    hostile::garbage_is_refused(&phoenix).await?;
    hostile::nothing_of_a_strangers_body_is_read(&port).await?;
    hostile::who_does_not_read_holds_up_nobody(&phoenix, &port).await?;
    alice.stop().await?;
    alice.start_again().await?;
    assert_eq!(phoenix.get("/getinfo").await?.status, 200, "the passwords are the same");
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_have_tls() -> Result<()> {
    let (network, port) = (Network::start_for(1).await?, Port::claim()?);
    let sections = format!("{}tls = true\n", section(&port));
    let alice = network.node_with("alice", sections).await?;
    logins::it_is_reached_by_tls(&alice, &port).await?;
    network.stop().await
}
