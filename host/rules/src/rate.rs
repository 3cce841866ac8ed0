//! When a vendor's rate limit lets the next request through.

use patchbay_schemas::manifest::RateLimit;

/// Most that a bucket may be overdrawn, microseconds. What is more comes from a clock that was moved back.
const LONGEST_QUEUE_US: i64 = 120_000_000;
const DAY_MS: i64 = 86_400_000;

/// A leaky bucket. Its whole state is one number: the time at which it will have run empty (the generic cell rate algorithm, ITU-T I.371).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// What one request adds to that time, microseconds.
    interval_us: i64,
    /// How far that time may lie ahead, microseconds.
    depth_us: i64,
}

impl Bucket {
    /// A bucket that runs out by `requests` in `per_seconds` and holds `burst`.
    #[must_use]
    pub fn new(requests: u32, per_seconds: u32, burst: u32) -> Self {
        let interval_us = (i64::from(per_seconds) * 1_000_000 / i64::from(requests.max(1))).max(1);
        Self { interval_us, depth_us: interval_us.saturating_mul(i64::from(burst.max(1))) }
    }

    /// The bucket with one request more, and how long that one has to wait, microseconds: it has its place in the queue. The error: it would
    /// have to wait so long, which is longer than `patience_us`, and has no place.
    pub fn take(self, empty_at: i64, now_us: i64, patience_us: i64) -> Result<(i64, i64), i64> {
        let most = now_us.saturating_add(self.depth_us).saturating_add(LONGEST_QUEUE_US);
        let filled = empty_at.clamp(now_us, most) + self.interval_us;
        let wait = (filled - now_us - self.depth_us).max(0);
        if wait > patience_us { Err(wait) } else { Ok((filled, wait)) }
    }
}

/// The vendor's day, as days since 1970, and how long it still lasts, milliseconds.
#[must_use]
pub fn day(now_ms: i64, utc_offset_minutes: i16) -> (i64, i64) {
    let there = now_ms + i64::from(utc_offset_minutes) * 60_000;
    (there.div_euclid(DAY_MS), DAY_MS - there.rem_euclid(DAY_MS))
}

/// How many requests of a day are taken from the database at once: what a crash may lose of the quota, a hundredth at most.
#[must_use]
pub fn portion(requests: u32) -> i64 {
    i64::from(requests / 100).clamp(1, 100)
}

/// A limit in a few characters. A limit that is changed is another one, and begins anew.
#[must_use]
pub fn label(limit: &RateLimit) -> String {
    match limit {
        RateLimit::Bucket { requests, per_seconds, burst, .. } => format!("{requests}/{per_seconds} s, {burst}"),
        RateLimit::Day { requests, utc_offset_minutes, .. } => format!("{requests}/day {utc_offset_minutes:+}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_vendors_pace() {
        let bucket = Bucket::new(2, 1, 50);
        let (mut empty_at, now) = (0, 1_000 * S);
        let mut waits = Vec::new();
        for _ in 0..54 {
            let (filled, wait) = bucket.take(empty_at, now, 60 * S).unwrap();
            empty_at = filled;
            waits.push(wait);
        }
        assert_eq!(waits[..50], [0; 50]);
        assert_eq!(waits[50..], [S / 2, S, 3 * S / 2, 2 * S]);
        assert_eq!(bucket.take(empty_at, now, 2 * S), Err(5 * S / 2), "who would wait too long has no place");
        assert_eq!(bucket.take(empty_at, now + 600 * S, 0).unwrap().1, 0, "in ten minutes it has run out");
    }

    #[test]
    fn never_more_than_the_vendor_allows_in_any_window() {
        let bucket = Bucket::new(7, 3, 5);
        let (mut empty_at, mut now, mut sent) = (0, 0, Vec::new());
        for step in 0..400_i64 {
            now += (step * 7_919) % 500_000;
            if let Ok((filled, wait)) = bucket.take(empty_at, now, 2 * S) {
                empty_at = filled;
                sent.push(now + wait);
            }
        }
        sent.sort_unstable();
        for (first, from) in sent.iter().enumerate() {
            for (count, to) in sent[first..].iter().enumerate() {
                let allowed = 5 + (to - from) * 7 / (3 * S) + 1;
                assert!(i64::try_from(count).unwrap() < allowed, "{} requests in {} µs", count + 1, to - from);
            }
        }
    }

    #[test]
    fn a_clock_that_was_moved_back_stops_nobody_for_long() {
        let wait = Bucket::new(1, 1, 1).take(90_000 * S, 0, i64::MAX).unwrap().1;
        assert!(wait <= LONGEST_QUEUE_US + S, "{wait}");
    }

    #[test]
    fn a_day_is_the_vendors() {
        assert_eq!(day(DAY_MS - 1, 0), (0, 1));
        assert_eq!(day(DAY_MS, 0), (1, DAY_MS));
        assert_eq!(day(DAY_MS - 1, 180), (1, DAY_MS - 180 * 60_000 + 1), "in Moscow it is tomorrow");
        assert_eq!(day(0, -60), (-1, 60 * 60_000));
        assert_eq!([1, 1_000, 1_000_000].map(portion), [1, 10, 100]);
    }
}
