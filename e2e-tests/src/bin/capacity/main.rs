//! `cargo run --release -p e2e-tests --bin capacity`: how many nodes and channels pay how many payments a
//! second, by simulation. docs/scaling.md says what of its parameters was measured.

mod model;

use clap::Parser;
use comfy_table::Table;

use self::model::{Fleet, Load, Simulated, simulate};

/// Simulates nodes behind one API that pay at a given rate, and shows how many of them are needed.
#[derive(Parser)]
#[command(name = "capacity")]
struct Args {
    /// Payments a second, a row each.
    #[arg(long, value_delimiter = ',', default_values_t = [1.0, 10.0, 100.0, 1_000.0, 10_000.0])]
    payments_per_sec: Vec<f64>,
    /// Payments a second that one node can make.
    #[arg(long, default_value_t = 100.0)]
    node_payments_per_sec: f64,
    /// The share of it that is planned with.
    #[arg(long, default_value_t = 0.7)]
    utilization: f64,
    /// The HTLCs that a channel holds in one direction; 50 with LDK Node 0.7.1.
    #[arg(long, default_value_t = 50)]
    slots: usize,
    /// How long half of the HTLCs are under way at most.
    #[arg(long, default_value_t = 2.0)]
    hold_p50_secs: f64,
    /// How long all but a hundredth of them are under way at most.
    #[arg(long, default_value_t = 30.0)]
    hold_p99_secs: f64,
    /// Of a million HTLCs, those that get stuck on their way.
    #[arg(long, default_value_t = 500)]
    stuck_ppm: u32,
    /// How long these are under way.
    #[arg(long, default_value_t = 3_600.0)]
    stuck_secs: f64,
    /// Of a million payments, how many may find no free slot.
    #[arg(long, default_value_t = 100)]
    max_refused_ppm: u32,
    /// The seconds that are counted, after as many that are not.
    #[arg(long, default_value_t = 600.0)]
    counted_secs: f64,
    /// The seed of the random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Args {
    fn load(&self, payments_per_sec: f64) -> Load {
        Load {
            payments_per_sec,
            hold_p50_secs: self.hold_p50_secs,
            hold_p99_secs: self.hold_p99_secs,
            stuck_ppm: self.stuck_ppm,
            stuck_secs: self.stuck_secs,
            // So that the rows with the most payments do not take hours.
            counted_secs: self.counted_secs.min(3_000_000.0 / payments_per_sec),
        }
    }

    /// The fewest channels a node that refuse no more than they may, and what came of it.
    fn fewest(&self, load: &Load, nodes: usize) -> (Fleet, Simulated) {
        let fleet = |channels| Fleet {
            nodes,
            channels,
            slots: self.slots,
            node_payments_per_sec: self.node_payments_per_sec,
        };
        let attempt = |channels| {
            let fleet = fleet(channels);
            (simulate(&fleet, load, self.seed), fleet)
        };
        let is_enough =
            |simulated: &Simulated| simulated.refused_ppm() <= f64::from(self.max_refused_ppm);
        let (mut too_few, mut channels) = (0, 1);
        let (mut simulated, mut enough) = attempt(channels);
        while !is_enough(&simulated) {
            too_few = channels;
            channels *= 2;
            (simulated, enough) = attempt(channels);
        }
        while channels - too_few > 1 {
            let middle = too_few + (channels - too_few) / 2;
            let (tried, fleet) = attempt(middle);
            if is_enough(&tried) {
                (channels, simulated, enough) = (middle, tried, fleet);
            } else {
                too_few = middle;
            }
        }
        (enough, simulated)
    }
}

fn main() {
    let args = Args::parse();
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header([
        "payments/s",
        "nodes",
        "channels a node",
        "HTLCs a node, mean",
        "most",
        "refused ppm",
        "wait p99 ms",
    ]);
    for payments_per_sec in &args.payments_per_sec {
        let planned = args.node_payments_per_sec * args.utilization;
        let nodes = model::ceil(payments_per_sec / planned).max(1);
        let (fleet, simulated) = args.fewest(&args.load(*payments_per_sec), nodes);
        table.add_row([
            payments_per_sec.to_string(),
            fleet.nodes.to_string(),
            fleet.channels.to_string(),
            format!("{:.0}", simulated.mean_under_way()),
            simulated.most_under_way.to_string(),
            format!("{:.0}", simulated.refused_ppm()),
            format!("{:.0}", simulated.wait_p99_secs() * 1_000.0),
        ]);
    }
    println!("{table}");
}
