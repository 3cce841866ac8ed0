//! When to try again.

/// How long tries go on and how far apart they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Wait after the first failure, milliseconds.
    pub first_ms: i64,
    /// Longest wait, milliseconds.
    pub longest_ms: i64,
    /// Tries after which a row is dead.
    pub tries: i64,
}

impl Default for Backoff {
    /// 5 s, 10 s, 20 s … 10 h: 24 tries within about five days.
    fn default() -> Self {
        Self { first_ms: 5_000, longest_ms: 36_000_000, tries: 24 }
    }
}

impl Backoff {
    /// The wait after this many failures in a row (at least one), with jitter: `random` in 0..=255 takes up to a quarter off,
    /// so that what failed together does not come back together.
    #[must_use]
    pub fn wait_ms(&self, failures: i64, random: u8) -> i64 {
        let doublings = u32::try_from(failures.saturating_sub(1).clamp(0, 40)).unwrap_or(0);
        let full = self.first_ms.saturating_mul(1_i64 << doublings).min(self.longest_ms);
        full - full / 4 * i64::from(random) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_jitter_only_shortens() {
        let backoff = Backoff::default();
        assert_eq!([1, 2, 3].map(|it| backoff.wait_ms(it, 0)), [5_000, 10_000, 20_000]);
        assert_eq!(backoff.wait_ms(100, 0), 36_000_000);
        assert_eq!(backoff.wait_ms(1, 255), 3_750);
        let days = (1..backoff.tries).map(|it| backoff.wait_ms(it, 0)).sum::<i64>() / 86_400_000;
        assert!((3..7).contains(&days), "{days} days");
    }
}
