//! How many people hold each name, place and company: counted once, person by person, and kept as a short table.
//!
//! A rare value says much and a common one little. What is missing in the table is rare, so the table need only hold what is common.

use rustc_hash::FxHashMap;

use crate::compare::Statistics;
use crate::features::{Kind, read};
use crate::record::Record;
use crate::resolve::keys::Key;
use crate::symbols::{Domain, Symbols};

/// How many people hold each common value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    counts: FxHashMap<u64, u32>,
    /// Of what they were counted.
    pub taken: Statistics,
}

/// Most values that are kept: some two megabytes.
pub const MOST_TERMS: usize = 1 << 16;
/// Most values that are counted at a time: some 24 megabytes. Beyond, those that were met least are forgotten.
const MOST_COUNTED: usize = 1 << 20;
/// Fewer people than this are not worth a place in the table.
const FEWEST: u32 = 2;

/// Kinds whose frequency matters. What identifies is weighed by other means.
const COUNTED: [Kind; 10] = [
    Kind::Given,
    Kind::Surname,
    Kind::Patronymic,
    Kind::Birth,
    Kind::House,
    Kind::Street,
    Kind::City,
    Kind::Postcode,
    Kind::State,
    Kind::Company,
];

impl Terms {
    /// A table that was kept as numbers.
    #[must_use]
    pub fn kept(rows: impl Iterator<Item = (u64, u32)>, taken: Statistics) -> Self {
        Self { counts: rows.collect(), taken }
    }

    /// Its rows, in no order.
    pub fn rows(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.counts.iter().map(|(term, people)| (*term, *people))
    }

    /// How many people hold a value; 0 of what is rare.
    #[must_use]
    pub fn people(&self, domain: Domain, text: &[u8]) -> u32 {
        if self.counts.is_empty() { 0 } else { self.counts.get(&number(domain, text)).copied().unwrap_or(0) }
    }
}

fn number(domain: Domain, text: &[u8]) -> u64 {
    Key::of("term", &[&[domain as u8], text]).0
}

/// Counts people, one after the other.
#[derive(Debug)]
pub struct Census {
    region: String,
    counts: FxHashMap<u64, u32>,
    records: u64,
    people: u64,
    /// Pairs of records of one person, counted from both sides.
    pairs: u64,
}

impl Census {
    /// Nobody is counted yet. `region` is that of phones without a country code.
    #[must_use]
    pub fn new(region: &str) -> Self {
        Self { region: region.to_owned(), counts: FxHashMap::default(), records: 0, people: 0, pairs: 0 }
    }

    /// Counts a person: each value once, in however many of the records it stands.
    pub fn count(&mut self, person: &[Record]) {
        let mut symbols = Symbols::default();
        let mut seen: Vec<u64> = Vec::new();
        for record in person {
            for feature in read(record, &self.region, &mut symbols).iter().filter(|it| COUNTED.contains(&it.kind())) {
                let (domain, text) = symbols.counted_text(feature.symbol());
                seen.push(Key::of("term", &[&[domain], text]).0);
            }
        }
        seen.sort_unstable();
        seen.dedup();
        for term in seen {
            *self.counts.entry(term).or_default() += 1;
        }
        let records = person.len() as u64;
        self.records += records;
        self.people += 1;
        self.pairs += records * records.saturating_sub(1);
        let mut least = 2;
        while self.counts.len() > MOST_COUNTED {
            self.counts.retain(|_, it| *it >= least);
            least *= 2;
        }
    }

    /// The table of what is common.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "statistics are estimates")]
    pub fn finish(self) -> Terms {
        let mut rows: Vec<(u64, u32)> = self.counts.into_iter().filter(|it| it.1 >= FEWEST).collect();
        rows.sort_unstable_by_key(|(term, people)| (std::cmp::Reverse(*people), *term));
        rows.truncate(MOST_TERMS);
        let records = self.records as f32;
        let taken = Statistics { records, people: self.people as f32, doubles: self.pairs as f32 / records.max(1.0) };
        Terms { counts: rows.into_iter().collect(), taken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Record {
        Record { full_name: name.into(), ..Record::default() }
    }

    #[test]
    fn a_value_counts_once_for_each_person_in_any_script_and_order() {
        let mut census = Census::new("RU");
        census.count(&[person("Иван Петров"), person("Ivan Petrov")]);
        census.count(&[person("Иван Сидоров")]);
        let terms = census.finish();
        assert_eq!(terms.people(Domain::Sound, b"ivan"), 2);
        assert_eq!(terms.people(Domain::Sound, b"petrov"), 0, "one person's: rare");
        assert!((terms.taken.people - 2.0).abs() < f32::EPSILON && (terms.taken.doubles - 2.0 / 3.0).abs() < 0.001);
        assert_eq!(Terms::kept(terms.rows().collect::<Vec<_>>().into_iter(), terms.taken), terms);
    }
}
