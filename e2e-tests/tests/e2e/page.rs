//! The page for people, in a real browser. The screenshots of the last run are in `target/tmp/page`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{
    Authority, Browser, Group, LnurlService, Log, Network, Node, Process, other_languages,
    print_uncaptured, until,
};
use ldk_server_client::api::{Bolt11ReceiveRequest, Bolt12ReceiveRequest, Bolt12SendRequest};
use ldk_server_client::types::Bolt11InvoiceDescription;
use ldk_server_client::types::bolt11_invoice_description::Kind;
use serde_json::{Value, json};
use tokio::process::Command;

const CHANNEL_SATS: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(30);
/// What a stranger may write to turn the text of the page around, or to have it run a script.
const HOSTILE: &str = "tea \u{202E}dekab\u{202C} <img src=x onerror=alert(1)>\u{7}";

/// A network, and what a walk through alice's page needs.
struct Fixture {
    network: Network,
    alice: Arc<Node>,
    bob: Arc<Node>,
    task: Value,
    packages: PathBuf,
}

impl Fixture {
    async fn set_up() -> Result<Self> {
        let network = Network::start().await?;
        let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
        Self::of(network, alice, bob).await
    }

    async fn of(network: Network, alice: Arc<Node>, bob: Arc<Node>) -> Result<Self> {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let packages = other_languages::node_packages(tmp).await?;
        let chromium = Browser::chromium().await?;
        let screenshots = tmp.join("page");
        fs::create_dir_all(&screenshots)?;
        let task = json!({
            "url": format!("https://{}", alice.config().grpc.address()),
            "chromium": chromium,
            "screenshots": screenshots,
            "runes": {
                "read": rune(&alice, "read").await?,
                "invoice": rune(&alice, "invoice").await?,
                "pay": rune(&alice, "pay").await?,
                "admin": rune(&alice, "admin").await?,
            },
            "invoice": hostile_invoice(&bob).await?,
            "offer": offer(&bob).await?,
            "payee": bob.id(),
            "peer": format!("{}@{}", bob.id(), bob.address()),
        });
        Ok(Self { network, alice, bob, task, packages })
    }

    /// Has the browser walk, and does what it asks for on the way.
    async fn walk(&self, name: &str) -> Result<()> {
        let mut task = self.task.clone();
        task["walk"] = name.into();
        let log = Log::new(self.network.dir().join(format!("{name}.log")));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("javascript/page/walk.mjs");
        let mut node = Command::new("node");
        node.arg(script).arg(task.to_string()).env("NODE_PACKAGES", &self.packages);
        let mut browser = Process::spawn("walk.mjs", node, &log, Group::Shared)?;
        for index in 0.. {
            let wish = other_languages::printed(&mut browser, &log, index).await;
            let wish = wish.with_context(|| format!("{name}: {}", log.text()))?;
            if !self.fulfil(&wish).await? {
                break;
            }
        }
        let ended = tokio::time::timeout(PATIENCE, browser.ended()).await??;
        ensure!(ended.success(), "{name}: {}", log.text());
        Ok(())
    }

    /// Whether the walk goes on after this.
    async fn fulfil(&self, wish: &Value) -> Result<bool> {
        if let Some(invoice) = wish["pay"].as_str() {
            self.bob.send(invoice).await?;
        } else if let Some(offer) = wish["payOffer"].as_str() {
            let request = Bolt12SendRequest { offer: offer.to_owned(), ..Default::default() };
            self.bob.client().bolt12_send(request).await?;
        } else if let Some(sats) = wish["receive"].as_u64() {
            self.bob.pays(&self.alice, sats * 1_000).await?;
        } else if let Some(blocks) = wish["mine"].as_u64() {
            self.mine_when_broadcast(u32::try_from(blocks)?).await?;
        } else if let Some(seen) = wish["saw"].as_str() {
            print_uncaptured(seen);
        } else if wish["done"] == true {
            return Ok(false);
        } else {
            bail!("the browser asks for {wish}");
        }
        Ok(true)
    }

    /// The transaction that the browser has caused may still be on its way to bitcoind.
    async fn mine_when_broadcast(&self, blocks: u32) -> Result<()> {
        until("the transaction is with bitcoind", PATIENCE, async || {
            ensure!(!self.network.bitcoind().mempool().await?.is_empty(), "it has none");
            Ok(())
        })
        .await?;
        self.network.mine(blocks).await
    }
}

async fn rune(node: &Node, preset: &str) -> Result<String> {
    let made = node.cli(&["create-rune", "--preset", preset]).await?;
    made["rune"].as_str().map(str::to_owned).context("no rune")
}

async fn hostile_invoice(node: &Node) -> Result<String> {
    let description = Bolt11InvoiceDescription { kind: Some(Kind::Direct(HOSTILE.to_owned())) };
    let request = Bolt11ReceiveRequest {
        amount_msat: Some(2_000_000),
        description: Some(description),
        expiry_secs: 3_600,
        ..Default::default()
    };
    Ok(node.client().bolt11_receive(request).await?.invoice)
}

async fn offer(node: &Node) -> Result<String> {
    let request = Bolt12ReceiveRequest {
        description: "bread".to_owned(),
        amount_msat: Some(1_500_000),
        ..Default::default()
    };
    Ok(node.client().bolt12_receive(request).await?.offer)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_paid_and_pay() -> Result<()> {
    let fixture = Fixture::set_up().await?;
    for walk in ["receive", "keyboard", "pay", "offers", "looking", "still", "look"] {
        fixture.walk(walk).await?;
    }
    fixture.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_pay_lightning_addresses_and_withdraw() -> Result<()> {
    let network = Network::start().await?;
    let authority = Authority::new("localhost")?;
    let lnurl = format!(
        "[lnurl]\nenabled = true\nallow_private = true\nca_cert_path = \"{}\"\n",
        authority.ca_cert_path().display()
    );
    let (alice, bob) = tokio::try_join!(network.node_with("alice", lnurl), network.node("bob"))?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    let service = LnurlService::start(&bob, &authority).await?;
    let mut fixture = Fixture::of(network, alice, bob).await?;
    fixture.task["lightningAddress"] = service.address().into();
    fixture.task["payout"] = service.link("lnurlw", "withdraw").into();
    fixture.walk("lnurl").await?;
    let asked = service.asked();
    let comment = "/callback?amount=5000000&comment=with+lemon";
    ensure!(asked.iter().any(|path| path == comment), "{asked:?}");
    fixture.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_keep_the_node() -> Result<()> {
    let fixture = Fixture::set_up().await?;
    for walk in ["keeping", "splice", "channels"] {
        fixture.walk(walk).await?;
    }
    fixture.alice.usable_channel(&fixture.bob).await?;
    fixture.network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_a_link_that_only_looks() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let link = alice.cli(&["page", "--expires", "5min"]).await?;
    let url = link["url"].as_str().context("no url")?;
    let start = format!("https://{}/#rune=", alice.config().grpc.address());
    let rune = url.strip_prefix(&start).with_context(|| url.to_owned())?;
    for (method, allowed) in
        [("ListPayments", true), ("SubscribeEvents", true), ("Bolt11Receive", false)]
    {
        let checked = alice.cli(&["check-rune", rune, method]).await?;
        assert_eq!(checked["allowed"], allowed, "{method}: {checked}");
    }
    network.stop().await
}
