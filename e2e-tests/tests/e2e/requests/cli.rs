//! The same through the command-line client.

use anyhow::Result;
use e2e_tests::{Node, Port};

use crate::requests::STRANGER;
use crate::requests::bolt11::MAINNET_INVOICE;

pub(super) async fn says_the_same(node: &Node) -> Result<()> {
    let closed = Port::claim()?;
    let peer = format!("{STRANGER}@{}", closed.address());
    let address = node.new_address().await?;
    for (args, code, expected) in [
        (&["bolt11-send", "coffee"][..], 1, "Error (Invalid Request): invoice: "),
        (&["bolt11-send", MAINNET_INVOICE, "1sat"], 1, "Error (Invalid Request): invoice: "),
        (&["bolt11-receive", "0sat"], 1, "Error (Invalid Request): amount_msat: "),
        (&["bolt11-receive", "100"], 2, "error: "),
        (&["get-payment-details", "abc"], 1, "Error (Invalid Request): payment_id: "),
        (&["onchain-send", "coffee", "1000sat"], 1, "Error (Invalid Request): address: "),
        (&["onchain-send", &address], 1, "Error (Invalid Request): amount_sats: "),
        (&["onchain-send", &address, "1000sat"], 1, "Error (Lightning Error): "),
        (&["onchain-send", &address, "1500msat"], 1, "Error: amount 1500msats is not evenly "),
        (&["onchain-send", &address, "1000sat", "--send-all", "perhaps"], 2, "error: "),
        (&["connect-peer", &peer], 1, "Error (Lightning Error): "),
        (&["connect-peer", STRANGER], 1, "Error: address is required"),
        (&["close-channel", "42", STRANGER], 1, "Error (Invalid Request): user_channel_id: "),
        (&["close-channel", "42"], 2, "error: "),
        (&["no-such-command"], 2, "error: "),
    ] {
        let output = node.cli_output(args).await?;
        assert_eq!(output.code, Some(code), "{output:?}");
        assert!(output.stderr.starts_with(expected), "{output:?}");
        assert_eq!(output.stdout, "");
    }
    Ok(())
}
