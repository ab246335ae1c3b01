//! Socket.IO, with the program of Core Lightning's documentation.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Group, Log, Network, Process, other_languages, until};
use ldk_server_client::api::DisconnectPeerRequest;
use serde_json::{Value, json};

use super::Pair;
use super::calls::text;
use super::client::Rest;

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn what_happens_is_told(pair: &Pair) -> Result<()> {
    let Pair { network, rest, bob, .. } = pair;
    let restrictions = json!({"restrictions": [["method=listclnrest-notifications"]]});
    let special = rest.result("createrune", restrictions).await?;
    let read_only = rest.result("createrune", json!({"restrictions": "readonly"})).await?;
    let mut programs = Vec::new();
    // The other document has a path after the address, which names no other place.
    for (name, path, rune) in [("special", "", &special), ("read-only", "/ws", &read_only)] {
        programs.push(Program::start(name, rest, path, text(rune, "rune")?, network).await?);
    }
    let invoice = json!({"amount_msat": 7000, "label": "told", "description": "x"});
    let made = rest.result("invoice", invoice).await?;
    bob.settled(&bob.send(text(&made, "bolt11")?).await?).await?;
    let listed = rest.result("listinvoices", json!({"label": "told"})).await?;
    let row = &listed["invoices"][0];
    ensure!(row["payment_preimage"].is_string(), "{listed}");
    let paid = json!({"label": "told", "msat": 7000, "preimage": row["payment_preimage"]});
    for program in &mut programs {
        let created = program.told("invoice_creation").await?;
        assert_eq!(created, json!({"label": "told", "msat": 7000}));
        assert_eq!(program.told("invoice_payment").await?, paid);
        let moved = program.told("coin_movement").await?;
        let (credit, hash) = (&moved["credit_msat"], &moved["payment_hash"]);
        assert_eq!((credit, hash), (&json!(7000), &row["payment_hash"]), "{moved}");
    }
    let mut program = programs.remove(0);
    payments_are_told_of(pair, &mut program).await?;
    blocks_and_peers_are_told_of(pair, &mut program).await?;
    channels_are_told_of(pair, &mut program).await
}

/// The documented program, and how many of its lines were read.
pub(crate) struct Program {
    process: Process,
    log: Log,
    read: usize,
}

impl Program {
    /// Starts it with a rune that allows everything.
    pub(crate) async fn of_admin(rest: &Rest, network: &Network) -> Result<Self> {
        Self::start("admin", rest, "", &rest.admin, network).await
    }

    async fn start(
        name: &str,
        rest: &Rest,
        path: &str,
        rune: &str,
        network: &Network,
    ) -> Result<Self> {
        let mut command = rest.program("socketio_client.py");
        command.arg(format!("{}{path}", rest.url)).arg(rune).arg(rest.certificate());
        let log = Log::new(network.dir().join(format!("{name}.log")));
        let process = Process::spawn(name, command, &log, Group::Shared)?;
        log.says("Client Connected").await?;
        Ok(Self { process, log, read: 0 })
    }

    /// The next notification of this topic. Others are passed over.
    pub(crate) async fn told(&mut self, topic: &str) -> Result<Value> {
        loop {
            let mut told =
                other_languages::printed(&mut self.process, &self.log, self.read).await?;
            self.read += 1;
            if told.get(topic).is_some() {
                return Ok(told[topic].take());
            }
        }
    }
}

async fn payments_are_told_of(pair: &Pair, program: &mut Program) -> Result<()> {
    let Pair { alice, bob, rest, .. } = pair;
    let paid = alice.settled(&alice.send(&bob.invoice(5_000).await?).await?).await?;
    ensure!(paid.amount_msat == Some(5_000), "{paid:?}");
    let told = program.told("sendpay_success").await?;
    assert_eq!((&told["amount_sent_msat"], &told["status"]), (&json!(5000), &json!("complete")));
    let listed = rest.result("listsendpays", json!({"payment_hash": told["payment_hash"]})).await?;
    assert_eq!(told, listed["payments"][0]);
    let moved = program.told("coin_movement").await?;
    assert_eq!((&moved["debit_msat"], &moved["tags"]), (&json!(5000), &json!(["invoice"])));
    Ok(())
}

async fn blocks_and_peers_are_told_of(pair: &Pair, program: &mut Program) -> Result<()> {
    let Pair { network, alice, bob, .. } = pair;
    network.mine(1).await?;
    let height = alice.height().await?;
    while program.told("block_added").await?["height"] != height {}
    let request = DisconnectPeerRequest { node_pubkey: bob.id().to_owned() };
    alice.client().disconnect_peer(request).await?;
    assert_eq!(program.told("disconnect").await?, json!({"id": bob.id()}));
    bob.connect_to(alice).await?;
    let joined = program.told("connect").await?;
    assert_eq!(joined["id"], bob.id());
    ensure!(joined["address"]["type"] == "ipv4" && joined["direction"].is_string(), "{joined}");
    until("the channel is usable again", PATIENCE, async || alice.usable_channel(bob).await)
        .await?;
    Ok(())
}

async fn channels_are_told_of(pair: &Pair, program: &mut Program) -> Result<()> {
    let Pair { network, alice, bob, .. } = pair;
    network.open_channel(bob, alice, 300_000, 0).await?;
    // The state and what it means for the peer's channel come from one event.
    let opened = program.told("channel_opened").await?;
    let facts = (&opened["id"], &opened["funding_msat"]);
    assert_eq!(facts, (&json!(bob.id()), &json!(300_000_000)));
    let waiting = program.told("channel_state_changed").await?;
    assert_eq!(waiting["new_state"], "CHANNELD_AWAITING_LOCKIN", "{waiting}");
    let normal = program.told("channel_state_changed").await?;
    assert_eq!(normal["new_state"], "CHANNELD_NORMAL", "{normal}");
    ensure!(normal["short_channel_id"].is_string() && normal["message"].is_string(), "{normal}");
    Ok(())
}

pub(super) async fn who_may_not_hear_is_refused(rest: &Rest) -> Result<()> {
    let pays = rest.result("createrune", json!({"restrictions": [["method=pay"]]})).await?;
    let begin = |headers: Value| {
        let url = format!("{}/socket.io/?EIO=4&transport=polling", rest.url);
        json!({"method": "GET", "url": url, "headers": headers})
    };
    let answers = rest
        .answers(&[
            begin(json!({})),
            begin(json!({"rune": "garbage"})),
            begin(json!({"rune": text(&pays, "rune")?})),
            begin(json!({"rune": rest.admin})),
        ])
        .await?;
    let statuses: Vec<_> = answers.iter().map(|answer| answer["status"].clone()).collect();
    assert_eq!(statuses, [401, 401, 403, 200]);
    Ok(())
}
