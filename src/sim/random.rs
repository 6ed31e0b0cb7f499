//! A small generator of numbers that are the same for the same seed, everywhere.

use std::time::Duration;

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end`, without `end`; 0 when there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or(0)
    }

    /// An index into so many items; 0 when there are none.
    pub fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.below(u64::try_from(count).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// A number between two, both included; `least` when `most` is less.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        match most.checked_sub(least) {
            // All numbers there are.
            Some(u64::MAX) => self.number(),
            Some(range) => least + self.below(range + 1),
            None => least,
        }
    }

    /// A whole number of milliseconds between two times, both included.
    pub fn duration(&mut self, least: Duration, most: Duration) -> Duration {
        let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.between(millis(least), millis(most)))
    }

    /// Whether something of this share happens: per mille, so 1000 is always and 0 never.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// An item of a list.
    pub fn item<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.index(of.len()))
    }

    /// A generator of its own, which later draws from this one do not change: a part of a run keeps its numbers when another part
    /// draws more or less.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }

    /// A UUID.
    pub fn uuid(&mut self) -> String {
        let bytes = (u128::from(self.number()) << 64) | u128::from(self.number());
        uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 10_000;

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        for (least, most) in [(0, 0), (3, 5), (7, 2), (0, u64::MAX)] {
            let mut random = Random::new(1);
            let drawn: Vec<u64> = (0..DRAWS).map(|_| random.between(least, most)).collect();
            assert!(drawn.iter().all(|it| (least..=most.max(least)).contains(it)), "{least} to {most}");
            assert!(most == u64::MAX || drawn.contains(&least) && drawn.contains(&most.max(least)), "{least} to {most}");
        }
        let (least, most) = (Duration::from_millis(2), Duration::from_millis(4));
        assert!((least..=most).contains(&Random::new(1).duration(least, most)));
        assert_eq!(Random::new(1).item::<u8>(&[]), None);
    }

    #[test]
    fn a_chance_is_per_mille() {
        for (per_mille, least, most) in [(0, 0, 0), (250, 2_300, 2_700), (1000, DRAWS, DRAWS)] {
            let mut random = Random::new(2);
            let count = (0..DRAWS).filter(|_| random.chance(per_mille)).count();
            assert!((least as usize..=most as usize).contains(&count), "{per_mille}: {count}");
        }
    }
}
