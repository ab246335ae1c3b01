//! The line on a terminal while a command waits for its payment. `script` gives it a terminal.

use std::time::Duration;

use anyhow::Result;
use e2e_tests::{Network, Node, run};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(120);
const AMOUNT_MSAT: u64 = 20_000_000;
const SUCCEEDED: &str = "PAYMENT_OUTCOME_STATUS_SUCCEEDED";

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_how_far_a_payment_has_come() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    let invoice = bob.invoice(AMOUNT_MSAT).await?;
    let shown = on_terminal(&alice, &format!("bolt11-send {invoice} --wait")).await?;
    for text in ["routing, 0.", "settled, ", SUCCEEDED] {
        assert!(shown.contains(text), "{shown:?}");
    }
    let keysend = on_terminal(&alice, &format!("spontaneous-send {} 5sat", bob.id())).await?;
    assert!(!keysend.contains("routing"), "it does not wait: {keysend:?}");
    // Without one, only the answer is printed.
    let invoice = bob.invoice(AMOUNT_MSAT).await?;
    let printed = alice.cli_output(&["bolt11-send", &invoice, "--wait"]).await?;
    assert_eq!(printed.stderr, "");
    assert!(printed.success()?.contains(SUCCEEDED));
    network.stop().await
}

/// What a command of the client writes to a terminal.
async fn on_terminal(node: &Node, arguments: &str) -> Result<String> {
    let client = node.cli_command(&[]);
    let words = client.as_std().get_args().map(|word| word.to_string_lossy());
    let words = words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let program = client.as_std().get_program().to_string_lossy().into_owned();
    let mut script = Command::new("script");
    script.args(["-qec", &format!("'{program}' {words} {arguments}"), "/dev/null"]);
    run(script, PATIENCE).await?.success()
}
