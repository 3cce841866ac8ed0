//! One simulation: what happens, in the order of its time.

mod hubs;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use self::hubs::{name, upsert};
use super::dice::Dice;
use super::vendor::{Fate, Mood, Vendor};
use super::world::{BEGIN, Template, World};
use crate::deliver::Sender;
use crate::deliver::carry::Carry;
use crate::plugin::{Command, Executed, Failure, Receipt};
use crate::registry::Running;
use crate::rules::breaker::Health;
use crate::store::StoreError;
use crate::store::connections::ConnectionState;
use crate::store::dead::DeadFilter;
use crate::store::outbox::Lane;

/// How long people write and the vendor has its moods, milliseconds: three days.
const DAYS: i64 = 3 * 86_400_000;
/// Past so many happenings it goes in circles.
const ENDLESS: usize = 5_000;

type Answer = (Executed, Health);
type Asked = (Command, oneshot::Sender<Answer>);
type Served = Pin<Box<dyn Future<Output = Result<(), StoreError>>>>;

/// Where a lane leaves what it asks of the vendor.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<Option<Asked>>>);

impl Carry for Desk {
    async fn carry(&self, _: &Running, command: &Command, _: bool) -> Answer {
        let (sender, answer) = oneshot::channel();
        *self.0.lock().unwrap() = Some((command.clone(), sender));
        answer.await.expect("whoever asked is answered or gone")
    }
}

enum Happening {
    /// People write: so many at once.
    Write(i64),
    Mood(Mood),
    /// A hub begins to serve a lane that it took.
    Serve(u64),
    /// The vendor does what call asks.
    Effect(u64),
    /// The vendor's answer to a call arrives.
    Answer(u64),
    Kill(usize),
    Start(usize),
    Pause,
    Resume,
    /// An operator deletes a record in the CRM.
    Delete,
    /// A message arrives later than those that were written after it.
    Late(usize),
    /// The machine's clock is put back or forward.
    Jump,
}

/// What the vendor was asked and has not answered.
struct Call {
    hub: usize,
    command: Command,
    fate: Fate,
    receipt: Option<Result<Receipt, Failure>>,
    /// None: whoever asked is dead.
    waits: Option<(Served, oneshot::Sender<Answer>)>,
}

pub struct Simulation {
    pub world: World,
    pub vendor: Vendor,
    mood: Mood,
    dice: Dice,
    agenda: BTreeMap<(i64, u64), Happening>,
    next: u64,
    /// The time that passes, milliseconds since 1970 UTC.
    time: i64,
    /// By how much the clock is ahead of it.
    slip: i64,
    /// False: hubs do not notice when the clock is put back or forward.
    pub follows_clock: bool,
    desk: Desk,
    hubs: [Option<Arc<Sender<Desk>>>; 2],
    calls: BTreeMap<u64, Call>,
    /// Lanes that a hub took and does not serve yet.
    claimed: BTreeMap<u64, (usize, Lane)>,
    /// Messages so far, each a person and perhaps a phone.
    pub written: Vec<(i64, Option<i64>)>,
    /// Leads of which a write was asked, and of which nobody heard since that one was done.
    unheard: BTreeSet<String>,
    /// Leads whose record an operator deleted: nothing is written for that alone, and a new record shows what came since.
    pub deleted: BTreeSet<String>,
    /// Leads with a row that was dead: their history may be in another order.
    pub redriven: BTreeSet<String>,
    /// Ids by the order in which they came up.
    seen: HashMap<String, usize>,
    pub story: Vec<String>,
}

impl Simulation {
    pub async fn begin(template: &Template, seed: u64) -> Self {
        let mut it = Self {
            world: template.copy(seed).await,
            vendor: Vendor::default(),
            mood: Mood::Well,
            dice: Dice::new(seed),
            agenda: BTreeMap::new(),
            next: 0,
            time: BEGIN,
            slip: 0,
            follows_clock: true,
            desk: Desk::default(),
            hubs: [None, None],
            calls: BTreeMap::new(),
            claimed: BTreeMap::new(),
            written: Vec::new(),
            unheard: BTreeSet::new(),
            deleted: BTreeSet::new(),
            redriven: BTreeSet::new(),
            seen: HashMap::new(),
            story: Vec::new(),
        };
        for hub in 0..it.hubs.len() {
            let seed = it.dice.number();
            it.start(hub, seed);
        }
        for _ in 0..20 + it.dice.below(40) {
            let (at, many) = (it.moment(), 1 + it.dice.below(4));
            it.plan(at, Happening::Write(many));
        }
        let moods = [Mood::Well, Mood::Well, Mood::Flaky, Mood::Flaky, Mood::Slow, Mood::Busy, Mood::Down, Mood::Strict];
        for _ in 0..12 {
            let (at, mood) = (it.moment(), *it.dice.pick(&moods));
            it.plan(at, Happening::Mood(mood));
        }
        // However long it is down: what waits for a vendor that is waits for ever.
        let at = BEGIN + DAYS + it.dice.below(DAYS);
        it.plan(at, Happening::Mood(Mood::Well));
        for _ in 0..it.dice.below(6) {
            let (at, hub) = (it.moment(), *it.dice.pick(&[0, 1]));
            it.plan(at, Happening::Kill(hub));
        }
        for _ in 0..it.dice.below(3) {
            let at = it.moment();
            it.plan(at, Happening::Pause);
        }
        for _ in 0..it.dice.below(3) {
            let at = it.moment();
            it.plan(at, Happening::Delete);
        }
        for _ in 0..it.dice.below(5) {
            let at = it.moment();
            it.plan(at, Happening::Jump);
        }
        it
    }

    /// Plays the days with their moods until everything is well and has come to an end; what died is redriven.
    pub async fn play(&mut self) {
        self.until_quiet().await;
        for _ in 0..5 {
            self.set_state(&ConnectionState::Active).await;
            self.until_quiet().await;
            let dead = self.world.hub.store.dead_letters(self.world.hub.workspace.id, &DeadFilter::default(), None, 1_000).await.unwrap();
            if dead.is_empty() {
                return;
            }
            // The oldest first, as they were made.
            for letter in dead.iter().rev() {
                let id = letter.id.parse().unwrap();
                let (_, lane, _) = self.world.hub.store.row(self.world.hub.workspace.id, id).await.unwrap().unwrap();
                self.redriven.insert(lane);
                self.world.hub.redrive(self.world.hub.workspace.id, &letter.id).await.unwrap();
            }
            self.tell(&format!("{} dead letters are redriven", dead.len()));
        }
    }

    async fn until_quiet(&mut self) {
        let mut due = self.look().await;
        while self.story.len() < ENDLESS {
            let planned = self.agenda.first_key_value().map(|(key, _)| key.0);
            match (planned, due) {
                (None, None) => return,
                (Some(planned), due) if due.is_none_or(|it| planned <= it) => {
                    let ((at, _), happening) = self.agenda.pop_first().unwrap();
                    self.set_clock(at);
                    self.happen(happening).await;
                }
                (_, Some(due)) => self.set_clock(due),
                (Some(_), None) => unreachable!("what is planned comes first where nothing is due"),
            }
            due = self.look().await;
        }
        self.vendor.faults.push(format!("it does not come to an end: {ENDLESS} happenings"));
    }

    async fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Write(many) => self.write(many).await,
            Happening::Mood(mood) => {
                self.mood = mood;
                self.tell(&format!("the vendor is {mood:?}"));
            }
            Happening::Effect(id) => {
                let call = self.calls.get_mut(&id).expect("a call has its effect before it ends");
                call.receipt = Some(self.vendor.carry_out(&call.command));
            }
            Happening::Answer(id) => {
                let call = self.calls.remove(&id).expect("a call is answered once");
                let what = self.subject(&call.command);
                self.tell(&format!("hub {}: {what} {:?}{}", call.hub, call.fate, if call.waits.is_some() { "" } else { ", unheard" }));
                if let Some((served, waits)) = call.waits {
                    if let (Fate::Done | Fate::DoneLate, Some((lead, _))) = (call.fate, upsert(&call.command)) {
                        self.unheard.remove(&lead);
                    }
                    let unauthorised = call.fate == Fate::Unauthorised;
                    waits.send(call.fate.answer(call.receipt)).unwrap_or_else(|_| panic!("a lane waits for its answer"));
                    self.go_on(call.hub, served).await;
                    if unauthorised {
                        let at = self.now() + 60_000 * (1 + self.dice.below(120));
                        self.plan(at, Happening::Resume);
                    }
                }
            }
            Happening::Serve(id) => {
                // What a hub took that died since, nobody serves before its lease ends.
                if let Some((hub, lane)) = self.claimed.remove(&id) {
                    self.serve(hub, lane).await;
                }
            }
            Happening::Kill(hub) => {
                if self.hubs[hub].take().is_some() {
                    self.tell(&format!("hub {hub} is killed"));
                    self.claimed.retain(|_, it| it.0 != hub);
                    for call in self.calls.values_mut().filter(|it| it.hub == hub) {
                        call.waits = None;
                    }
                    let at = self.now() + 1_000 * self.dice.below(600);
                    self.plan(at, Happening::Start(hub));
                }
            }
            Happening::Start(hub) => {
                let seed = self.dice.number();
                self.tell(&format!("hub {hub} starts"));
                self.start(hub, seed);
                self.world.hub.store.release_own_leases(&name(hub)).await.unwrap();
                self.follow_clock(hub, -self.world.hub.store.ids.ahead_ms().max(0)).await;
            }
            Happening::Late(key) => {
                self.tell("a message comes in late");
                let (person, phone) = self.written[key];
                self.world.ingest(&[self.world.said(key, person, phone)]).await;
            }
            Happening::Jump => self.jump().await,
            Happening::Pause => {
                self.tell("somebody pauses the connection");
                self.set_state(&ConnectionState::Paused).await;
                let at = self.now() + 60_000 * self.dice.below(300);
                self.plan(at, Happening::Resume);
            }
            Happening::Resume => {
                self.tell("somebody resumes the connection");
                self.set_state(&ConnectionState::Active).await;
            }
            Happening::Delete => {
                let live: Vec<usize> = (0..self.vendor.records.len()).filter(|at| self.vendor.records[*at].live).collect();
                if !live.is_empty() {
                    let at = *self.dice.pick(&live);
                    self.vendor.records[at].live = false;
                    self.deleted.insert(self.vendor.records[at].lead.clone());
                    self.tell(&format!("an operator deletes record {at}"));
                }
            }
        }
    }

    async fn write(&mut self, many: i64) {
        let mut batch = Vec::new();
        for _ in 0..many {
            let old = !self.written.is_empty() && self.dice.below(4) == 0;
            if !old {
                let (person, knows) = (self.dice.below(8), self.dice.below(6) == 0);
                let phone = knows.then(|| self.dice.below(4));
                self.written.push((person, phone));
            }
            // The channel sends an old one again, or a new one comes.
            let keys: Vec<usize> = if old { (0..self.written.len()).collect() } else { vec![self.written.len() - 1] };
            let key = *self.dice.pick(&keys);
            let (person, phone) = self.written[key];
            if !old && self.dice.below(8) == 0 {
                let at = self.now() + self.dice.below(7_200_000);
                self.plan(at, Happening::Late(key));
            } else {
                batch.push(self.world.said(key, person, phone));
            }
        }
        self.tell(&format!("{} messages come in", batch.len()));
        self.world.ingest(&batch).await;
    }

    async fn set_state(&self, state: &ConnectionState) {
        self.world.hub.store.set_connection_state(self.world.hub.workspace.id, self.world.sink, state).await.unwrap();
        self.world.hub.registry.refresh().await.unwrap();
    }

    fn is_active(&self) -> bool {
        self.world.hub.registry.running(self.world.sink).is_some_and(|it| it.is_active())
    }

    fn plan(&mut self, at: i64, happening: Happening) {
        self.agenda.insert((at.max(self.now()), self.next), happening);
        self.next += 1;
    }

    fn tell(&mut self, what: &str) {
        let at = (self.now() - BEGIN) / 1_000;
        self.story.push(format!("{:>3} h {:02}:{:02}  {what}", at / 3_600, at / 60 % 60, at % 60));
    }

    /// What a command is about: ids are others in every run, the order in which they come up is not.
    fn subject(&mut self, command: &Command) -> String {
        let payload: serde_json::Value = serde_json::from_str(&command.payload).unwrap();
        let (id, retried) = match command.kind.as_str() {
            "lead.upsert" => (&payload["lead"]["id"], payload["retried"] == true),
            _ => (&payload["interaction_id"], payload["retried"] == true),
        };
        let next = self.seen.len();
        let number = *self.seen.entry(id.as_str().unwrap().to_owned()).or_insert(next);
        format!("{} {number}{}", command.kind, if retried { " again" } else { "" })
    }

    fn now(&self) -> i64 {
        self.time
    }

    fn set_clock(&mut self, at: i64) {
        self.time = self.time.max(at);
        self.world.clock.store(self.time + self.slip, Ordering::Relaxed);
    }

    /// Some moment of these days.
    fn moment(&mut self) -> i64 {
        BEGIN + self.dice.below(DAYS)
    }
}
