//! When to try again, and for how long.

/// How long tries go on and how far apart they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Longest wait after the first failure, milliseconds.
    pub first_ms: i64,
    /// Longest wait of all, milliseconds.
    pub longest_ms: i64,
    /// Tries after which a row is dead.
    pub tries: i64,
}

impl Default for Backoff {
    /// Up to 5 s, 10 s, 20 s … 10 h: 18 tries, the last one some 27 hours after the first.
    fn default() -> Self {
        Self { first_ms: 5_000, longest_ms: 36_000_000, tries: 18 }
    }
}

impl Backoff {
    /// The longest wait after this many failures in a row (at least one), milliseconds: it doubles.
    #[must_use]
    pub fn full_ms(&self, failures: i64) -> i64 {
        let doublings = u32::try_from(failures.saturating_sub(1).clamp(0, 40)).unwrap_or(0);
        self.first_ms.saturating_mul(1_i64 << doublings).min(self.longest_ms)
    }

    /// The wait after this many failures in a row, with full jitter: `random` chooses any part of the longest one, so that what failed
    /// together comes back spread out (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
    #[must_use]
    pub fn wait_ms(&self, failures: i64, random: u32) -> i64 {
        let full = i128::from(self.full_ms(failures));
        i64::try_from(full * i128::from(random) / i128::from(u32::MAX)).unwrap_or(self.longest_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_jitter_takes_any_part_of_them() {
        let backoff = Backoff::default();
        assert_eq!([1, 2, 3].map(|it| backoff.full_ms(it)), [5_000, 10_000, 20_000]);
        assert_eq!([14, 100, i64::MAX].map(|it| backoff.full_ms(it)), [36_000_000; 3]);
        assert_eq!([0, u32::MAX / 2, u32::MAX].map(|it| backoff.wait_ms(1, it)), [0, 2_499, 5_000]);
        assert_eq!(backoff.wait_ms(100, u32::MAX), 36_000_000);
    }

    #[test]
    fn tries_go_on_for_more_than_a_day() {
        let backoff = Backoff::default();
        let longest: i64 = (1..backoff.tries).map(|it| backoff.full_ms(it)).sum();
        let hours = longest / 2 / 3_600_000;
        assert!((24..=30).contains(&hours), "{hours} hours on average");
    }
}
