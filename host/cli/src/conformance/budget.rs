//! `budget.toml`: the most that a connector's cases may use. One that grows past it fails the test.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use patchbay_host::plugin::Usage;

/// What a connector and each of its cases may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Bytes of the `.wasm`.
    pub size: Option<u64>,
    /// By case.
    pub cases: BTreeMap<String, Usage>,
}

/// Something that grew past its budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// What grew: `size`, or a case and its fuel, memory or host calls.
    pub what: String,
    /// What it may be.
    pub allowed: u64,
    /// What it is.
    pub found: u64,
}

impl Budget {
    /// Reads `budget.toml`.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The budget of what was measured, with a tenth to spare of what every small change moves: fuel and size.
    #[must_use]
    pub fn of(size: u64, cases: impl IntoIterator<Item = (String, Usage)>) -> Self {
        let spare = |it: u64| it + it / 10;
        let cases = cases.into_iter().map(|(name, it)| (name, Usage { fuel: spare(it.fuel), ..it })).collect();
        Self { size: Some(spare(size)), cases }
    }

    /// What grew past it. A case that it does not name may use anything.
    #[must_use]
    pub fn growth(&self, size: u64, cases: &BTreeMap<String, Usage>) -> Vec<Growth> {
        let mut grown = Vec::new();
        let mut look = |what: String, allowed: u64, found: u64| {
            if found > allowed {
                grown.push(Growth { what, allowed, found });
            }
        };
        if let Some(allowed) = self.size {
            look("size".to_owned(), allowed, size);
        }
        for (name, allowed) in &self.cases {
            let Some(found) = cases.get(name) else { continue };
            look(format!("{name}: fuel"), allowed.fuel, found.fuel);
            look(format!("{name}: memory"), allowed.memory, found.memory);
            look(format!("{name}: host calls"), allowed.host_calls.into(), found.host_calls.into());
        }
        grown
    }

    /// As it stands in the file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = "# The most that each case may use (fuel, bytes of memory, host calls), and the .wasm (bytes).\n\
                        # `patchbay connector test` fails where one grows past it; with --update it writes this file anew.\n"
            .to_owned();
        if let Some(size) = self.size {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "size = {size}");
        }
        text += "\n[cases]\n";
        for (name, Usage { fuel, memory, host_calls }) in &self.cases {
            let name = toml::Value::from(name.as_str());
            let _ = writeln!(text, "{name} = {{ fuel = {fuel}, memory = {memory}, host_calls = {host_calls} }}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USED: Usage = Usage { fuel: 1_000, memory: 65_536, host_calls: 2 };

    fn cases(usage: Usage) -> BTreeMap<String, Usage> {
        BTreeMap::from([("a b".to_owned(), usage)])
    }

    #[test]
    fn a_budget_is_read_as_it_was_written() {
        let budget = Budget::of(100, cases(USED));
        assert_eq!(Budget::parse(&budget.text()).unwrap(), budget);
        assert!(Budget::parse("colour = 1").is_err());
        assert_eq!(Budget::parse("").unwrap(), Budget::default());
    }

    #[test]
    fn what_stays_within_it_passes_and_what_grows_is_named() {
        let budget = Budget::of(100, cases(USED));
        assert_eq!(budget.growth(110, &cases(Usage { fuel: 1_100, ..USED })), []);
        let grown = budget.growth(111, &cases(Usage { fuel: 1_101, memory: 131_072, host_calls: 3 }));
        let what: Vec<&str> = grown.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(what, ["size", "a b: fuel", "a b: memory", "a b: host calls"]);
        assert_eq!(budget.growth(1, &BTreeMap::from([("new".to_owned(), USED)])), []);
    }
}
