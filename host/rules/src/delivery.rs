//! How a connection's commands are delivered: the hub's settings, and what holds for one connection instead.

use patchbay_schemas::command::NewRecord;
use patchbay_schemas::manifest::RateLimit;
use serde::{Deserialize, Serialize};

use super::breaker::BreakerRule;
use super::retry::Backoff;

/// Longest wait that may be set: a month, milliseconds.
const LONGEST_MS: i64 = 30 * 86_400_000;

/// How commands are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How a row is tried again.
    pub backoff: Backoff,
    /// When the vendor is taken for down.
    pub breaker: BreakerRule,
}

/// What holds for one connection instead of the hub's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySettings {
    /// Longest wait after the first failure of a command, milliseconds; it doubles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_wait_ms: Option<i64>,
    /// Longest wait of all, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_wait_ms: Option<i64>,
    /// Tries after which a command becomes a dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<i64>,
    /// Leads or conversations in a row that must find the vendor down before it is left alone; 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker_failures: Option<u32>,
    /// Longest wait between two probes of a vendor that is down, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker_longest_wait_ms: Option<i64>,
    /// When this sink makes a record for a lead that it has none of, instead of what the workspace wants: `unless_known`, `unless_open` or
    /// `always`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub new_record: Option<NewRecord>,
    /// The vendor's rate limits, as a manifest writes them, instead of the manifest's; an empty list: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub rate_limits: Option<Vec<RateLimit>>,
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} = {found}: {allowed}")]
pub struct SettingError {
    /// The setting.
    pub name: &'static str,
    /// What was found.
    pub found: i64,
    /// What is allowed.
    pub allowed: &'static str,
}

impl Delivery {
    /// The same with what one connection wants to be different.
    #[must_use]
    pub fn with(&self, own: &DeliverySettings) -> Self {
        let backoff = Backoff {
            first_ms: own.first_wait_ms.unwrap_or(self.backoff.first_ms),
            longest_ms: own.longest_wait_ms.unwrap_or(self.backoff.longest_ms),
            tries: own.tries.unwrap_or(self.backoff.tries),
        };
        let failures = own.breaker_failures.map_or(self.breaker.failures, |it| usize::try_from(it).unwrap_or(usize::MAX));
        let longest_ms = own.breaker_longest_wait_ms.unwrap_or(self.breaker.probes.longest_ms);
        Self { backoff, breaker: BreakerRule { failures, probes: Backoff { first_ms: backoff.first_ms, longest_ms, tries: i64::MAX } } }
    }
}

impl DeliverySettings {
    /// Every value is one that makes sense.
    pub fn check(&self) -> Result<(), SettingError> {
        let waits = [
            ("first_wait_ms", self.first_wait_ms),
            ("longest_wait_ms", self.longest_wait_ms),
            ("breaker_longest_wait_ms", self.breaker_longest_wait_ms),
        ];
        for (name, found) in waits.into_iter().filter_map(|(name, it)| Some((name, it?))) {
            if !(1..=LONGEST_MS).contains(&found) {
                return Err(SettingError { name, found, allowed: "1 to 2592000000 milliseconds (30 days)" });
            }
        }
        for limit in self.rate_limits.iter().flatten() {
            let (RateLimit::Bucket { requests, .. } | RateLimit::Day { requests, .. }) = limit;
            if *requests == 0 {
                return Err(SettingError { name: "rate_limits", found: 0, allowed: "at least 1 request" });
            }
        }
        match self.tries {
            Some(found) if !(1..=10_000).contains(&found) => Err(SettingError { name: "tries", found, allowed: "1 to 10000" }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_connection_does_not_say_is_the_hubs() {
        let probes = Backoff { first_ms: 5_000, longest_ms: 300_000, tries: i64::MAX };
        let hub = Delivery { backoff: Backoff::default(), breaker: BreakerRule { failures: 5, probes } };
        assert_eq!(hub.with(&DeliverySettings::default()), hub);
        let own: DeliverySettings = serde_json::from_str(r#"{"first_wait_ms": 1000, "breaker_failures": 0}"#).unwrap();
        let with = hub.with(&own);
        assert_eq!((with.backoff.first_ms, with.backoff.tries), (1_000, 18));
        assert_eq!((with.breaker.failures, with.breaker.probes.first_ms, with.breaker.probes.longest_ms), (0, 1_000, 300_000));
        assert_eq!(serde_json::to_string(&own).unwrap(), r#"{"first_wait_ms":1000,"breaker_failures":0}"#);
    }

    #[test]
    fn a_value_that_makes_no_sense_is_named() {
        for (json, name) in
            [(r#"{"tries": 0}"#, "tries"), (r#"{"first_wait_ms": 0}"#, "first_wait_ms"), (r#"{"longest_wait_ms": -1}"#, "longest")]
        {
            let settings: DeliverySettings = serde_json::from_str(json).unwrap();
            assert!(settings.check().unwrap_err().to_string().contains(name));
        }
        let error = serde_json::from_str::<DeliverySettings>(r#"{"trys": 3}"#).unwrap_err().to_string();
        assert!(error.contains("trys") && error.contains("tries"), "{error}");
    }
}
