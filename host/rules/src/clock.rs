//! Time, passed in wherever it is needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::Timestamp;

/// Where the time comes from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's own clock.
    #[default]
    System,
    /// The machine's own, as it was taken over last: it goes on evenly, whatever becomes of that one, until somebody has it follow.
    Steady(Arc<Steady>),
    /// A clock that stands still until somebody moves it. Milliseconds since 1970 UTC.
    Manual(Arc<AtomicI64>),
}

/// A time that was taken over from the machine's clock, and the time that has passed since.
#[derive(Debug)]
pub struct Steady {
    begun: Instant,
    /// What the machine's clock showed, or would have shown, when it began. Milliseconds since 1970 UTC.
    at_begun: AtomicI64,
}

impl Clock {
    /// The machine's clock as it is now, which goes on evenly from here.
    #[must_use]
    pub fn steady() -> Self {
        Self::Steady(Arc::new(Steady { begun: Instant::now(), at_begun: AtomicI64::new(Self::System.now_ms()) }))
    }

    /// A clock that stands at `time`.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(time.as_millisecond())))
    }

    /// Milliseconds since 1970 UTC.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => Timestamp::now().as_millisecond(),
            Self::Steady(it) => {
                let passed = i64::try_from(it.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
                it.at_begun.load(Ordering::Relaxed).saturating_add(passed)
            }
            Self::Manual(ms) => ms.load(Ordering::Relaxed),
        }
    }

    /// By how many milliseconds the machine's clock is ahead of this one; less than zero: behind. Only a steady clock parts from it.
    #[must_use]
    pub fn slip_ms(&self) -> i64 {
        match self {
            Self::Steady(_) => Self::System.now_ms().saturating_sub(self.now_ms()),
            Self::System | Self::Manual(_) => 0,
        }
    }

    /// Puts a steady clock forward by so many milliseconds; less than zero: back.
    pub fn put_forward(&self, by_ms: i64) {
        if let Self::Steady(it) = self {
            it.at_begun.fetch_add(by_ms, Ordering::Relaxed);
        }
    }

    /// The same as a timestamp, to the millisecond.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        timestamp(self.now_ms())
    }
}

/// A stored time: milliseconds since 1970 UTC. Values beyond the calendar become its last day.
#[must_use]
pub fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_clock_goes_on_where_it_was_put_and_tells_by_how_much_the_machines_is_off() {
        let clock = Clock::steady();
        assert!(clock.slip_ms().abs() < 60_000);
        let before = clock.now_ms();
        clock.put_forward(-86_400_000);
        assert!(clock.now_ms() < before && clock.slip_ms() > 86_000_000, "{}", clock.slip_ms());
        let behind = clock.now_ms();
        assert!((behind..behind + 60_000).contains(&clock.now_ms()), "it goes on from there");
        clock.put_forward(clock.slip_ms());
        assert!(clock.slip_ms().abs() < 60_000);
    }
}
