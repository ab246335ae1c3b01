//! Socket.IO, with the program of Core Lightning's documentation.

use anyhow::{Result, ensure};
use e2e_tests::{Group, Log, Process, other_languages};
use serde_json::{Value, json};

use super::Pair;
use super::calls::text;
use super::client::Rest;

pub(super) async fn a_payment_is_told_of(pair: &Pair) -> Result<()> {
    let Pair { network, rest, bob, .. } = pair;
    let restrictions = json!({"restrictions": [["method=listclnrest-notifications"]]});
    let special = rest.result("createrune", restrictions).await?;
    let read_only = rest.result("createrune", json!({"restrictions": "readonly"})).await?;
    let mut programs = Vec::new();
    // The other document has a path after the address, which names no other place.
    for (name, path, rune) in [("special", "", &special), ("read-only", "/ws", &read_only)] {
        let mut command = rest.program("socketio_client.py");
        let url = format!("{}{path}", rest.url);
        command.arg(url).arg(text(rune, "rune")?).arg(rest.certificate());
        let log = Log::new(network.dir().join(format!("{name}.log")));
        let process = Process::spawn(name, command, &log, Group::Shared)?;
        log.says("Client Connected").await?;
        programs.push((process, log));
    }
    let invoice = json!({"amount_msat": 7000, "label": "told", "description": "x"});
    let made = rest.result("invoice", invoice).await?;
    bob.settled(&bob.send(text(&made, "bolt11")?).await?).await?;
    let listed = rest.result("listinvoices", json!({"label": "told"})).await?;
    let preimage = &listed["invoices"][0]["payment_preimage"];
    ensure!(preimage.is_string(), "{listed}");
    let expected =
        json!({"invoice_payment": {"label": "told", "msat": 7000, "preimage": preimage}});
    for (process, log) in &mut programs {
        assert_eq!(other_languages::printed(process, log, 0).await?, expected);
    }
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
