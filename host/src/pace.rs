//! Keeps to the vendors' rate limits: each request out takes its turn first.
//!
//! ```text
//! connector ─ http.send ─ Pace (the limits of one connection) ─ Keeper (what was used of them) ─ memory, or the database
//! ```
//! A day's quota is kept in the database, since it must survive a restart; a bucket only on PostgreSQL, where other hubs may fill it too.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patchbay_schemas::manifest::{RateLimit, RateScope};

use crate::rules::rate::{self, Bucket};
use crate::store::{Store, StoreError};

/// What was used of all limits that this process knows.
pub struct Keeper {
    store: Store,
    used: Mutex<HashMap<String, Used>>,
}

/// What was used of one limit.
#[derive(Debug, Clone, Copy)]
enum Used {
    /// A bucket: when it will have run empty.
    Bucket { empty_at: i64 },
    /// A day, and what is left of the portion that was taken from the database.
    Day { day: i64, left: i64 },
}

/// The limits of one connection.
#[derive(Default)]
pub struct Pace {
    keeper: Option<Arc<Keeper>>,
    /// By endpoint: name of the limit, and the limit.
    limits: BTreeMap<String, Vec<(String, RateLimit)>>,
}

/// No turn comes up in time.
#[derive(Debug, thiserror::Error)]
pub enum PaceError {
    /// The vendor's limit is used up for longer than the call may wait.
    #[error("the vendor's rate limit of {limit} is used up for {wait_ms} ms")]
    UsedUp {
        /// The limit.
        limit: String,
        /// Until the next turn, milliseconds.
        wait_ms: u64,
    },
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keeper {
    /// Nothing was used yet, as far as this process knows.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, used: Mutex::default() }
    }

    /// Takes a turn; how long it is until it comes up.
    async fn take(&self, name: &str, limit: &RateLimit, patience: Duration) -> Result<Duration, PaceError> {
        let now_ms = self.store.clock.now_ms();
        let used_up = |wait_ms: i64| PaceError::UsedUp { limit: rate::label(limit), wait_ms: wait_ms.unsigned_abs() };
        match *limit {
            RateLimit::Bucket { requests, per_seconds, burst, .. } => {
                let bucket = Bucket::new(requests, per_seconds, burst);
                let patience_us = i64::try_from(patience.as_micros()).unwrap_or(i64::MAX);
                let taken = if self.store.is_shared() {
                    self.store.take_from_bucket(name, |empty_at| bucket.take(empty_at, now_ms * 1_000, patience_us)).await?
                } else {
                    let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
                    let empty_at = if let Some(Used::Bucket { empty_at }) = used.get(name) { *empty_at } else { 0 };
                    bucket.take(empty_at, now_ms * 1_000, patience_us).map(|(empty_at, wait)| {
                        used.insert(name.to_owned(), Used::Bucket { empty_at });
                        wait
                    })
                };
                taken.map(|it| Duration::from_micros(it.unsigned_abs())).map_err(|it| used_up(it / 1_000 + 1))
            }
            RateLimit::Day { requests, utc_offset_minutes, .. } => {
                let (today, rest_ms) = rate::day(now_ms, utc_offset_minutes);
                if self.take_here(name, today) {
                    return Ok(Duration::ZERO);
                }
                let portion = self.store.take_from_day(name, today, rate::portion(requests), i64::from(requests)).await?;
                if portion == 0 {
                    return Err(used_up(rest_ms));
                }
                let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
                let left = match used.get(name) {
                    // Somebody took a portion at the same moment.
                    Some(Used::Day { day, left }) if *day == today => *left,
                    _ => 0,
                };
                used.insert(name.to_owned(), Used::Day { day: today, left: left + portion - 1 });
                Ok(Duration::ZERO)
            }
        }
    }

    fn take_here(&self, name: &str, today: i64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get_mut(name) {
            Some(Used::Day { day, left }) if *day == today && *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

impl Pace {
    /// The limits of a connection, whose endpoints lead to these hosts.
    #[must_use]
    pub fn new(keeper: &Arc<Keeper>, connection: &str, limits: &[RateLimit], hosts: &BTreeMap<String, String>) -> Self {
        let named = |host: &String| {
            let name = |it: &RateLimit| match it {
                RateLimit::Bucket { scope: RateScope::Host, .. } | RateLimit::Day { scope: RateScope::Host, .. } => {
                    format!("{host} {}", rate::label(it))
                }
                _ => format!("{connection} {}", rate::label(it)),
            };
            limits.iter().map(|it| (name(it), it.clone())).collect::<Vec<_>>()
        };
        let limits = hosts.iter().map(|(endpoint, host)| (endpoint.clone(), named(host))).collect();
        Self { keeper: Some(Arc::clone(keeper)), limits }
    }

    /// Waits for this request's turn, for at most `patience`.
    pub async fn turn(&self, endpoint: &str, patience: Duration) -> Result<(), PaceError> {
        let (Some(keeper), Some(limits)) = (&self.keeper, self.limits.get(endpoint)) else { return Ok(()) };
        let mut wait = Duration::ZERO;
        for (name, limit) in limits {
            wait = wait.max(keeper.take(name, limit, patience).await?);
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}
