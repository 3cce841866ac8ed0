//! A CRM with one record of the lead.

use std::collections::{BTreeMap, BTreeSet};

use patchbay_schemas::{RecordFields, Responsible, Stage, Timestamp};
use serde_json::Value;

use crate::deliver::simulation::dice::Dice;
use crate::rules::conflict::{self, Field};
use crate::rules::ingest::Origin;

/// Writes as connectors do: where the lead changed since the CRM was last written to, or where the hub settled on another value.
pub struct Crm {
    pub origin: Origin,
    pub record: RecordFields,
    /// What was written last, field by field, as far as an answer came.
    pub wrote: BTreeMap<Field, Value>,
    /// Titles that its people gave, no two alike, in order.
    pub said: Vec<String>,
    /// The places of these that the hub was told.
    pub told: BTreeSet<usize>,
    /// Who works there: nobody else can answer for a record.
    pub people: [&'static str; 2],
    /// How far its clock is ahead, milliseconds.
    pub skew_ms: i64,
    /// What a moment is there, milliseconds.
    pub tick_ms: i64,
    /// What it is telling, and the hub did not hear yet.
    pub on_the_way: Vec<(RecordFields, Timestamp)>,
    pub changed_at: Timestamp,
    /// A change is not told yet.
    pub news: bool,
    pub writes: usize,
    /// The last answer was lost.
    pub retried: bool,
}

impl Crm {
    pub fn new(origin: Origin, skew_ms: i64, tick_ms: i64) -> Self {
        let people = if origin.connector == "odoo" { ["Анна", "Борис"] } else { ["Борис", "Вера"] };
        Self {
            origin,
            record: RecordFields::default(),
            wrote: BTreeMap::new(),
            said: Vec::new(),
            told: BTreeSet::new(),
            people,
            skew_ms,
            tick_ms,
            on_the_way: Vec::new(),
            changed_at: Timestamp::UNIX_EPOCH,
            news: false,
            writes: 0,
            retried: false,
        }
    }

    /// Its people change a field.
    pub fn edit(&mut self, dice: &mut Dice, number: usize, at: Timestamp) {
        let mut to = self.record.clone();
        match dice.below(5) {
            0 => to.title = Some(format!("Title {number}")),
            1 => to.stage = Some(stage(dice)),
            2 => {
                let name = *dice.pick(&self.people);
                // The same person has another id in each.
                let id = format!("{}-{name}", self.origin.connector);
                to.responsible = Some(Responsible { id: Some(id), name: name.to_owned() });
            }
            3 => to.tags = Some(vec![format!("tag {}", dice.below(4))]),
            _ => to.next_contact_at = Timestamp::from_second(1_800_000_000 + dice.below(9) * 3_600).ok(),
        }
        self.put(&to, at);
    }

    /// Its people make the record say this.
    pub fn put(&mut self, to: &RecordFields, at: Timestamp) {
        let before = conflict::values(&self.record);
        for (field, value) in conflict::values(to) {
            if before.get(&field).is_some_and(|it| conflict::alike(field, it, &value)) {
                continue;
            }
            (self.changed_at, self.news) = (at, true);
            if field == Field::Title {
                self.said.extend(value.as_str().map(str::to_owned));
            }
            conflict::put(&mut self.record, field, value);
        }
    }

    /// The hub hears of this record.
    pub fn heard(&mut self, record: &RecordFields) {
        self.told.extend(record.title.as_ref().and_then(|title| self.said.iter().position(|it| it == title)));
    }

    /// Whether a record can say this.
    pub fn holds(&self, field: Field, value: &Value) -> bool {
        field != Field::Responsible || self.people.iter().any(|it| value["name"] == *it)
    }

    /// Takes what the lead shows: what was written over, and the memory of it, which lasts once the answer came.
    pub fn write(&mut self, lead: &RecordFields, settled: &[Field], at: Timestamp) -> (Vec<Field>, BTreeMap<Field, Value>) {
        let (theirs, mut memory) = (conflict::values(&self.record), self.wrote.clone());
        let mut written = Vec::new();
        for (field, value) in conflict::values(lead) {
            let differs = theirs.get(&field).is_none_or(|it| !conflict::alike(field, it, &value));
            let is_new = memory.insert(field, value.clone()).is_none_or(|it| it != value);
            if differs && (is_new || settled.contains(&field)) && self.holds(field, &value) {
                written.push(field);
                conflict::put(&mut self.record, field, value);
                self.writes += 1;
                (self.changed_at, self.news) = (at, true);
            }
        }
        (written, memory)
    }

    /// When the record was changed last, by its own clock.
    pub fn told_at(&self) -> Timestamp {
        let at = self.changed_at.as_millisecond().saturating_add(self.skew_ms).max(0);
        crate::clock::timestamp(at - at % self.tick_ms)
    }
}

pub fn stage(dice: &mut Dice) -> Stage {
    match dice.below(4) {
        0 => Stage::Lead,
        1 => Stage::Client,
        it => Stage::Refused { reason: Some(format!("reason {it}")), return_at: None },
    }
}
