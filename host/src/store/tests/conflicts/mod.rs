//! Two CRMs and the hub edit one lead at random, also while a write is under way, where an answer is lost and where news come late, until all is quiet:
//! then all show the same, every word that the hub was told is kept, and nobody wrote for ever. Who speaks then had all before them, and is shown.
//!
//! The rules alone play hundreds of seeds, the store on each database some. `PATCHBAY_SEEDS=3000` plays so many, `PATCHBAY_SEED=17` that one:
//! `cargo test -p patchbay-host --lib edit_one_lead`.

mod crm;
mod hubs;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use patchbay_schemas::{EventBody, Extra, RecordAction, RecordChange, RecordFields, Stage, Timestamp};
use serde_json::Value;

use self::crm::Crm;
use self::hubs::{Hub, Manner, Memory, Stored};
use super::on_both;
use crate::clock::timestamp;
use crate::deliver::simulation::dice::Dice;
use crate::deliver::simulation::setting;
use crate::ids::LeadId;
use crate::rules::conflict::{self, Field, Heard, Sayings, Sources, Stood, Telling, Writing, hear, overruled};
use crate::rules::ingest::{CheckedEvent, Way};
use crate::store::outbox::{Moved, Told};

/// Seeds that the rules alone play.
const SEEDS: u64 = 400;
/// Seeds that each database plays.
const STORED_SEEDS: u64 = 6;
/// Steps of a play.
const STEPS: i64 = 60;
/// Most rounds until all is quiet: a change goes to the hub, to the other CRM, and its echo comes back.
const ROUNDS: usize = 6;

/// What may happen while a write is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    /// People here decide, and then the CRM tells what was written.
    Decision,
    /// Somebody may edit the record or decide here, the hub may hear of it, and the answer may be lost.
    Anything,
}

struct Play<H> {
    hub: H,
    manner: Manner,
    dice: Dice,
    clock: Arc<AtomicI64>,
    lead: LeadId,
    crms: [Crm; 2],
    events: u64,
    edits: usize,
    decided: Option<Stage>,
    /// How many edits there were by then.
    decided_after: usize,
}

fn brief(fields: &RecordFields) -> String {
    serde_json::to_string(&conflict::values(fields)).unwrap()
}

fn said_by(sources: &Sources, name: &str) -> Sayings {
    sources.get(name).map(|it| it.says.clone()).unwrap_or_default()
}

impl<H: Hub> Play<H> {
    fn new(hub: H, manner: Manner, dice: Dice, clock: Arc<AtomicI64>, lead: LeadId, crms: [Crm; 2]) -> Self {
        Self { hub, manner, dice, clock, lead, crms, events: 0, edits: 0, decided: None, decided_after: 0 }
    }

    /// Tells the story, where one seed was asked for.
    fn note(&self, what: impl FnOnce() -> String) {
        if setting("PATCHBAY_SEED").is_some() {
            eprintln!("{} {}", timestamp(self.clock.load(Ordering::Relaxed)), what());
        }
    }

    fn now(&mut self) -> Timestamp {
        let step = 1 + self.dice.below(4_000);
        timestamp(self.clock.fetch_add(step, Ordering::Relaxed) + step)
    }

    async fn step(&mut self) {
        let (at, which) = (self.now(), usize::try_from(self.dice.below(2)).unwrap());
        match self.dice.below(7) {
            0 | 1 => self.edit(which, at),
            2 => self.decide().await,
            3 | 4 => self.poll(which).await,
            _ => self.deliver(which, Meanwhile::Anything).await,
        }
    }

    /// People here put the lead into another stage.
    async fn decide(&mut self) {
        self.edits += 1;
        self.now();
        let shown = self.hub.shown().await;
        let before = shown.stage;
        let stage = crm::stage(&mut self.dice);
        if before.as_ref() != Some(&stage) {
            self.note(|| format!("people here decide {stage:?}"));
            self.hub.decide(stage.clone()).await;
            (self.decided, self.decided_after) = (Some(stage), self.edits);
        }
    }

    fn edit(&mut self, which: usize, at: Timestamp) {
        self.edits += 1;
        self.crms[which].edit(&mut self.dice, self.edits, at);
        self.note(|| format!("people of {} edit at {at}: {}", self.crms[which].origin.connector, brief(&self.crms[which].record)));
    }

    /// The CRM tells what its record says: the hub hears of it now, or of something that was told before.
    async fn poll(&mut self, which: usize) {
        let crm = &mut self.crms[which];
        if std::mem::take(&mut crm.news) {
            crm.on_the_way.push((crm.record.clone(), crm.told_at()));
        }
        if !self.manner.tells_late {
            return self.hear_all(which).await;
        }
        let waiting = i64::try_from(crm.on_the_way.len()).unwrap();
        if waiting > 0 && self.dice.below(3) > 0 {
            let chosen = usize::try_from(self.dice.below(waiting)).unwrap();
            let is_doubled = self.dice.below(4) == 0;
            let on_the_way = &mut self.crms[which].on_the_way;
            let (fields, at) = if is_doubled { on_the_way[chosen].clone() } else { on_the_way.remove(chosen) };
            self.tell(which, Way::Poll, fields, at).await;
        }
    }

    async fn hear_all(&mut self, which: usize) {
        for (fields, at) in std::mem::take(&mut self.crms[which].on_the_way) {
            self.tell(which, Way::Poll, fields, at).await;
        }
    }

    async fn tell(&mut self, which: usize, way: Way, fields: RecordFields, at: Timestamp) {
        self.events += 1;
        self.crms[which].heard(&fields);
        self.note(|| format!("{} tells {way:?} as of {at}: {}", self.crms[which].origin.connector, brief(&fields)));
        let record = RecordChange {
            entity: "lead".to_owned(),
            action: RecordAction::Updated,
            external_id: self.lead.to_string(),
            lead: None,
            person_ref: None,
            fields,
            extra: Extra::default(),
        };
        let body = EventBody::Record(record);
        let event = CheckedEvent {
            key: format!("told:{}:{}", self.lead, self.events),
            kind: "record".to_owned(),
            occurred_at: Some(at),
            payload: body.payload().unwrap(),
            body: Ok(body),
        };
        self.hub.hear(&self.crms[which].origin, way, event).await;
    }

    /// What waits for the CRM goes there, as `deliver/` has it.
    async fn deliver(&mut self, which: usize, meanwhile: Meanwhile) {
        let sink = self.crms[which].origin.connection;
        let Some(claim) = self.hub.claim(sink).await else { return };
        let sources = self.hub.sources().await;
        let fields = self.hub.shown().await;
        let settled = overruled(&said_by(&sources, &sink.to_string()), &fields);
        let retried = self.crms[which].retried;
        if meanwhile == Meanwhile::Anything && self.dice.below(4) == 0 {
            self.trouble(which).await;
        }
        let (at, before) = (self.now(), self.crms[which].record.clone());
        let changed_at = self.crms[which].told_at();
        let (written, wrote) = self.crms[which].write(&fields, &settled, at);
        match meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Decision => {
                self.decide().await;
                self.poll(which).await;
            }
            Meanwhile::Anything => {
                if self.dice.below(4) == 0 {
                    self.trouble(which).await;
                }
            }
        }
        if meanwhile == Meanwhile::Anything && self.manner.loses_answers && self.dice.below(8) == 0 {
            self.crms[which].retried = true;
            self.note(|| format!("the answer of {} to {} is lost", self.crms[which].origin.connector, brief(&fields)));
            self.hub.abandon(claim).await;
            return;
        }
        let telling = if retried { Telling::BeforeAgain } else { Telling::Before };
        let heard = Heard { changed_at, heard_at: self.now(), telling };
        if hear(&mut self.hub.sources().await, &sink.to_string(), &before, &fields, heard, &[]).changed {
            self.tell(which, Way::Receipt { retried }, before.clone(), changed_at).await;
        }
        self.crms[which].wrote = wrote;
        self.crms[which].retried = false;
        let stood = Stood { at: changed_at, fields: before, written: Some(written) };
        let writing = Writing { fields, version: conflict::version(&sources), retried, before: Some(stood) };
        self.note(|| format!("{} took {}: {:?}", self.crms[which].origin.connector, brief(&writing.fields), writing.before));
        let told = Told { lead: self.lead, workspace: self.crms[which].origin.workspace, writing, moved: Moved::default() };
        self.hub.finish(claim, told).await;
    }

    async fn trouble(&mut self, which: usize) {
        let at = self.now();
        if self.dice.below(3) == 0 {
            self.decide().await;
        } else {
            self.edit(which, at);
        }
        if self.dice.below(2) == 0 {
            self.poll(which).await;
        }
    }

    /// Nobody edits any more. The rounds that it took.
    async fn until_quiet(&mut self) -> usize {
        for round in 0..20 {
            // Every lease is over by then.
            self.clock.fetch_add(hubs::LEASE_MS + 1, Ordering::Relaxed);
            if !self.hub.waits().await && self.crms.iter().all(|it| !it.news && it.on_the_way.is_empty()) {
                return round;
            }
            for which in 0..self.crms.len() {
                self.now();
                self.deliver(which, Meanwhile::Nothing).await;
                self.poll(which).await;
                self.hear_all(which).await;
            }
        }
        panic!("it does not come to an end");
    }

    /// What is wrong with the play; nothing where all is as it must be.
    async fn play(&mut self) -> Vec<String> {
        self.until_quiet().await;
        for _ in 0..STEPS {
            self.step().await;
        }
        self.decide().await;
        let edits = self.edits;
        self.deliver(0, Meanwhile::Decision).await;
        let decided_last = self.decided_after > edits;
        let mut faults = Vec::new();
        self.end(&mut faults).await;
        let shown = conflict::values(&self.hub.shown().await);
        let decided = self.decided.as_ref().map(|it| serde_json::to_value(it).unwrap());
        let holds = decided.as_ref().is_none_or(|it| conflict::alike(Field::Stage, it, &shown[&Field::Stage]));
        if decided_last && self.manner.last_decision_holds() && !holds {
            faults.push(format!("people here decided {decided:?} last, shown is {:?}", shown[&Field::Stage]));
        }
        let kept = said_by(&self.hub.sources().await, conflict::HUB).get(&Field::Stage).and_then(|it| Some(it.word()?.value.clone()));
        if kept != decided {
            faults.push(format!("people here decided {decided:?}, kept is {kept:?}"));
        }
        for which in 0..self.crms.len() {
            self.speak(which, &mut faults).await;
        }
        faults
    }

    /// All is quiet in the end, and as it must be.
    async fn end(&mut self, faults: &mut Vec<String>) {
        let rounds = self.until_quiet().await;
        if rounds > ROUNDS {
            faults.push(format!("it takes {rounds} rounds until all is quiet"));
        }
        let shown = conflict::values(&self.hub.shown().await);
        let sources = self.hub.sources().await;
        for crm in &self.crms {
            let name = &crm.origin.connector;
            let theirs = conflict::values(&crm.record);
            for (field, ours) in shown.iter().filter(|(field, ours)| crm.holds(**field, ours)) {
                if !theirs.get(field).is_some_and(|it| conflict::alike(*field, ours, it)) {
                    faults.push(format!("of {field:?} the hub shows {ours}, {name} {:?}", theirs.get(field)));
                }
            }
            let most = 5 * (self.edits + 2);
            if crm.writes > most {
                faults.push(format!("{name} was written to {} times for {} edits", crm.writes, self.edits));
            }
            // Whether a value that the lead showed before is a word or an echo cannot always be told; titles are all different.
            let says = said_by(&sources, &crm.origin.connection.to_string());
            let kept: Vec<&Value> = says.get(&Field::Title).into_iter().flat_map(|it| &it.words).map(|it| &it.value).collect();
            let told: Vec<&String> = crm.told.iter().map(|it| &crm.said[*it]).collect();
            if kept != told {
                faults.push(format!("people of {name} said {told:?}, kept is {kept:?}"));
            }
        }
    }

    /// Where all is quiet, whoever speaks had all words before them: theirs is shown, whatever their clock says and whom the workspace trusts.
    async fn speak(&mut self, which: usize, faults: &mut Vec<String>) {
        self.edits += 1;
        let (at, title) = (self.now(), format!("Title {}", self.edits));
        let stage = if self.crms[which].record.stage == Some(Stage::Client) { Stage::Lead } else { Stage::Client };
        let to = RecordFields { title: Some(title.clone()), stage: Some(stage.clone()), ..self.crms[which].record.clone() };
        self.crms[which].put(&to, at);
        self.end(faults).await;
        let shown = self.hub.shown().await;
        if (shown.title.as_ref(), shown.stage.as_ref()) != (Some(&title), Some(&stage)) {
            let name = &self.crms[which].origin.connector;
            faults.push(format!("people of {name} said {title} and {stage:?} last, shown is {:?} and {:?}", shown.title, shown.stage));
        }
    }
}

/// Plays the seeds that are asked for, else so many.
async fn play_all<H: Hub>(seeds: u64, mut begin: impl AsyncFnMut(u64) -> Play<H>) {
    let seeds = setting("PATCHBAY_SEED").map_or_else(|| 1..=setting("PATCHBAY_SEEDS").unwrap_or(seeds), |it| it..=it);
    for seed in seeds {
        let faults = begin(seed).await.play().await;
        let again = format!("PATCHBAY_SEED={seed} cargo test -p patchbay-host --lib edit_one_lead");
        assert!(faults.is_empty(), "seed {seed}:\n{}\nOnce more:\n  {again}", faults.join("\n"));
    }
}

#[test]
fn by_the_rules_two_crms_and_the_hub_edit_one_lead_until_quiet_and_all_agree() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(play_all(SEEDS, async |seed| Memory::begin(seed)));
}

#[test]
fn in_the_database_two_crms_and_the_hub_edit_one_lead_until_quiet_and_all_agree() {
    on_both("conflicts", |world| async move {
        play_all(STORED_SEEDS, async |seed| Stored::begin(&world, seed).await).await;
        world.assert_sound().await;
    });
}
