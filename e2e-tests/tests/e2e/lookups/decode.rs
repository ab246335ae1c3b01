//! What invoices and offers say.

use anyhow::{Result, bail};
use e2e_tests::{ConfigBuilder, Network, Node, Port};
use ldk_server_client::api::{
    Bolt11ReceiveRequest, DecodeInvoiceRequest, DecodeInvoiceResponse, DecodeOfferRequest,
    GetNodeInfoRequest, SignMessageRequest,
};
use ldk_server_client::types::bolt11_invoice_description::Kind;
use ldk_server_client::types::{Bolt11Feature, Bolt11InvoiceDescription};
use ldk_server_client::{Client, Error};
use serde_json::json;

use crate::lookups::{STRANGER, invalid};

/// An example of BOLT 11, of 2017 and for mainnet.
const COFFEE: &str = "lnbc25m1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5vdhkven9v5sxyetpdeessp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs9q5sqqqqqqqqqqqqqqqqsgq2a25dxl5hrntdtn6zvydt7d66hyzsyhqs4wdynavys42xgl6sgx9c4g7me86a27t07mdtfry458rtjr0v92cnmswpsjscgt2vcse3sgpz3uapa";
/// An example of BOLT 12, with a feature that nobody knows.
const OFFER: &str = "lno1pgx9getnwss8vetrw3hhyucvp5yqqqqqqqqqqqqqqqqqqqqkyypwa3eyt44h6txtxquqh7lz5djge4afgfjn7k4rgrkuag0jsd5xvxg";

const AMOUNT_MSAT: u64 = 1_234_567;
const EXPIRY_SECS: u32 = 77;
const TEXT: &str = "tea for two";

pub(super) async fn an_invoice_of_another_node(node: &Node, payee: &Node) -> Result<()> {
    let description = Bolt11InvoiceDescription { kind: Some(Kind::Direct(TEXT.to_owned())) };
    let request = Bolt11ReceiveRequest {
        amount_msat: Some(AMOUNT_MSAT),
        description: Some(description),
        expiry_secs: EXPIRY_SECS,
        ..Default::default()
    };
    let made = payee.client().bolt11_receive(request).await?;
    let answer = decode_invoice(node.client(), &made.invoice).await?;
    assert_eq!(answer.destination, payee.id());
    assert_eq!(answer.payment_hash, made.payment_hash);
    assert_eq!(answer.payment_secret, made.payment_secret);
    assert_eq!(answer.amount_msat, Some(AMOUNT_MSAT));
    assert_eq!(answer.expiry, u64::from(EXPIRY_SECS));
    assert_eq!(answer.description.as_deref(), Some(TEXT));
    assert_eq!((answer.description_hash, answer.payment_metadata), (None, None));
    assert_eq!(answer.currency, "regtest");
    assert!(!answer.is_expired);
    let secret =
        Bolt11Feature { name: "PaymentSecret".to_owned(), is_required: true, is_known: true };
    assert_eq!(answer.features[&14], secret);
    by_command(node, payee, &made.invoice).await
}

async fn by_command(node: &Node, payee: &Node, invoice: &str) -> Result<()> {
    let answer = node.cli(&["decode-invoice", invoice]).await?;
    assert_eq!(answer["destination"], payee.id());
    assert_eq!(answer["features"]["14"]["name"], "PaymentSecret");
    let answer = node.cli(&["decode-offer", OFFER]).await?;
    assert_eq!(answer["issuer_signing_pubkey"], STRANGER);
    assert_eq!(answer["quantity"], json!({"quantity": {"one": true}}));
    for command in ["decode-invoice", "decode-offer"] {
        let output = node.cli_output(&[command, "coffee"]).await?;
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.starts_with("Error (Invalid Request): "), "{output:?}");
    }
    Ok(())
}

/// Whoever decodes needs no node, and no bitcoind.
#[tokio::test(flavor = "multi_thread")]
async fn it_decodes_before_there_is_a_node() -> Result<()> {
    let network = Network::start().await?;
    let nobody = Port::claim()?;
    let builder =
        ConfigBuilder::new(&network, "early")?.set("bitcoind.rpc_address", nobody.address())?;
    let mut early = builder.start()?;
    early.says("trying again").await?;
    let client = early.client()?;
    has_no_node(&client).await?;
    examples_are_decoded(&client).await?;
    others_are_refused(&client).await;
    has_no_node(&client).await?;
    early.stop().await?;
    network.stop().await
}

async fn has_no_node(client: &Client) -> Result<()> {
    let info = client.get_node_info(GetNodeInfoRequest {}).await.map(drop);
    let signature = client.sign_message(SignMessageRequest::default()).await.map(drop);
    for answer in [info, signature] {
        match answer {
            Err(Error::Unavailable(message)) if message.starts_with("starting: ") => {},
            other => bail!("it has a node: {other:?}"),
        }
    }
    Ok(())
}

async fn examples_are_decoded(client: &Client) -> Result<()> {
    let invoice = decode_invoice(client, COFFEE).await?;
    assert_eq!(invoice.currency, "bitcoin");
    assert_eq!(invoice.amount_msat, Some(2_500_000_000));
    assert!(invoice.is_expired);
    let unknown = Bolt11Feature { name: "unknown".to_owned(), is_required: false, is_known: false };
    assert_eq!(invoice.features[&99], unknown);

    let offer = client.decode_offer(DecodeOfferRequest { offer: OFFER.to_owned() }).await?;
    assert_eq!(offer.description.as_deref(), Some("Test vectors"));
    assert_eq!(offer.issuer_signing_pubkey.as_deref(), Some(STRANGER));
    assert_eq!(offer.features, [(99, unknown)].into());
    assert!(!offer.is_expired);
    Ok(())
}

async fn others_are_refused(client: &Client) {
    let unsigned = COFFEE.replace("2a25dxl5hrntd", "2a25dxl5hrnte");
    for text in ["", "coffee", OFFER, &unsigned, &COFFEE[1..], &"x".repeat(1_000_000)] {
        invalid(decode_invoice(client, text).await, "invoice");
    }
    for text in ["", "coffee", COFFEE, &OFFER[..OFFER.len() - 3], &"x".repeat(1_000_000)] {
        let request = DecodeOfferRequest { offer: text.to_owned() };
        invalid(client.decode_offer(request).await, "offer");
    }
}

async fn decode_invoice(client: &Client, text: &str) -> Result<DecodeInvoiceResponse, Error> {
    client.decode_invoice(DecodeInvoiceRequest { invoice: text.to_owned() }).await
}
