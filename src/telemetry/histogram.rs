//! Counts of times in buckets, kept as plain numbers by the one thread that measures.

use std::time::Duration;

/// A histogram of times. Buckets are cumulative only when they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// The upper bounds of the buckets, ascending; one more bucket takes what is above.
    bounds: &'static [Duration],
    counts: Vec<u64>,
    sum: Duration,
}

impl Histogram {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(bounds: &'static [Duration]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: Duration::ZERO }
    }

    /// Counts a time.
    pub fn observe(&mut self, time: Duration) {
        let bucket = self.bounds.partition_point(|bound| *bound < time);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(time);
    }

    /// Adds what another one counted; both have the same bounds.
    pub fn add(&mut self, other: &Self) {
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += other;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// (upper bound, how many were at most that), ascending; the last bucket is [`Histogram::count`].
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.bounds.iter().zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((*bound, *sum))
        })
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All times together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[Duration] = &[Duration::from_millis(1), Duration::from_millis(10)];

    #[test]
    fn a_time_counts_in_all_buckets_that_are_not_below_it() {
        let mut histogram = Histogram::new(BOUNDS);
        for millis in [1, 2, 10, 11] {
            histogram.observe(Duration::from_millis(millis));
        }
        let buckets: Vec<_> = histogram.cumulative().collect();
        assert_eq!(buckets, [(Duration::from_millis(1), 1), (Duration::from_millis(10), 3)]);
        assert_eq!((histogram.count(), histogram.sum()), (4, Duration::from_millis(24)));
    }
}
