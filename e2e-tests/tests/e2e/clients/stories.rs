//! What every client is asked to do, and how it is seen that it has done it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Node, run};
use futures_util::future::join_all;
use ldk_server_client::types::PaymentStatus;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::cln_rpc::{PATIENCE, Rust};
use super::doors::Doors;
use super::driver::Driver;
use super::table::{Cell, Row};

/// Above what a node keeps as dust, and so small that all fit into the channel.
const AMOUNT_MSAT: u64 = 2_000_000;
/// More than there is in the channel.
const TOO_MUCH_MSAT: u64 = 900_000_000;
const MAX_FEE_MSAT: u64 = 20_000;
/// What the programs of the documentation print.
const CONNECTED: &str = "Client Connected";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Story {
    /// It connects, and finds this node with its balance.
    Start,
    /// It makes an invoice, and sees that it is paid.
    Invoice,
    /// It pays an invoice, and has the proof of it.
    Pay,
    /// It pays one that cannot be paid, and knows that nothing was sent.
    FailedPay,
    /// It waits for a payment while the daemon is restarted, and is told of it.
    Wait,
    /// It lists what was paid.
    History,
}

impl Story {
    pub(super) const ALL: [Self; 6] =
        [Self::Start, Self::Invoice, Self::Pay, Self::FailedPay, Self::Wait, Self::History];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Invoice => "invoice",
            Self::Pay => "pay",
            Self::FailedPay => "failed pay",
            Self::Wait => "wait across a restart",
            Self::History => "history",
        }
    }
}

/// How a client is made to do something.
pub(super) enum Hand {
    /// A program that is asked.
    Program(Driver),
    /// The same, which hears of payments as long as it is connected, and not of those before.
    Hearer(Driver),
    /// A program that prints what it is told, and does nothing else; it connects to bob.
    Listener(Driver),
    /// A client in Rust.
    Rust(Rust),
    /// A command that prints what getinfo answers.
    Once(Option<Command>),
}

/// A client that is to be tested.
pub(super) struct Client {
    pub(super) name: &'static str,
    pub(super) door: &'static str,
    pub(super) hand: Hand,
    /// The stories that it does not have, and what stands in the table instead.
    pub(super) without: &'static [(Story, &'static str)],
}

/// A client, what became of its stories, and what it has done.
struct Player<'a> {
    client: Client,
    doors: &'a Doors,
    outcomes: BTreeMap<Story, Result<()>>,
    received: Option<String>,
    sent: Option<String>,
    /// The invoice that is waited for.
    awaited: Option<String>,
}

/// Has all clients do everything, side by side, with one restart for all of them.
pub(super) async fn play(doors: &Doors, clients: Vec<Client>) -> Result<Vec<Row>> {
    let mut players: Vec<_> =
        clients.into_iter().map(|client| Player::new(client, doors)).collect();
    // The balance is known as long as nobody pays.
    join_all(players.iter_mut().map(|player| player.play(Story::Start))).await;
    join_all(players.iter_mut().map(Player::before_the_restart)).await;
    doors.restart().await?;
    join_all(players.iter_mut().map(Player::after_the_restart)).await;
    Ok(players.into_iter().map(Player::row).collect())
}

impl<'a> Player<'a> {
    fn new(client: Client, doors: &'a Doors) -> Self {
        let (received, sent, awaited) = (None, None, None);
        Self { client, doors, outcomes: BTreeMap::new(), received, sent, awaited }
    }

    fn without(&self, story: Story) -> Option<&'static str> {
        let mut without = self.client.without.iter();
        without.find_map(|(missing, why)| (*missing == story).then_some(*why))
    }

    async fn play(&mut self, story: Story) {
        if self.without(story).is_some() {
            return;
        }
        let outcome = match story {
            Story::Start => self.starts().await,
            Story::Invoice => self.is_paid().await,
            Story::Pay => self.pays().await,
            Story::FailedPay => self.cannot_pay().await,
            Story::Wait => self.was_told().await,
            Story::History => self.lists().await,
        };
        self.outcomes.insert(story, outcome);
    }

    async fn before_the_restart(&mut self) {
        for story in [Story::Invoice, Story::Pay, Story::FailedPay] {
            self.play(story).await;
        }
        if self.without(Story::Wait).is_none()
            && let Err(error) = self.waits().await
        {
            self.outcomes.insert(Story::Wait, Err(error));
        }
    }

    async fn after_the_restart(&mut self) {
        if !self.outcomes.contains_key(&Story::Wait) {
            self.play(Story::Wait).await;
        }
        self.play(Story::History).await;
    }

    async fn ask(&mut self, story: &str, mut request: Value) -> Result<Value> {
        request["story"] = json!(story);
        match &mut self.client.hand {
            Hand::Program(driver) | Hand::Hearer(driver) | Hand::Listener(driver) => {
                driver.ask(&request).await
            },
            Hand::Rust(rust) => rust.ask(story, &request).await,
            Hand::Once(_) => bail!("it does one thing only"),
        }
    }

    async fn starts(&mut self) -> Result<()> {
        if let Hand::Listener(driver) = &mut self.client.hand {
            return driver.says(CONNECTED).await;
        }
        if let Hand::Once(command) = &mut self.client.hand {
            let command = command.take().context("it has run")?;
            let printed = run(command, PATIENCE).await?.success()?;
            ensure!(printed.contains(self.doors.alice.alias()), "{printed}");
            return Ok(());
        }
        let answer = self.ask("start", json!({})).await?;
        let id = answer.get("id").unwrap_or(&Value::Null);
        ensure!(id.is_null() || *id == self.doors.alice.id(), "another node: {answer}");
        if let Some(balance_msat) = answer["balance_msat"].as_u64() {
            // Half of the channel, of which the opener has kept the fee of its closure; phoenixd tells what
            // of it can be sent, which is without the reserve.
            ensure!((480_000_000..=500_000_000).contains(&balance_msat), "{answer}");
        } else {
            ensure!(id.is_string(), "neither its id nor its balance: {answer}");
        }
        Ok(())
    }

    /// An invoice of the client, and its payment hash.
    async fn invoice(&mut self, label: &str) -> Result<(String, String)> {
        let label = format!("{} {} {label}", self.client.name, self.client.door);
        let request = json!({"amount_msat": AMOUNT_MSAT, "label": label, "description": "coffee"});
        let made = self.ask("invoice", request).await?;
        Ok((text(&made, "bolt11")?, text(&made, "payment_hash")?))
    }

    async fn is_paid(&mut self) -> Result<()> {
        let (bolt11, payment_hash) = self.invoice("sells").await?;
        let asked = json!({"payment_hash": payment_hash});
        ensure!(self.ask("is_paid", asked.clone()).await? == json!(false), "it is paid at once");
        let paid = pay(&self.doors.bob, &bolt11).await?;
        ensure!(paid == payment_hash, "{payment_hash} was paid as {paid}");
        ensure!(self.ask("is_paid", asked).await? == json!(true), "it does not see the payment");
        self.received = Some(payment_hash);
        Ok(())
    }

    async fn pays(&mut self) -> Result<()> {
        let bolt11 = self.doors.bob.invoice(AMOUNT_MSAT).await?;
        let request = json!({"bolt11": bolt11, "max_fee_msat": MAX_FEE_MSAT});
        let answer = self.ask("pay", request).await?;
        ensure!(answer["paid"] == true, "{answer}");
        let preimage = hex::decode(text(&answer, "preimage")?)?;
        let payment_hash = hex::encode(Sha256::digest(preimage));
        let payment = self.doors.bob.settled(&payment_hash).await?;
        ensure!(payment.status() == PaymentStatus::Succeeded, "{payment:?}");
        self.sent = Some(payment_hash);
        Ok(())
    }

    async fn cannot_pay(&mut self) -> Result<()> {
        let bolt11 = self.doors.bob.invoice(TOO_MUCH_MSAT).await?;
        let request = json!({"bolt11": bolt11, "max_fee_msat": MAX_FEE_MSAT});
        let answer = self.ask("pay", request).await?;
        ensure!(answer["failed"] == true, "{answer}");
        Ok(())
    }

    /// Begins to wait.
    async fn waits(&mut self) -> Result<()> {
        if let Hand::Listener(_) = self.client.hand {
            self.awaited = Some(self.doors.bob.invoice(AMOUNT_MSAT).await?);
            return Ok(());
        }
        let (bolt11, _) = self.invoice("waits").await?;
        self.awaited = Some(bolt11);
        self.ask("wait", json!({})).await?;
        if let Hand::Hearer(driver) = &mut self.client.hand {
            driver.says(CONNECTED).await?;
        }
        Ok(())
    }

    async fn was_told(&mut self) -> Result<()> {
        let bolt11 = self.awaited.take().context("it does not wait")?;
        // What is sent while they are away is not kept for those who only hear.
        if let Hand::Listener(driver) | Hand::Hearer(driver) = &mut self.client.hand {
            driver.says(CONNECTED).await?;
        }
        let payer = match &self.client.hand {
            Hand::Listener(_) => &self.doors.alice,
            _ => &self.doors.bob,
        };
        let payment_hash = pay(payer, &bolt11).await?;
        match &mut self.client.hand {
            Hand::Program(driver) | Hand::Hearer(driver) | Hand::Listener(driver) => {
                driver.says(&payment_hash).await
            },
            Hand::Rust(rust) => rust.is_told(&payment_hash).await,
            Hand::Once(_) => bail!("it does one thing only"),
        }
    }

    async fn lists(&mut self) -> Result<()> {
        let listed = self.ask("history", json!({})).await?;
        for (list, wanted) in [("received", &self.received), ("sent", &self.sent)] {
            let hashes = listed[list].as_array().with_context(|| format!("no {list}: {listed}"))?;
            let Some(wanted) = wanted else { continue };
            ensure!(hashes.contains(&json!(wanted)), "{wanted} is not in {list}: {listed}");
        }
        Ok(())
    }

    fn row(mut self) -> Row {
        let cell = |story: &Story| match (self.without(*story), self.outcomes.remove(story)) {
            (Some(why), _) => Cell::Without(why),
            (None, Some(Ok(()))) => Cell::Passed,
            (None, Some(Err(error))) => Cell::Failed(format!("{error:#}")),
            (None, None) => Cell::Failed("was not played".to_owned()),
        };
        let cells = Story::ALL.iter().map(cell).collect();
        Row { client: self.client.name, door: self.client.door, cells }
    }
}

/// Pays an invoice, and returns its payment hash.
async fn pay(payer: &Node, bolt11: &str) -> Result<String> {
    let payment_hash = payer.send(bolt11).await?;
    let payment = payer.settled(&payment_hash).await?;
    ensure!(payment.status() == PaymentStatus::Succeeded, "{payment:?}");
    Ok(payment_hash)
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("no {name} in {value}"))?.to_owned())
}
