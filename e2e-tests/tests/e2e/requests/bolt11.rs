//! Bolt11Receive and Bolt11Send.

use anyhow::Result;
use e2e_tests::{Node, invalid, refused};
use ldk_server_client::api::{Bolt11ReceiveRequest, Bolt11SendRequest, DecodeInvoiceRequest};
use ldk_server_client::types::bolt11_invoice_description::Kind;
use ldk_server_client::types::{Bolt11InvoiceDescription, RouteParametersConfig};
use ldk_server_client::{Client, Code};

use crate::requests::{BAD_HASHES, TOO_MANY_SATS};

/// The first of the examples of BOLT 11.
pub(super) const MAINNET_INVOICE: &str = "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs\
    pp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae\
    8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52v\
    jjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql";

/// Invalid examples of BOLT 11: a wrong checksum, no separator, too short, an unknown multiplier,
/// and a fraction of a millisatoshi.
const BAD_INVOICES: [&str; 5] = [
    "lnbc2500u1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpquwpc4curk03c9wlrswe\
     78q4eyqc7d8d0xqzpuyk0sg5g70me25alkluzd2x62aysf2pyy8edtjeevuv4p2d5p76r4zkmneet7uvyakky2zr4cusd45\
     tftc9c5fh0nnqpnl2jfll544esqchsrnt",
    "pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpquwpc4curk03c9wlrswe78q4eyqc7d\
     8d0xqzpuyk0sg5g70me25alkluzd2x62aysf2pyy8edtjeevuv4p2d5p76r4zkmneet7uvyakky2zr4cusd45tftc9c5fh0\
     nnqpnl2jfll544esqchsrny",
    "lnbc1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetj\
     ypeh2ursdae8g6na6hlh",
    "lnbc2500x1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4j\
     sxqzpusp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs9qrsgqrrzc4cvfue4zp3hggxp47ag7xnrl\
     r8vgcmkjxk3j5jqethnumgkpqp23z9jclu3v0a7e0aruz366e9wqdykw6dxhdzcjjhldxq0w6wgqcnu43j",
    "lnbc2500000001p1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7e\
     nxv4jsxqzpusp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs9qrsgq0lzc236j96a95uv0m3umg28\
     gclm5lqxtqqwk32uuk4k6673k6n5kfvx3d2h8s295fad45fdhmusm8sjudfhlf6dcsxmfvkeywmjdkxcp99202x",
];

const MAX_DESCRIPTION_BYTES: usize = 639;

pub(super) async fn unusable_to_make(client: &Client) {
    let make = |request| client.bolt11_receive(request);
    let invoice = || Bolt11ReceiveRequest { expiry_secs: 3_600, ..Default::default() };
    for amount in [0, TOO_MANY_SATS * 1_000, u64::MAX] {
        let amount_msat = Some(amount);
        invalid(make(Bolt11ReceiveRequest { amount_msat, ..invoice() }).await, "amount_msat");
    }
    let made = make(Bolt11ReceiveRequest::default()).await;
    let decoded =
        async { client.decode_invoice(DecodeInvoiceRequest { invoice: made?.invoice }).await };
    let expiry = decoded.await.map(|decoded| decoded.expiry);
    assert_eq!(expiry.ok(), Some(86_400), "left out, it is a day");
    let described = |kind| Bolt11ReceiveRequest {
        description: Some(Bolt11InvoiceDescription { kind: Some(kind) }),
        ..invoice()
    };
    for hash in BAD_HASHES {
        invalid(make(described(Kind::Hash(hash.to_owned()))).await, "description.hash");
    }
    let too_long = "a".repeat(MAX_DESCRIPTION_BYTES + 1);
    invalid(make(described(Kind::Direct(too_long))).await, "description.direct");
    let longest = make(described(Kind::Direct("a".repeat(MAX_DESCRIPTION_BYTES)))).await;
    assert!(longest.is_ok(), "{longest:?}");
}

pub(super) async fn unusable_to_pay(node: &Node) -> Result<()> {
    let client = node.client();
    let pay = |invoice: &str, amount_msat| {
        let invoice = invoice.to_owned();
        client.bolt11_send(Bolt11SendRequest { invoice, amount_msat, ..Default::default() })
    };
    let long = "lnbcrt1".repeat(1_000);
    for garbage in ["", "lnbcrt1", "coffee", &long].into_iter().chain(BAD_INVOICES) {
        invalid(pay(garbage, None).await, "invoice");
    }
    refused(
        pay(MAINNET_INVOICE, Some(1_000)).await,
        Code::InvalidArgument,
        &["invoice", "regtest"],
    );

    let own = node.invoice(1_000).await?;
    let request = Bolt11ReceiveRequest { expiry_secs: 3_600, ..Default::default() };
    let own_without_amount = client.bolt11_receive(request).await?.invoice;
    for (invoice, amount_msat) in [
        (&own, Some(0)),
        (&own, Some(999)),
        (&own, Some(2_001)),
        (&own, Some(u64::MAX)),
        (&own_without_amount, None),
        (&own_without_amount, Some(0)),
        (&own_without_amount, Some(TOO_MANY_SATS * 1_000)),
        (&own_without_amount, Some(u64::MAX)),
    ] {
        invalid(pay(invoice, amount_msat).await, "amount_msat");
    }
    refused(pay(&own, None).await, Code::FailedPrecondition, &["own"]);

    for (field, route_parameters) in [
        (
            "route_parameters.max_total_cltv_expiry_delta",
            RouteParametersConfig { max_total_cltv_expiry_delta: 1, ..Default::default() },
        ),
        (
            "route_parameters.max_path_count",
            RouteParametersConfig { max_path_count: 256, ..Default::default() },
        ),
        (
            "route_parameters.max_channel_saturation_power_of_half",
            RouteParametersConfig {
                max_channel_saturation_power_of_half: u32::MAX,
                ..Default::default()
            },
        ),
    ] {
        let invoice = own.clone();
        let route_parameters = Some(route_parameters);
        let request = Bolt11SendRequest { invoice, route_parameters, ..Default::default() };
        invalid(client.bolt11_send(request).await, field);
    }
    Ok(())
}
