//! Weights re-estimated from a workspace's own records, without labels: expectation–maximisation over pairs that blocking brings together.
//!
//! Only `m` is estimated (how often two records of one person are at a level). `u` comes from the frequencies of values, which the engine takes from the
//! workspace anyway. The effect is shown before anything changes: [`Effect`] counts the pairs that would be joined or parted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::compare::{Field, Level};
use crate::record::RecordId;
use crate::resolve::{Engine, Settings};
use crate::weights::Weights;

/// Most rounds.
const ROUNDS: usize = 20;
/// Rounds end when no `m` moves by more than this.
const STILL: f32 = 0.001;
/// So many pairs of one person are taken to be known beforehand, at the levels of the weights that one starts from: few records change little.
const BELIEF: f32 = 200.0;

/// What re-estimated weights would change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// The weights.
    pub weights: Weights,
    /// Pairs that were looked at.
    pub pairs: usize,
    /// Rounds that it took.
    pub rounds: usize,
    /// People now.
    pub people_before: usize,
    /// People under the new weights.
    pub people_after: usize,
    /// Records that would change their person.
    pub moved: usize,
}

/// One compared pair: what each field said without its `m`, and at which level it is.
struct Pair {
    prior: f32,
    fields: Vec<(Field, Level, f32)>,
}

/// Estimates `m` anew from what `engine` holds, starting from its weights, which are those in `settings`, and resolves everything under the result
/// to show the effect beside the weights `in_use`. The engine itself is left as it is.
#[must_use]
pub fn estimate(engine: &Engine, settings: &Settings, in_use: &Weights) -> Effect {
    let mut current: BTreeMap<(Field, Level), f32> =
        settings.weights.weight.iter().filter(|it| it.odds.is_none()).map(|it| ((it.field, it.level), it.m)).collect();
    let started = current.clone();
    let mut pairs = Vec::new();
    engine.each_candidate(|prior, reasons| {
        let fields = reasons
            .iter()
            .map(|it| (it.field, it.level, bits(it.milli) - started.get(&(it.field, it.level)).map_or(0.0, |m| m.log2())))
            .collect();
        pairs.push(Pair { prior: bits(prior), fields });
    });
    let mut rounds = 0;
    while rounds < ROUNDS {
        rounds += 1;
        let next = round(&pairs, &current, &started);
        let moved = next.iter().map(|(key, m)| (m - current[key]).abs()).fold(0.0, f32::max);
        current = next;
        if moved < STILL {
            break;
        }
    }
    let mut weights = settings.weights.clone();
    weights.source = format!("{}; m re-estimated from {} pairs of this workspace", weights.source, pairs.len());
    for it in &mut weights.weight {
        if let Some(m) = current.get(&(it.field, it.level)) {
            it.m = *m;
        }
    }
    let after = engine.under(&weights);
    let before: BTreeMap<RecordId, RecordId> =
        if *in_use == settings.weights { engine.people().collect() } else { engine.under(in_use).people().collect() };
    let then: BTreeMap<RecordId, RecordId> = after.people().collect();
    let count = |people: &BTreeMap<RecordId, RecordId>| people.iter().filter(|(id, person)| id == person).count();
    let moved = before.iter().filter(|(id, person)| then.get(id) != Some(person)).count();
    Effect { people_before: count(&before), people_after: count(&then), pairs: pairs.len(), rounds, moved, weights }
}

/// How likely each pair is one person under the current `m`; then how often pairs of one person are at each level.
fn round(
    pairs: &[Pair],
    current: &BTreeMap<(Field, Level), f32>,
    started: &BTreeMap<(Field, Level), f32>,
) -> BTreeMap<(Field, Level), f32> {
    let mut seen: BTreeMap<(Field, Level), f32> = started.iter().map(|(key, m)| (*key, m * BELIEF)).collect();
    let mut totals: BTreeMap<Field, f32> = BTreeMap::new();
    for (key, count) in &seen {
        *totals.entry(key.0).or_default() += count;
    }
    for pair in pairs {
        let odds: f32 = pair.prior
            + pair.fields.iter().map(|(field, level, rest)| rest + current.get(&(*field, *level)).map_or(0.0, |m| m.log2())).sum::<f32>();
        let likely = 1.0 / (1.0 + (-odds).exp2());
        for (field, level, _) in &pair.fields {
            if let Some(count) = seen.get_mut(&(*field, *level)) {
                *count += likely;
                *totals.entry(*field).or_default() += likely;
            }
        }
    }
    // A field's levels keep the sum that they had: fields that are rarely comparable are not blown up.
    let mut sums: BTreeMap<Field, f32> = BTreeMap::new();
    for ((field, _), m) in started {
        *sums.entry(*field).or_default() += m;
    }
    seen.into_iter().map(|(key, count)| (key, (count / totals[&key.0] * sums[&key.0]).clamp(0.0001, 1.0))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "thousandths of a few dozen bits")]
fn bits(milli: i32) -> f32 {
    milli as f32 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    /// A workspace whose people mistype every second day of birth.
    fn engine(settings: &Settings) -> Engine {
        let mut engine = Engine::new(settings);
        for at in 0..300_u128 {
            let letter = |by: u128| char::from(b'a' + u8::try_from(at / by % 26).unwrap());
            let surname = format!("{}or{}e{}", letter(1), letter(26), letter(3));
            let day = |month: u128| format!("19{:02}-{month:02}-{:02}", at * 7 % 80 + 10, at % 28 + 1);
            let record = |birth: String| Record {
                given_name: "Anna".into(),
                surname: surname.clone(),
                city: format!("City{}", at % 50),
                birth_date: birth,
                ..Record::default()
            };
            engine.load(RecordId(at * 2), &record(day(at % 8 + 1)));
            engine.load(RecordId(at * 2 + 1), &record(day(at % 8 + 1 + at % 2)));
        }
        engine.settle();
        engine
    }

    #[test]
    fn weights_follow_the_workspace_and_the_effect_is_shown_first() {
        let settings = Settings::shipped("");
        let engine = engine(&settings);
        let before: BTreeMap<RecordId, RecordId> = engine.people().collect();
        let effect = estimate(&engine, &settings, &settings.weights);
        let m = |weights: &Weights, level: Level| weights.weight.iter().find(|it| it.field == Field::Birth && it.level == level).unwrap().m;
        assert!(m(&effect.weights, Level::Close) > 2.0 * m(&settings.weights, Level::Close), "one slip in every second date");
        assert!(m(&effect.weights, Level::Same) < m(&settings.weights, Level::Same));
        assert!(effect.people_after <= effect.people_before, "{} then {}", effect.people_before, effect.people_after);
        assert_eq!(engine.people().collect::<BTreeMap<_, _>>(), before, "nothing changes before somebody says so");
        let again = estimate(&engine, &settings, &effect.weights);
        assert_eq!((again.moved, again.people_before, &again.weights), (0, effect.people_after, &effect.weights), "once taken over");
    }

    #[test]
    fn few_records_change_little() {
        let settings = Settings::shipped("");
        let mut engine = Engine::new(&settings);
        for at in 0..2 {
            engine.add(RecordId(at), &Record { full_name: "Anna Lee".into(), birth_date: "1980-01-01".into(), ..Record::default() });
        }
        let effect = estimate(&engine, &settings, &settings.weights);
        for (before, after) in settings.weights.weight.iter().zip(&effect.weights.weight) {
            assert!((before.m - after.m).abs() < 0.01, "{:?} {:?}", before.field, before.level);
        }
    }
}
