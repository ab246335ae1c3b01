//! What a payment costs a node that has many channels: payments a second, bytes written and processor
//! time for each, memory, and how long a start and a stop take. Two nodes open one channel after the
//! other with each other, and pay each other in between. Needs Linux.
//!
//! `cargo bench --workspace --bench channels -- [--channels 1,10,100,400] [--payments N] [--store postgres]`
//!
//! `LDK_SERVER_EXE` and `LDK_SERVER_CLI_EXE` name another build to be measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use e2e_tests::{Network, Node, Postgres, Usage, resident_bytes, until};
use futures_util::future::try_join_all;
use ldk_server_grpc::api::open_channel_request::Amount;
use ldk_server_grpc::api::{OpenChannelRequest, SpontaneousSendRequest};
use ldk_server_grpc::types::PaymentOutcomeStatus;

const CHANNELS: [usize; 4] = [1, 10, 100, 400];
const PAYMENTS: usize = 100;
/// How many payments are under way at once.
const IN_FLIGHT: [usize; 2] = [1, 16];
const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 1_000_000;
/// For each channel a reserve stays in the wallet of each side, and the fee is of the opener.
const SATS_A_CHANNEL: u64 = CHANNEL_SATS + 100_000;
/// So many channels that are not confirmed LDK accepts of one peer.
const UNCONFIRMED: usize = 4;
/// What is answered then.
const NEEDS_BLOCK: &str = "another on-chain spend is under way";
const BLOCKS_TO_READY: u32 = 6;
const PATIENCE: Duration = Duration::from_secs(300);
const PAYMENT_SECS: u32 = 120;

struct Sizes {
    channels: Vec<usize>,
    payments: usize,
    in_postgres: bool,
}

/// Alice and bob.
struct Pair {
    network: Network,
    _postgres: Option<Postgres>,
    nodes: [Arc<Node>; 2],
}

#[tokio::main]
async fn main() -> Result<()> {
    let sizes = sizes()?;
    let most = sizes.channels.iter().copied().max().unwrap_or_default();
    let pair = Pair::start(most, sizes.in_postgres).await?;
    let (mut payments, mut starts) = (payments_table(), starts_table());
    for count in &sizes.channels {
        pair.open(*count).await?;
        for in_flight in IN_FLIGHT {
            pair.measure(*count, in_flight, sizes.payments, &mut payments).await?;
        }
        pair.start_again(*count, &mut starts).await?;
    }
    println!("{payments}\n\n{starts}");
    pair.network.stop().await
}

/// Cargo has flags of its own for a bench.
fn sizes() -> Result<Sizes> {
    let mut sizes = Sizes { channels: CHANNELS.to_vec(), payments: PAYMENTS, in_postgres: false };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let value = args.next().with_context(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--channels" => {
                sizes.channels = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
            },
            "--payments" => sizes.payments = value.parse()?,
            "--store" => {
                ensure!(["sqlite", "postgres"].contains(&&*value), "{value}: sqlite or postgres");
                sizes.in_postgres = value == "postgres";
            },
            _ => bail!("{arg}: accepted are --channels, --payments and --store"),
        }
    }
    ensure!(sizes.channels.is_sorted() && sizes.channels.first() > Some(&0), "from few to many");
    Ok(sizes)
}

impl Pair {
    /// Both, with the money for so many channels.
    async fn start(channels: usize, in_postgres: bool) -> Result<Self> {
        let network = Network::start().await?;
        let postgres = match in_postgres {
            true => Some(Postgres::start_durable_in(&std::env::temp_dir()).await?),
            false => None,
        };
        let node = async |alias| {
            let mut config = network.config(alias)?;
            // What is measured is not to be the writing of the log.
            config.log_level = "Info";
            config.sections += &postgres.as_ref().map_or_else(String::new, |it| it.section(alias));
            network.node_of(config).await
        };
        let nodes = [node("alice").await?, node("bob").await?];
        let sats = SATS_A_CHANNEL * u64::try_from(channels + 1)?;
        network.fund(&[&nodes[0], &nodes[1]], sats).await?;
        Ok(Self { network, _postgres: postgres, nodes })
    }

    /// Opens channels until there are so many, as many in a block as are accepted.
    async fn open(&self, count: usize) -> Result<()> {
        let [alice, bob] = &self.nodes;
        loop {
            let missing = count - alice.channels().await?.len();
            if missing == 0 {
                break;
            }
            let of_alice = missing.min(UNCONFIRMED);
            let of_bob = (missing - of_alice).min(UNCONFIRMED);
            let opened =
                tokio::try_join!(open_some(alice, bob, of_alice), open_some(bob, alice, of_bob))?;
            until("the funding transactions wait for a block", PATIENCE, async || {
                let waiting = self.network.bitcoind().mempool().await?.len();
                ensure!(waiting == opened.0 + opened.1, "{waiting} of {opened:?} wait");
                Ok(())
            })
            .await?;
            self.network.mine(1).await?;
        }
        self.network.mine(BLOCKS_TO_READY).await?;
        self.usable(count).await
    }

    async fn usable(&self, count: usize) -> Result<()> {
        for node in &self.nodes {
            until("all channels are usable", PATIENCE, async || {
                let channels = node.channels().await?;
                let usable = channels.iter().filter(|channel| channel.is_usable).count();
                ensure!(usable == count, "{usable} of {} are", channels.len());
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Alice pays bob, and then bob alice. Each figure is of both, who are payer and payee in turn.
    async fn measure(
        &self,
        channels: usize,
        in_flight: usize,
        payments: usize,
        table: &mut Table,
    ) -> Result<()> {
        let [alice, bob] = &self.nodes;
        let at_rest_msat = self.spendable_msat().await?;
        let mut rows = Vec::new();
        for (payer, payee) in [(alice, bob), (bob, alice)] {
            let before = [usage(payer).await?, usage(payee).await?];
            let began = Instant::now();
            pay_all(payer, payee, payments, in_flight).await?;
            let per_second = payments as f64 / began.elapsed().as_secs_f64();
            let cpu = [usage(payer).await?, usage(payee).await?];
            // What a payment costs is not all written when it has succeeded.
            until("nothing is on its way", PATIENCE, async || {
                let spendable_msat = self.spendable_msat().await?;
                ensure!(spendable_msat == at_rest_msat, "{spendable_msat} of {at_rest_msat} msat");
                Ok(())
            })
            .await?;
            let after = [usage(payer).await?, usage(payee).await?];
            let kib = |side: usize| {
                after[side].since(before[side]).write_bytes as f64 / 1024.0 / payments as f64
            };
            let cpu_ms = |side: usize| {
                cpu[side].since(before[side]).cpu.as_secs_f64() * 1_000.0 / payments as f64
            };
            rows.push([per_second, kib(0), kib(1), cpu_ms(0), cpu_ms(1)]);
        }
        let mut row = vec![channels.to_string(), in_flight.to_string()];
        row.extend((0..5).map(|figure| {
            let mean = rows.iter().map(|row| row[figure]).sum::<f64>() / rows.len() as f64;
            format!("{mean:.1}")
        }));
        println!("{row:?}");
        table.add_row(row);
        Ok(())
    }

    /// What both can send together.
    async fn spendable_msat(&self) -> Result<u64> {
        let mut msat = 0;
        for node in &self.nodes {
            let channels = node.channels().await?;
            msat += channels.iter().map(|channel| channel.outbound_capacity_msat).sum::<u64>();
        }
        Ok(msat)
    }

    /// Stops both and starts them again. The figures are of alice.
    async fn start_again(&self, channels: usize, table: &mut Table) -> Result<()> {
        let [alice, bob] = &self.nodes;
        let resident_mib = mib(resident_bytes(alice.pid().await?)?);
        let began = Instant::now();
        alice.stop().await?;
        let stopped = began.elapsed();
        bob.stop().await?;
        let manager_kib = manager_bytes(alice)? / 1024;
        let began = Instant::now();
        alice.start_again().await?;
        let started = began.elapsed();
        let new_mib = mib(resident_bytes(alice.pid().await?)?);
        bob.start_again().await?;
        alice.connect_to(bob).await?;
        self.usable(channels).await?;
        let row = [
            channels.to_string(),
            manager_kib.to_string(),
            resident_mib.to_string(),
            new_mib.to_string(),
            format!("{:.2}", started.as_secs_f64()),
            format!("{:.2}", stopped.as_secs_f64()),
        ];
        println!("{row:?}");
        table.add_row(row);
        Ok(())
    }
}

/// Opens so many, or as many as the wallet opens before it needs a block: it may not find its last
/// transaction before that. Returns how many.
async fn open_some(opener: &Node, accepter: &Node, count: usize) -> Result<usize> {
    for opened in 0..count {
        let request = OpenChannelRequest {
            node_pubkey: accepter.id().to_owned(),
            address: accepter.address(),
            amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
            push_to_counterparty_msat: Some(CHANNEL_SATS / 2 * 1_000),
            ..Default::default()
        };
        match opener.client().open_channel(request).await {
            Ok(_) => {},
            Err(error) if error.to_string().contains(NEEDS_BLOCK) => return Ok(opened),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(count)
}

async fn pay_all(payer: &Node, payee: &Node, payments: usize, in_flight: usize) -> Result<()> {
    let begun = AtomicUsize::new(0);
    let callers = (0..in_flight).map(|_| async {
        while begun.fetch_add(1, Ordering::Relaxed) < payments {
            pay(payer, payee).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(callers).await?;
    Ok(())
}

async fn pay(payer: &Node, payee: &Node) -> Result<()> {
    let request = SpontaneousSendRequest {
        amount_msat: AMOUNT_MSAT,
        node_id: payee.id().to_owned(),
        wait_timeout_secs: Some(PAYMENT_SECS),
        ..Default::default()
    };
    let outcome = payer.client().spontaneous_send(request).await?.outcome;
    let outcome = outcome.context("the server stops")?;
    ensure!(outcome.status() == PaymentOutcomeStatus::Succeeded, "{outcome:?}");
    Ok(())
}

async fn usage(node: &Node) -> Result<Usage> {
    Usage::of(node.pid().await?, None)
}

/// The length of the manager of a node that is stopped.
fn manager_bytes(node: &Node) -> Result<u64> {
    let file = node.config().storage_dir.join("regtest/ldk_node_data.sqlite");
    let sql =
        "SELECT length(value) FROM ldk_node_data WHERE primary_namespace = '' AND key = 'manager'";
    let bytes: i64 = rusqlite::Connection::open(file)?.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(bytes)?)
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

fn payments_table() -> Table {
    table(&[
        "channels",
        "in flight",
        "payments/s",
        "payer KiB",
        "payee KiB",
        "payer CPU ms",
        "payee CPU ms",
    ])
}

fn starts_table() -> Table {
    table(&["channels", "manager KiB", "RSS MiB", "RSS new MiB", "start s", "stop s"])
}

fn table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(heads);
    table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}
