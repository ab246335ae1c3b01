//! What a long history costs: how fast pages of it are read, how much memory it takes, and how long
//! a start takes with many payments. The pages are read through the store, and from a daemon on
//! regtest.
//!
//! `cargo bench -p e2e-tests --bench history -- [--rows N] [--library-payments N]`

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use e2e_tests::{Network, Node};
use futures_util::future::try_join_all;
use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::offers::offer::OfferId;
use ldk_node::lightning::util::persist::KVStore;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use ldk_node::payment::{
    ConfirmationStatus, PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus,
};
use ldk_server::store::{KvOwner, PaymentFilter, PaymentPlace, Store};
use ldk_server_grpc::api::ListPaymentsRequest;
use ldk_server_grpc::types::{self, PageToken, PaymentMethod};

const ROWS: u64 = 1_000_000;
const LIBRARY_PAYMENTS: u64 = 100_000;
const PAGE_SIZE: u32 = 100;
const READS: usize = 200;
/// When the first payment was made, in Unix seconds, and how many there are in each second.
const BEGINNING_SECS: u64 = 1_600_000_000;
const IN_A_SECOND: u64 = 3;
/// As many as the store commits at once.
const BATCH: u64 = 4096;

struct Sizes {
    rows: u64,
    library_payments: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let sizes = sizes()?;
    let network = Network::start().await?;
    let node = network.node("alice").await?;
    let dir = node.config().storage_dir.join("regtest");
    node.stop().await?;
    println!("{:<44} {:>12} {:>12} {:>12}", "start with", "Store::open", "ready", "RSS");
    start("nothing", &node, &dir).await?;
    node.stop().await?;

    fill(&dir, sizes.rows).await?;
    forget_by_the_library(&dir)?;
    start(&format!("{} payments in the history", sizes.rows), &node, &dir).await?;
    println!("\npages of {PAGE_SIZE} of {} payments, in microseconds", sizes.rows);
    println!("{:<44} {:>9} {:>9} {:>9} {:>9}", "", "p50", "p99", "gRPC p50", "gRPC p99");
    pages(&node, &dir, sizes.rows).await?;
    println!("RSS of the daemon after them: {} MiB", rss_mib(&pid(&node)?)?);
    node.stop().await?;

    fill(&dir, sizes.library_payments).await?;
    println!();
    let more = format!("and {} of them in the library", sizes.library_payments);
    start(&more, &node, &dir).await?;
    network.stop().await
}

/// Cargo has flags of its own for a bench.
fn sizes() -> Result<Sizes> {
    let mut sizes = Sizes { rows: ROWS, library_payments: LIBRARY_PAYMENTS };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let number = args.next().with_context(|| format!("{arg} needs a number"))?.parse()?;
        match arg.as_str() {
            "--rows" => sizes.rows = number,
            "--library-payments" => sizes.library_payments = number,
            _ => bail!("{arg}: accepted are --rows and --library-payments"),
        }
    }
    if sizes.rows < 10 * u64::from(PAGE_SIZE) || sizes.library_payments > sizes.rows {
        bail!("at least ten pages of rows, and no more payments in the library than there are");
    }
    Ok(sizes)
}

fn open(dir: &Path) -> Result<Store> {
    let failed = |reason: &str| eprintln!("{reason}");
    Store::open(dir, KvOwner::Server, failed).map_err(|error| anyhow::anyhow!("{error}"))
}

/// Writes payments as the library does: they become rows of its table and of the history.
async fn fill(dir: &Path, payments: u64) -> Result<()> {
    let store = open(dir)?;
    for first in (0..payments).step_by(usize::try_from(BATCH)?) {
        let batch = (first..payments.min(first + BATCH)).map(|number| {
            let details = payment(number);
            KVStore::write(&store, "payments", "", &hex::encode(details.id.0), details.encode())
        });
        try_join_all(batch).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    }
    Ok(())
}

/// Leaves the payments in the history only, which is where those go that are put away.
fn forget_by_the_library(dir: &Path) -> Result<()> {
    let database = rusqlite::Connection::open(dir.join("ldk_node_data.sqlite"))?;
    database.execute("DELETE FROM ldk_node_data WHERE primary_namespace = 'payments'", [])?;
    Ok(())
}

fn hash(number: u64) -> [u8; 32] {
    sha256::Hash::hash(&number.to_be_bytes()).to_byte_array()
}

fn created_at(number: u64) -> u64 {
    BEGINNING_SECS + number / IN_A_SECOND
}

/// Of a hundred payments 70 are inbound, 80 succeed, 80 are to invoices, 10 each to offers and on
/// chain.
fn payment(number: u64) -> PaymentDetails {
    let bytes = hash(number);
    let preimage = Some(PaymentPreimage(bytes));
    let kind = match number % 10 {
        0 => PaymentKind::Bolt12Offer {
            hash: Some(PaymentHash(hash(!number))),
            preimage,
            secret: None,
            offer_id: OfferId(bytes),
            payer_note: None,
            quantity: None,
        },
        1 => PaymentKind::Onchain {
            txid: Txid::from_byte_array(bytes),
            status: ConfirmationStatus::Unconfirmed,
        },
        _ => PaymentKind::Bolt11 { hash: PaymentHash(bytes), preimage, secret: None },
    };
    let is_inbound = number % 10 >= 3;
    PaymentDetails {
        id: PaymentId(bytes),
        kind,
        amount_msat: Some(number),
        fee_paid_msat: None,
        direction: if is_inbound { PaymentDirection::Inbound } else { PaymentDirection::Outbound },
        status: match number / 10 % 10 {
            0 => PaymentStatus::Failed,
            1 => PaymentStatus::Pending,
            _ => PaymentStatus::Succeeded,
        },
        latest_update_timestamp: created_at(number),
    }
}

/// Opens the store here and starts the daemon with it, which stays up.
async fn start(with: &str, node: &Node, dir: &Path) -> Result<()> {
    let started = Instant::now();
    drop(open(dir)?);
    let opened = started.elapsed();
    let started = Instant::now();
    node.start_again().await?;
    let ready = started.elapsed();
    let rss_mib = rss_mib(&pid(node)?)?;
    println!(
        "{with:<44} {:>9} ms {:>9} ms {rss_mib:>8} MiB",
        opened.as_millis(),
        ready.as_millis()
    );
    Ok(())
}

/// The process that was started with the node's configuration file.
fn pid(node: &Node) -> Result<String> {
    let config_file = node.config_file().to_string_lossy().into_owned();
    for entry in fs::read_dir("/proc").context("processes are looked for as Linux has them")? {
        let pid = entry?.file_name().to_string_lossy().into_owned();
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&arguments).split('\0').any(|text| text == config_file) {
            return Ok(pid);
        }
    }
    bail!("{} does not run", node.alias())
}

fn rss_mib(pid: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib / 1024)
}

/// Filters, under the names they are printed by.
fn filters(rows: u64) -> Vec<(&'static str, PaymentFilter)> {
    let all = PaymentFilter::default();
    let status = |status| PaymentFilter { status: Some(status), ..all };
    vec![
        ("all", all),
        ("pending", status(types::PaymentStatus::Pending)),
        ("succeeded", status(types::PaymentStatus::Succeeded)),
        ("on chain", PaymentFilter { method: PaymentMethod::Onchain, ..all }),
        ("outbound", PaymentFilter { direction: Some(types::PaymentDirection::Outbound), ..all }),
        (
            "failed, outbound, BOLT 11",
            PaymentFilter {
                direction: Some(types::PaymentDirection::Outbound),
                method: PaymentMethod::Bolt11,
                ..status(types::PaymentStatus::Failed)
            },
        ),
        // There is none: every one is looked at, in an index.
        (
            "inbound, on chain, none",
            PaymentFilter {
                direction: Some(types::PaymentDirection::Inbound),
                method: PaymentMethod::Onchain,
                ..all
            },
        ),
        ("second half", PaymentFilter { created_from: Some(created_at(rows / 2)), ..all }),
        ("by hash", PaymentFilter { payment_hash: Some(PaymentHash(hash(rows / 2 + 5))), ..all }),
    ]
}

async fn pages(node: &Node, dir: &Path, rows: u64) -> Result<()> {
    let store = open_beside(dir)?;
    let before = rss_mib("self")?;
    for (name, filter) in filters(rows) {
        let from = |number| {
            Some(PaymentPlace { created_at: created_at(number), id: PaymentId(hash(number)) })
        };
        let last = from(u64::from(PAGE_SIZE));
        for (page, after) in [("first", None), ("middle", from(rows / 2)), ("last", last)] {
            let direct = latencies(|| async {
                let page = store.payments(&filter, after, PAGE_SIZE as usize);
                page.map_err(|error| anyhow::anyhow!("{error}"))?.context("no such place")?;
                Ok(())
            });
            let direct = direct.await?;
            let remote = latencies(|| async {
                node.client().list_payments(request(&filter, after)?).await?;
                Ok(())
            });
            let remote = remote.await?;
            println!(
                "{:<44} {:>9} {:>9} {:>9} {:>9}",
                format!("{name}, {page} page"),
                direct.0.as_micros(),
                direct.1.as_micros(),
                remote.0.as_micros(),
                remote.1.as_micros()
            );
        }
    }
    println!("RSS of the bench: {before} MiB before, {} MiB after", rss_mib("self")?);
    Ok(())
}

/// A copy, since the daemon is the only one that writes to its own.
fn open_beside(dir: &Path) -> Result<Store> {
    let copy = dir.join("copy");
    fs::create_dir_all(&copy)?;
    let source = rusqlite::Connection::open(dir.join("ldk_node_data.sqlite"))?;
    let target = copy.join("ldk_node_data.sqlite");
    source.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
    open(&copy)
}

fn request(filter: &PaymentFilter, after: Option<PaymentPlace>) -> Result<ListPaymentsRequest> {
    let page_token = after
        .map(|PaymentPlace { created_at, id }| {
            let index = i64::try_from(created_at)?;
            anyhow::Ok(PageToken { token: hex::encode(id.0), index })
        })
        .transpose()?;
    Ok(ListPaymentsRequest {
        page_token,
        page_size: Some(PAGE_SIZE),
        status: filter.status.map(Into::into),
        direction: filter.direction.map(Into::into),
        method: filter.method.into(),
        created_from: filter.created_from,
        created_before: filter.created_before,
        payment_hash: filter.payment_hash.map(|hash| hex::encode(hash.0)).unwrap_or_default(),
    })
}

/// The median and the 99th percentile of so many reads, after one that does not count.
async fn latencies<F: Future<Output = Result<()>>>(
    read: impl Fn() -> F,
) -> Result<(Duration, Duration)> {
    read().await?;
    let mut latencies = Vec::with_capacity(READS);
    for _ in 0..READS {
        let started = Instant::now();
        read().await?;
        latencies.push(started.elapsed());
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get((READS - 1) * percent / 100).copied();
    at(50).zip(at(99)).context("nothing was read")
}
