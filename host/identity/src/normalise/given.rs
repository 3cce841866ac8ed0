//! Given names and their short forms, as `data/given_names.txt` lists them.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

/// Groups of forms of one given name.
#[derive(Debug)]
pub struct GivenNames {
    groups: FxHashMap<&'static str, Vec<u16>>,
}

impl GivenNames {
    /// The list that is shipped.
    #[must_use]
    pub fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<GivenNames> = OnceLock::new();
        SHIPPED.get_or_init(|| {
            let mut groups: FxHashMap<&'static str, Vec<u16>> = FxHashMap::default();
            let lines = include_str!("../../data/given_names.txt").lines().filter(|it| !it.is_empty() && !it.starts_with('#'));
            for (number, line) in (0_u16..).zip(lines) {
                for name in line.split(' ') {
                    let known = groups.entry(name).or_default();
                    if !known.contains(&number) {
                        known.push(number);
                    }
                }
            }
            Self { groups }
        })
    }

    /// The groups that a name in its normal form belongs to: Саша belongs to Александр and to Александра.
    #[must_use]
    pub fn groups(&self, normal: &str) -> &[u16] {
        self.groups.get(normal).map_or(&[], Vec::as_slice)
    }

    /// True of a given name that the list holds.
    #[must_use]
    pub fn knows(&self, normal: &str) -> bool {
        self.groups.contains_key(normal)
    }
}
