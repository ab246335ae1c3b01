//! Names, as a DNS server answers for them that cannot prove what it says. That a proven answer is
//! paid is not tested here: it would take a signature by the keys of the DNS root.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e_tests::{DnsAnswer, DnsServer, Node, Port, refused};
use ldk_server_client::Code;
use ldk_server_client::api::UnifiedSendRequest;

use crate::sending::{AMOUNT_MSAT, HRN_TIMEOUT_SECS};

const NAME: &str = "alice@pay.example.com";
/// Where BIP 353 has it.
const ASKED: &str = "alice.user._bitcoin-payment.pay.example.com.";

pub(super) async fn need_a_proof(payer: &Node, dns: DnsServer, port: &Arc<Port>) -> Result<()> {
    let send = |uri: &str| {
        let uri = uri.to_owned();
        let amount_msat = Some(AMOUNT_MSAT);
        payer.client().unified_send(UnifiedSendRequest { uri, amount_msat, ..Default::default() })
    };
    // It would be paid if it were believed.
    let address = payer.new_address().await?;
    dns.answers(DnsAnswer::Unsigned(format!("bitcoin:{address}")));
    for name in [NAME, &format!("₿{NAME}")] {
        refused(send(name).await, Code::FailedPrecondition, &[NAME, "DNSSEC"]);
    }
    assert_eq!(dns.asked(), [ASKED, ASKED]);
    dns.answers(DnsAnswer::Forged(format!("bitcoin:{address}")));
    refused(send(NAME).await, Code::FailedPrecondition, &[NAME, "DNSSEC"]);
    assert_eq!(dns.asked()[2..], [ASKED, ""], "it is asked for the keys of the root as well");

    dns.answers(DnsAnswer::NoSuchName);
    refused(send(NAME).await, Code::FailedPrecondition, &[NAME, "cannot be resolved"]);

    dns.answers(DnsAnswer::Silence);
    let begun = Instant::now();
    refused(send(NAME).await, Code::FailedPrecondition, &[NAME, &dns.address(), "1 s"]);
    let (took, limit) = (begun.elapsed(), Duration::from_secs(HRN_TIMEOUT_SECS));
    ensure!(took >= limit && took < 10 * limit, "it took {took:?}");

    dns.stop().await;
    refused(send(NAME).await, Code::FailedPrecondition, &[NAME, "cannot be resolved"]);

    // And it is asked again next time.
    let dns = DnsServer::start(Arc::clone(port), DnsAnswer::NoSuchName).await?;
    refused(send(NAME).await, Code::FailedPrecondition, &[NAME, "cannot be resolved"]);
    assert_eq!(dns.asked(), [ASKED]);
    Ok(())
}
