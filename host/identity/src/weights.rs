//! How much each agreement and disagreement says, as `data/weights.toml` ships it.

use serde::{Deserialize, Serialize};

use crate::compare::{FIELDS, Field, LEVELS, Level};

/// A weights file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Where the numbers come from.
    pub source: String,
    /// Two records are one person from these odds on, in bits (7 = 128 to 1).
    pub merge: f32,
    /// A person is asked from these odds on, in bits.
    pub ask: f32,
    /// Two groups of records are joined when their pairs have these odds on average, in bits.
    pub together: f32,
    /// How large the population is taken to be that a small workspace is a sample of.
    pub population: f32,
    /// What an unseen value is counted as.
    pub unseen: f32,
    /// How far fields that hang together (city, state, postcode) count when another of them has spoken.
    pub hanging: f32,
    /// One line for each field and level.
    pub weight: Vec<Weight>,
}

/// What one level of one field says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// The field.
    pub field: Field,
    /// How well it agrees.
    pub level: Level,
    /// How often records of one person are at this level.
    #[serde(default = "one")]
    pub m: f32,
    /// How often records of two people are, or the least of it where the value's frequency counts.
    #[serde(default = "one")]
    pub u: f32,
    /// How many times the value's own frequency two people are at this level; absent: the value does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<f32>,
    /// The odds in bits that two records are one person when nothing but this is known of them; takes the place of `m` and `u`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub odds: Option<f32>,
}

fn one() -> f32 {
    1.0
}

/// Why a weights file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// It is no TOML, or has unknown or missing fields.
    #[error("the weights cannot be read")]
    Syntax(#[from] toml::de::Error),
    /// A probability is not between 0 and 1.
    #[error("the weight of {field:?} {level:?} has m = {m}, u = {u}: both must be above 0 and at most 1")]
    Probability {
        /// Field.
        field: Field,
        /// Level.
        level: Level,
        /// m.
        m: f32,
        /// u.
        u: f32,
    },
}

/// Weights ready for use.
#[derive(Debug, Clone)]
pub struct Table {
    cells: [[Option<Cell>; LEVELS]; FIELDS],
    /// See [`Weights::merge`], in thousandths of a bit.
    pub merge: i32,
    /// See [`Weights::ask`], in thousandths of a bit.
    pub ask: i32,
    /// See [`Weights::together`], in thousandths of a bit.
    pub together: i32,
    /// See [`Weights::population`].
    pub population: f32,
    /// See [`Weights::unseen`].
    pub unseen: f32,
    /// See [`Weights::hanging`].
    pub hanging: f32,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    m: f32,
    u: f32,
    times: Option<f32>,
    odds: Option<f32>,
}

/// Thousandths of a bit.
#[expect(clippy::cast_possible_truncation, reason = "weights are a few dozen bits")]
pub(crate) fn milli(bits: f32) -> i32 {
    (bits * 1000.0).round() as i32
}

impl Weights {
    /// Reads a weights file.
    pub fn parse(text: &str) -> Result<Self, WeightsError> {
        let weights: Self = toml::from_str(text)?;
        for it in &weights.weight {
            let sound = |value: f32| value > 0.0 && value <= 1.0;
            if !sound(it.m) || !sound(it.u) {
                return Err(WeightsError::Probability { field: it.field, level: it.level, m: it.m, u: it.u });
            }
        }
        Ok(weights)
    }

    /// What is shipped.
    #[must_use]
    pub fn shipped() -> Self {
        Self::parse(include_str!("../data/weights.toml")).expect("the shipped weights are sound: a test reads them")
    }

    /// Ready for use.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut cells = [[None; LEVELS]; FIELDS];
        for it in &self.weight {
            cells[it.field as usize][it.level as usize] = Some(Cell { m: it.m, u: it.u, times: it.times, odds: it.odds });
        }
        Table {
            cells,
            merge: milli(self.merge),
            ask: milli(self.ask),
            together: milli(self.together),
            population: self.population,
            unseen: self.unseen,
            hanging: self.hanging,
        }
    }
}

impl Table {
    /// What a level says, in thousandths of a bit, of a value that this part of all records holds, among so many people.
    #[must_use]
    pub fn bits(&self, field: Field, level: Level, frequency: f32, population: f32) -> i32 {
        let Some(cell) = self.cells[field as usize][level as usize] else { return 0 };
        if let Some(odds) = cell.odds {
            return milli(population.log2() + odds);
        }
        let u = cell.times.map_or(cell.u, |times| (times * frequency).max(cell.u).min(1.0));
        milli((cell.m / u).log2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_weights_are_sound_and_name_their_source() {
        let weights = Weights::shipped();
        assert!(!weights.source.is_empty());
        assert!(weights.ask < weights.merge);
        let mut seen = std::collections::HashSet::new();
        for it in &weights.weight {
            assert!(seen.insert((it.field, it.level)), "{:?} {:?} stands there twice", it.field, it.level);
        }
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        let text = toml::to_string(&Weights {
            weight: vec![Weight { field: Field::Given, level: Level::Same, m: 1.5, u: 0.1, times: None, odds: None }],
            ..Weights::shipped()
        });
        assert!(matches!(Weights::parse(&text.unwrap()), Err(WeightsError::Probability { field: Field::Given, .. })));
        assert!(matches!(Weights::parse("merge = 1"), Err(WeightsError::Syntax(_))));
    }

    #[test]
    fn a_rare_value_says_more() {
        let table = Weights::shipped().table();
        assert!(table.bits(Field::Surname, Level::Same, 0.0001, 1000.0) > table.bits(Field::Surname, Level::Same, 0.01, 1000.0));
    }
}
