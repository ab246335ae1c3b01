//! Times, and how they are distributed.

use std::time::Duration;

/// Times in milliseconds, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Millis(Vec<f64>);

impl Millis {
    /// The time that so many of a hundred do not exceed; not a number if there are none.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        // Rounded up: the 99th of few times is the longest.
        self.0.get((last * percent).div_ceil(100)).copied().unwrap_or(f64::NAN)
    }
}

impl FromIterator<f64> for Millis {
    fn from_iter<T: IntoIterator<Item = f64>>(millis: T) -> Self {
        let mut millis: Vec<f64> = millis.into_iter().collect();
        millis.sort_unstable_by(f64::total_cmp);
        Self(millis)
    }
}

impl FromIterator<Duration> for Millis {
    fn from_iter<T: IntoIterator<Item = Duration>>(durations: T) -> Self {
        durations.into_iter().map(millis).collect()
    }
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let times: Millis = [30.0, 10.0, 20.0].into_iter().collect();
        assert_eq!([0, 50, 99, 100].map(|at| times.percentile(at)), [10.0, 20.0, 30.0, 30.0]);
        assert!(Millis::default().percentile(50).is_nan());
    }
}
