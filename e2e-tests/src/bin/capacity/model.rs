//! Nodes that pay: each has a queue of calls that it works off at its rate, and channels with slots for
//! HTLCs. Payments arrive at random, and go to the node with the fewest HTLCs under way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::f64::consts::TAU;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// The 99th percentile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326;

/// The nodes, all alike.
pub(crate) struct Fleet {
    pub(crate) nodes: usize,
    /// Those of each node.
    pub(crate) channels: usize,
    /// Those of each channel.
    pub(crate) slots: usize,
    pub(crate) node_payments_per_sec: f64,
}

/// What is paid.
pub(crate) struct Load {
    pub(crate) payments_per_sec: f64,
    /// How long HTLCs are under way, which is distributed log-normally.
    pub(crate) hold_p50_secs: f64,
    pub(crate) hold_p99_secs: f64,
    /// Those that get stuck, and how long.
    pub(crate) stuck_ppm: u32,
    pub(crate) stuck_secs: f64,
    pub(crate) counted_secs: f64,
}

/// What came of it, in the time that counts.
#[derive(Default)]
pub(crate) struct Simulated {
    payments: u64,
    refused: u64,
    under_way_sum: f64,
    nodes: f64,
    /// The most HTLCs that a node had at once.
    pub(crate) most_under_way: usize,
    waits_secs: Vec<f64>,
}

impl Simulated {
    /// Payments that found no free slot.
    pub(crate) fn refused_ppm(&self) -> f64 {
        1e6 * as_f64(self.refused) / as_f64(self.payments.max(1))
    }

    /// The HTLCs of a node when a payment arrives.
    pub(crate) fn mean_under_way(&self) -> f64 {
        self.under_way_sum / as_f64(self.payments.max(1)) / self.nodes
    }

    /// How long a payment waits for its turn at the node.
    pub(crate) fn wait_p99_secs(&self) -> f64 {
        let mut waits = self.waits_secs.clone();
        waits.sort_by(f64::total_cmp);
        waits.get(waits.len() * 99 / 100).copied().unwrap_or_default()
    }
}

/// A moment, in nanoseconds, so that moments have an order.
type Moment = u64;

struct Node {
    under_way: usize,
    is_free_at_secs: f64,
}

/// Simulates as long as it takes until what is stuck has come to its usual number, and then counts.
pub(crate) fn simulate(fleet: &Fleet, load: &Load, seed: u64) -> Simulated {
    let mut random = StdRng::seed_from_u64(seed);
    let mut simulated = Simulated { nodes: as_f64(fleet.nodes as u64), ..Simulated::default() };
    let mut nodes: Vec<_> =
        (0..fleet.nodes).map(|_| Node { under_way: 0, is_free_at_secs: 0.0 }).collect();
    let mut under_way = 0;
    let mut ends: BinaryHeap<Reverse<(Moment, usize)>> = BinaryHeap::new();
    // Those that were stuck before the beginning, which have some of their time left.
    let stuck_before = load.payments_per_sec * f64::from(load.stuck_ppm) / 1e6 * load.stuck_secs;
    for number in 0..ceil(stuck_before) {
        let node = number % nodes.len();
        nodes[node].under_way += 1;
        under_way += 1;
        ends.push(Reverse((moment(random.random::<f64>() * load.stuck_secs), node)));
    }
    let (mut now_secs, end_secs) = (0.0, 2.0 * load.counted_secs);
    loop {
        now_secs += -(1.0 - random.random::<f64>()).ln() / load.payments_per_sec;
        if now_secs > end_secs {
            return simulated;
        }
        while let Some(Reverse((end, node))) = ends.peek().copied()
            && end <= moment(now_secs)
        {
            ends.pop();
            nodes[node].under_way -= 1;
            under_way -= 1;
        }
        let Some(chosen) = (0..nodes.len()).min_by_key(|node| nodes[*node].under_way) else {
            return simulated;
        };
        let node = &mut nodes[chosen];
        let counts = now_secs > load.counted_secs;
        if counts {
            simulated.payments += 1;
            simulated.under_way_sum += as_f64(under_way);
            simulated.most_under_way = simulated.most_under_way.max(node.under_way);
        }
        if node.under_way >= fleet.channels * fleet.slots {
            simulated.refused += u64::from(counts);
            continue;
        }
        let begins_secs = node.is_free_at_secs.max(now_secs);
        node.is_free_at_secs = begins_secs + 1.0 / fleet.node_payments_per_sec;
        if counts {
            simulated.waits_secs.push(begins_secs - now_secs);
        }
        node.under_way += 1;
        under_way += 1;
        ends.push(Reverse((moment(begins_secs + hold_secs(load, &mut random)), chosen)));
    }
}

fn hold_secs(load: &Load, random: &mut StdRng) -> f64 {
    if random.random_ratio(load.stuck_ppm, 1_000_000) {
        return load.stuck_secs;
    }
    // Box-Muller.
    let (radius, angle) = (1.0 - random.random::<f64>(), random.random::<f64>());
    let normal = (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos();
    let sigma = (load.hold_p99_secs / load.hold_p50_secs).ln() / NORMAL_P99;
    load.hold_p50_secs * (sigma * normal).exp()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are positive")]
fn moment(secs: f64) -> Moment {
    (secs * 1e9) as Moment
}

#[expect(clippy::cast_precision_loss, reason = "counts of a simulation are small")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

/// The next whole number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is positive")]
pub(crate) fn ceil(number: f64) -> usize {
    number.ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(payments_per_sec: f64, counted_secs: f64) -> Load {
        Load {
            payments_per_sec,
            hold_p50_secs: 1.0,
            hold_p99_secs: 1.0,
            stuck_ppm: 0,
            stuck_secs: 0.0,
            counted_secs,
        }
    }

    fn fleet(nodes: usize, channels: usize, slots: usize) -> Fleet {
        Fleet { nodes, channels, slots, node_payments_per_sec: 1e6 }
    }

    /// The share that finds `slots` taken, by Erlang's formula, which any distribution of times obeys.
    fn erlang_b(slots: u32, offered: f64) -> f64 {
        (1..=slots)
            .fold(1.0, |blocked, slot| offered * blocked / (f64::from(slot) + offered * blocked))
    }

    #[test]
    fn refusals_are_those_of_erlangs_formula() {
        for (slots, offered) in [(10, 8.0), (50, 45.0)] {
            let simulated = simulate(&fleet(1, 1, slots), &load(offered, 20_000.0), 7);
            let (share, expected) =
                (simulated.refused_ppm() / 1e6, erlang_b(u32::try_from(slots).unwrap(), offered));
            assert!((share - expected).abs() < 0.1 * expected, "{share} instead of {expected}");
        }
    }

    #[test]
    fn nodes_share_what_is_paid() {
        let simulated = simulate(&fleet(4, 2, 50), &load(200.0, 500.0), 7);
        assert!((simulated.mean_under_way() - 50.0).abs() < 2.0, "{}", simulated.mean_under_way());
        assert!(simulated.refused_ppm() < 1.0);
        assert_eq!(simulated.wait_p99_secs(), 0.0);
    }

    #[test]
    fn who_comes_while_a_node_is_busy_waits() {
        let slow = Fleet { node_payments_per_sec: 10.0, ..fleet(1, 10, 50) };
        let simulated = simulate(&slow, &load(7.0, 2_000.0), 7);
        // The queue of fixed service times at 70 %: 0.117 s on average.
        assert!((0.3..1.0).contains(&simulated.wait_p99_secs()), "{}", simulated.wait_p99_secs());
    }

    #[test]
    fn what_is_stuck_is_there_from_the_beginning() {
        let stuck = Load { stuck_ppm: 10_000, stuck_secs: 10_000.0, ..load(10.0, 100.0) };
        let simulated = simulate(&fleet(1, 100, 50), &stuck, 7);
        let expected = 10.0 * 0.01 * 10_000.0 + 10.0;
        assert!((simulated.mean_under_way() - expected).abs() < 50.0);
    }
}
