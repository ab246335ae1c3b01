//! What is shown, step by step, and what one can do then.

use std::io::{self, Write as _};
use std::thread;
use std::time::Instant;

use anyhow::{Result, ensure};
use e2e_tests::playground::{self, CHANNEL_SATS, FUNDS_SATS};
use e2e_tests::{Network, Node};
use tokio::sync::mpsc;

const PAYMENT_SATS: u64 = 100_000;

/// Tells what is being done, and how long it took to get there.
pub(crate) struct Progress {
    begin: Instant,
}

impl Progress {
    pub(crate) fn begin() -> Self {
        Self { begin: Instant::now() }
    }

    pub(crate) fn say(&self, step: &str) {
        show(&format!("{:6.1} s  {step}", self.begin.elapsed().as_secs_f64()));
    }
}

/// Prints a line. That nobody reads it any more is no reason to stop in the middle.
fn show(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Starts alice and bob, opens a channel, pays through it, and starts carol.
pub(crate) async fn tell(network: &Network, progress: &Progress) -> Result<()> {
    let bitcoind = network.bitcoind();
    progress.say(&format!(
        "bitcoind runs on regtest, height {}: {}",
        bitcoind.height().await?,
        network.tools().bitcoind.display()
    ));
    let [alice, bob] = playground::alice_and_bob(network).await?;
    for node in [&alice, &bob] {
        progress.say(&format!("{} runs: {}@{}", node.alias(), node.id(), node.address()));
    }
    progress.say(&format!("each has {FUNDS_SATS} sat on chain"));
    network.open_channel(&alice, &bob, CHANNEL_SATS, 0).await?;
    progress.say(&format!("alice has opened a channel of {CHANNEL_SATS} sat to bob"));
    pay(&alice, &bob).await?;
    progress.say(&format!("alice has paid an invoice of bob over {PAYMENT_SATS} sat"));
    let carol = playground::carol(network, &bob).await?;
    progress.say(&format!("carol runs: {}@{}", carol.id(), carol.address()));
    progress.say("she has nothing; bob opens a channel to her when somebody pays her");
    for node in [&alice, &bob, &carol] {
        print_balances(node).await?;
    }
    Ok(())
}

/// Pays, and checks that both sides tell of it.
async fn pay(payer: &Node, payee: &Node) -> Result<()> {
    let mut payer_events = payer.events().await?;
    let mut payee_events = payee.events().await?;
    let payment_id = payer.pays(payee, PAYMENT_SATS * 1_000).await?;
    payer_events.payment_successful(&payment_id).await?;
    let received = payee_events.payment_received(&payment_id).await?;
    ensure!(received.amount_msat == Some(PAYMENT_SATS * 1_000), "bob received {received:?}");
    Ok(())
}

async fn print_balances(node: &Node) -> Result<()> {
    let balances = node.balances().await?;
    show(&format!(
        "          {:<6}{:>9} sat on chain, {:>9} sat in channels",
        node.alias(),
        balances.total_onchain_balance_sats,
        balances.total_lightning_balance_sats
    ));
    Ok(())
}

/// Says how to go on, and mines blocks when asked to, until `enough` is done.
pub(crate) async fn invite(network: &Network, enough: impl Future<Output = ()>) {
    print_commands(network);
    print_page(network).await;
    let mut lines = lines_of_stdin();
    tokio::pin!(enough);
    loop {
        tokio::select! {
            () = &mut enough => return,
            Some(line) = lines.recv() => answer(network, &line).await,
        }
    }
}

fn print_commands(network: &Network) {
    let cli = network.tools().ldk_server_cli.display();
    show("\nAll nodes are running. Go on in another terminal:\n");
    for (node, command) in [
        ("alice", "get-balances"),
        ("alice", "list-channels"),
        ("bob", "events"),
        ("bob", "bolt11-receive 5000sat"),
        ("alice", "bolt11-send <INVOICE>"),
        ("carol", "bolt11-receive-via-jit-channel 5000sat"),
    ] {
        let config = network.dir().join(node).join("config.toml");
        show(&format!("{cli} --config {} {command}", config.display()));
    }
    show("\nHere, `mine 6` mines 6 blocks, and Ctrl-C stops everything.\n");
}

/// Says where alice's page is, signed in to do everything: the money is worth nothing.
async fn print_page(network: &Network) {
    match playground::page(network, "alice").await {
        Ok(url) => show(&format!(
            "Alice's page, for a browser, which warns of her own certificate:\n\n{url}\n"
        )),
        Err(error) => show(&format!("alice's page: {error:#}")),
    }
}

/// The lines that are typed. A thread of its own reads them, because the end of the process need
/// not wait for one.
fn lines_of_stdin() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

async fn answer(network: &Network, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let blocks = match words[..] {
        [] => return,
        ["mine"] => Some(1),
        ["mine", count] => count.parse().ok(),
        _ => None,
    };
    match blocks {
        None => show("to mine 6 blocks, type: mine 6"),
        Some(blocks) => match network.mine(blocks).await {
            Ok(()) => show("mined, and all nodes have seen it"),
            Err(error) => show(&format!("{error:#}")),
        },
    }
}
