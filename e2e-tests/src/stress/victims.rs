//! Who is killed, and who pays until then.

use rand::Rng as _;
use rand::rngs::StdRng;

/// One kill in so many of a pair is of both.
const BOTH_EVERY: u32 = 3;
/// One kill in so many is followed by another while the nodes come back.
const AGAIN_EVERY: u32 = 6;
/// One kill in so many is of nodes between which nothing is paid.
const IDLE_EVERY: u32 = 12;
/// One in so many of the others is of nodes of which only one pays.
const ONE_WAY_EVERY: u32 = 4;

/// Which of so many nodes in a row are killed at once. Between two others it is mostly the one in
/// the middle.
pub(super) fn victims(nodes: usize, rng: &mut StdRng) -> Vec<usize> {
    if nodes == 2 {
        return match rng.random_range(0..BOTH_EVERY) {
            0 => vec![0, 1],
            _ => vec![rng.random_range(0..2)],
        };
    }
    match rng.random_range(0..12) {
        0..6 => vec![1],
        6 => vec![0],
        7 => vec![2],
        8 => vec![0, 1],
        9 => vec![1, 2],
        10 => vec![0, 2],
        _ => vec![0, 1, 2],
    }
}

/// Whether one is killed once more while they come back.
pub(super) fn is_repeated(rng: &mut StdRng) -> bool {
    rng.random_range(0..AGAIN_EVERY) == 0
}

/// Who pays whom: both each other, one the other, or nobody. Of the two `richer` has more to spend.
pub(super) fn directions(ends: [usize; 2], richer: usize, rng: &mut StdRng) -> Vec<[usize; 2]> {
    let [one, other] = ends;
    if rng.random_range(0..IDLE_EVERY) == 0 {
        return Vec::new();
    }
    if rng.random_range(0..ONE_WAY_EVERY) == 0 {
        return vec![if richer == one { [one, other] } else { [other, one] }];
    }
    vec![[one, other], [other, one]]
}
