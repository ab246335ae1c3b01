//! Making, finding, listing, cancelling and deleting.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Node, invalid, refused, until};
use ldk_server_client::Code;
use ldk_server_client::api::{
    Bolt11ReceiveForHashRequest, Bolt11ReceiveRequest, Bolt12ReceiveRequest, CancelInvoiceRequest,
    DeleteExpiredInvoicesRequest, DeleteInvoiceRequest, GetInvoiceRequest, ListInvoicesRequest,
    WaitInvoiceRequest,
};
use ldk_server_client::types::{Invoice, InvoiceKind, InvoiceState, PaymentStatus};
use sha2::{Digest as _, Sha256};

use crate::invoices::{AMOUNT_MSAT, get, labelled, make, wait};

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn a_label_is_for_one_request(payee: &Node) -> Result<()> {
    let mut request = labelled("one request");
    request.external_id = "cart 7".to_owned();
    request.metadata = [("customer".to_owned(), "carla".to_owned())].into();
    let first = make(payee, &request).await?;
    // Also if they come at once.
    let (second, third) = tokio::try_join!(make(payee, &request), make(payee, &request))?;
    assert_eq!((&second, &third), (&first, &first));
    for changed in [
        Bolt11ReceiveRequest { amount_msat: Some(1), ..request.clone() },
        Bolt11ReceiveRequest { metadata: Default::default(), ..request.clone() },
        Bolt11ReceiveRequest { preimage: "0a".repeat(32), ..request.clone() },
    ] {
        let other = payee.client().bolt11_receive(changed).await;
        refused(other, Code::AlreadyExists, &["label", "one request"]);
    }
    let offer = Bolt12ReceiveRequest { label: request.label.clone(), ..Default::default() };
    let offer = payee.client().bolt12_receive(offer).await;
    refused(offer, Code::AlreadyExists, &["one request"]);

    payee.stop().await?;
    payee.start_again().await?;
    assert_eq!(make(payee, &request).await?, first);
    // Of two requests without a label, each makes one.
    assert_ne!(make(payee, &labelled("")).await?, make(payee, &labelled("")).await?);
    Ok(())
}

pub(super) async fn an_invoice_is_found_by_each_of_its_names(
    payer: &Node,
    payee: &Node,
) -> Result<()> {
    payer.connect_to(payee).await?;
    let mut request = labelled("found");
    request.external_id = "cart 8".to_owned();
    let made = make(payee, &request).await?;
    let open = get(payee, "found").await?;
    assert_eq!((open.kind(), open.state()), (InvoiceKind::Bolt11, InvoiceState::Open));
    assert_eq!((&open.invoice, open.amount_msat), (&made.invoice, Some(AMOUNT_MSAT)));
    assert_eq!((open.pay_index, open.paid_at), (None, None));
    let names = [
        GetInvoiceRequest { payment_hash: made.payment_hash.clone(), ..Default::default() },
        GetInvoiceRequest { invoice: made.invoice.clone(), ..Default::default() },
        GetInvoiceRequest { external_id: "cart 8".to_owned(), ..Default::default() },
    ];
    for name in names {
        let found = payee.client().get_invoice(name).await?;
        assert_eq!(found.invoice.as_ref(), Some(&open));
    }
    let payment_id = payer.send(&made.invoice).await?;
    let paid = wait(payee, "found").await?;
    assert!(!paid.timed_out);
    let paid = paid.invoice.context("no invoice")?;
    assert_eq!((paid.state(), paid.pay_index), (InvoiceState::Paid, Some(1)));
    assert_eq!(paid.amount_received_msat, Some(AMOUNT_MSAT));
    assert_eq!(paid.payment_id.as_ref(), Some(&payment_id));
    // Both ends agree.
    assert_eq!(payee.payment(&payment_id).await?.status(), PaymentStatus::Succeeded);
    assert_eq!(payer.settled(&payment_id).await?.status(), PaymentStatus::Succeeded);
    Ok(())
}

async fn list(node: &Node, request: ListInvoicesRequest) -> Result<Vec<Invoice>> {
    let (mut invoices, mut page_token) = (Vec::new(), None);
    loop {
        let request = ListInvoicesRequest { page_token, page_size: Some(2), ..request.clone() };
        let page = node.client().list_invoices(request).await?;
        invoices.extend(page.invoices);
        page_token = page.next_page_token;
        if page_token.is_none() {
            return Ok(invoices);
        }
    }
}

pub(super) async fn lists_are_filtered_and_come_in_pages(payee: &Node) -> Result<()> {
    let all = list(payee, ListInvoicesRequest::default()).await?;
    assert!(all.is_sorted_by_key(|invoice| std::cmp::Reverse(invoice.number)), "{all:?}");
    let labels: Vec<_> = all.iter().filter_map(|invoice| invoice.label.as_deref()).collect();
    assert_eq!(labels, ["found", "one request"]);
    let paid =
        ListInvoicesRequest { states: vec![InvoiceState::Paid.into()], ..Default::default() };
    assert_eq!(list(payee, paid).await?, [get(payee, "found").await?]);
    let cart = ListInvoicesRequest { external_id: "cart 7".to_owned(), ..Default::default() };
    let found = list(payee, cart).await?;
    assert_eq!(found, [get(payee, "one request").await?]);
    assert_eq!(found[0].metadata.get("customer").map(String::as_str), Some("carla"));
    Ok(())
}

fn by_label(label: &str) -> CancelInvoiceRequest {
    CancelInvoiceRequest { label: label.to_owned(), ..Default::default() }
}

pub(super) async fn only_some_can_be_cancelled(payer: &Node, payee: &Node) -> Result<()> {
    make(payee, &labelled("plain")).await?;
    let plain = payee.client().cancel_invoice(by_label("plain")).await;
    refused(plain, Code::FailedPrecondition, &["preimage", "Bolt11ReceiveForHash"]);
    let paid = payee.client().cancel_invoice(by_label("found")).await;
    refused(paid, Code::FailedPrecondition, &["paid"]);

    let mut request = labelled("with preimage");
    request.preimage = "1b".repeat(32);
    let made = make(payee, &request).await?;
    for _ in 0..2 {
        let cancelled = payee.client().cancel_invoice(by_label("with preimage")).await?;
        let state = cancelled.invoice.context("no invoice")?.state();
        assert_eq!(state, InvoiceState::Cancelled);
    }
    let payment_id = payer.send(&made.invoice).await?;
    assert_eq!(payer.settled(&payment_id).await?.status(), PaymentStatus::Failed);
    a_held_payment_is_sent_back(payer, payee).await
}

async fn a_held_payment_is_sent_back(payer: &Node, payee: &Node) -> Result<()> {
    let payment_hash = hex::encode(Sha256::digest([0x1c; 32]));
    let request = Bolt11ReceiveForHashRequest {
        amount_msat: Some(AMOUNT_MSAT),
        expiry_secs: 3_600,
        payment_hash: payment_hash.clone(),
        label: "held".to_owned(),
        ..Default::default()
    };
    let invoice = payee.client().bolt11_receive_for_hash(request.clone()).await?.invoice;
    let again = payee.client().bolt11_receive_for_hash(request).await?.invoice;
    assert_eq!(again, invoice);
    let payment_id = payer.send(&invoice).await?;
    until("the payment is held", PATIENCE, async || {
        let held = get(payee, "held").await?;
        ensure!(held.state() == InvoiceState::Held, "{held:?}");
        Ok(())
    })
    .await?;
    let by_hash = CancelInvoiceRequest { payment_hash, ..Default::default() };
    payee.client().cancel_invoice(by_hash).await?;
    assert_eq!(payer.settled(&payment_id).await?.status(), PaymentStatus::Failed);
    assert_eq!(get(payee, "held").await?.state(), InvoiceState::Cancelled);
    Ok(())
}

fn in_state(label: &str, state: InvoiceState) -> DeleteInvoiceRequest {
    DeleteInvoiceRequest { label: label.to_owned(), state: state.into(), ..Default::default() }
}

pub(super) async fn what_is_over_can_be_deleted(payee: &Node) -> Result<()> {
    let delete = async |label, state| payee.client().delete_invoice(in_state(label, state)).await;
    let wrong = delete("found", InvoiceState::Cancelled).await;
    refused(wrong, Code::FailedPrecondition, &["INVOICE_STATE_PAID"]);
    let payable = delete("plain", InvoiceState::Expired).await;
    refused(payable, Code::FailedPrecondition, &["INVOICE_STATE_OPEN"]);
    invalid(delete("plain", InvoiceState::Open).await, "state");
    delete("found", InvoiceState::Paid).await?;
    delete("held", InvoiceState::Cancelled).await?;
    refused(delete("held", InvoiceState::Cancelled).await, Code::NotFound, &[]);
    // The label is free again.
    let other = Bolt11ReceiveRequest { expiry_secs: 1, ..labelled("found") };
    make(payee, &other).await?;
    until("the invoice has expired", PATIENCE, async || {
        let found = get(payee, "found").await?;
        ensure!(found.state() == InvoiceState::Expired, "{found:?}");
        Ok(())
    })
    .await?;
    let request = DeleteExpiredInvoicesRequest { max_expiry: None };
    assert_eq!(payee.client().delete_expired_invoices(request).await?.deleted, 1);
    let all = list(payee, ListInvoicesRequest::default()).await?;
    assert!(all.iter().all(|invoice| invoice.label.as_deref() != Some("found")));
    Ok(())
}

pub(super) async fn unusable_requests_are_refused(payee: &Node) -> Result<()> {
    let client = payee.client();
    let nobody = GetInvoiceRequest { label: "nobody's".to_owned(), ..Default::default() };
    refused(client.get_invoice(nobody).await, Code::NotFound, &[]);
    let names = "label, payment_hash, invoice or external_id";
    invalid(client.get_invoice(GetInvoiceRequest::default()).await, names);
    let nobody = WaitInvoiceRequest { label: "nobody's".to_owned(), ..Default::default() };
    refused(client.wait_invoice(nobody).await, Code::NotFound, &[]);
    invalid(make_refused(payee, "x".repeat(257), String::new()).await, "label");
    invalid(make_refused(payee, String::new(), "0g".repeat(32)).await, "preimage");
    let future = DeleteExpiredInvoicesRequest { max_expiry: Some(u64::MAX) };
    invalid(client.delete_expired_invoices(future).await, "max_expiry");
    // A hash is good for one invoice.
    let mut again = labelled("again");
    again.preimage = "1b".repeat(32);
    let again = client.bolt11_receive(again).await;
    refused(again, Code::FailedPrecondition, &["payment_hash"]);
    Ok(())
}

async fn make_refused(
    payee: &Node,
    label: String,
    preimage: String,
) -> Result<(), ldk_server_client::Error> {
    let mut request = labelled(&label);
    request.preimage = preimage;
    payee.client().bolt11_receive(request).await.map(drop)
}

pub(super) async fn the_command_line_does_the_same(payer: &Node, payee: &Node) -> Result<()> {
    let line = ["bolt11-receive", "2000sat", "--label", "cli", "--external-id", "cart 9"];
    let noted = ["--metadata", "customer=dave", "--qr"];
    let made = payee.cli(&[&line[..], &noted].concat()).await?;
    assert_eq!(payee.cli(&[&line[..], &noted[..2]].concat()).await?, made);
    let invoice = made["invoice"].as_str().context("no invoice")?.to_owned();
    payer.cli(&["bolt11-send", &invoice]).await?;
    let waited = payee.cli(&["wait-invoice", "cli", "--timeout", "30"]).await?;
    assert_eq!(waited["invoice"]["state"], "INVOICE_STATE_PAID");
    let index = waited["invoice"]["pay_index"].as_u64().context("no index")?;
    assert_eq!(waited["last_pay_index"], index);
    let before = (index - 1).to_string();
    let any = payee.cli(&["wait-any-invoice", &before, "--timeout", "30"]).await?;
    assert_eq!(any["invoice"], waited["invoice"]);
    let none = payee.cli(&["wait-any-invoice", &index.to_string(), "--timeout", "0"]).await?;
    assert_eq!((&none["invoice"], &none["timed_out"]), (&serde_json::Value::Null, &true.into()));
    let listed = payee.cli(&["list-invoices", "--external-id", "cart 9"]).await?;
    assert_eq!(listed["list"][0], waited["invoice"]);
    assert_eq!(payee.cli(&["get-invoice", "cli"]).await?["invoice"], waited["invoice"]);
    payee.cli(&["delete-invoice", "cli", "--state", "paid"]).await?;
    payee.cli(&["delete-expired-invoices"]).await?;
    let line = ["bolt11-receive", "2000sat", "--label", "cli", "--preimage"];
    payee.cli(&[&line[..], &["2d".repeat(32).as_str()]].concat()).await?;
    let cancelled = payee.cli(&["cancel-invoice", "cli"]).await?;
    assert_eq!(cancelled["invoice"]["state"], "INVOICE_STATE_CANCELLED");
    Ok(())
}
