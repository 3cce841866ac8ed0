//! The hubs of a simulation: what they take, when they begin with it, what they ask, and what they notice of the clock.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::vendor::{Fate, Mood};
use super::{Call, Happening, Served, Simulation};
use crate::deliver::brake::Brake;
use crate::deliver::simulation::world::Template;
use crate::deliver::{LEASE_MS, Sender};
use crate::plugin::{Command, Randomness};
use crate::store::connections::ConnectionState;
use crate::store::deliveries::Filter;
use crate::store::outbox::Lane;

/// Lanes that one hub serves at the same time.
const ROOM: i64 = 3;
/// How far a clock is put back or forward at most, milliseconds: a day and a half.
const FURTHEST: i64 = 36 * 3_600_000;
/// How long anything may wait while the vendor may be asked: the longest wait between two tries, and a lease.
const LONGEST: i64 = 36_000_000 + LEASE_MS;

impl Simulation {
    /// The clock is put back or forward, and the hubs that live notice.
    pub(super) async fn jump(&mut self) {
        // A hub that died while it asked, and whose lease ends early by this, asks at the same time as the next one: no lease by a clock tells that.
        if self.calls.values().any(|it| it.waits.is_none()) {
            let at = self.now() + 120_000;
            self.plan(at, Happening::Jump);
            return;
        }
        let by_ms = self.dice.below(2 * FURTHEST) - FURTHEST;
        self.tell(&format!("the clock is put {} by {} min", if by_ms < 0 { "back" } else { "forward" }, by_ms.abs() / 60_000));
        self.slip += by_ms;
        self.set_clock(self.now());
        for hub in 0..self.hubs.len() {
            if self.hubs[hub].is_some() {
                self.follow_clock(hub, by_ms).await;
            }
        }
    }

    pub(super) async fn follow_clock(&self, hub: usize, by_ms: i64) {
        if self.follows_clock && by_ms != 0 {
            self.world.hub.store.follow_clock(&name(hub), by_ms).await.unwrap();
        }
    }

    /// Every hub takes what is due. Then: when something is due that a hub can take; until something else happens before, nothing does.
    pub(super) async fn look(&mut self) -> Option<i64> {
        let mut due = self.next_due().await;
        for hub in 0..self.hubs.len() {
            let Some(room) = self.room(hub) else { continue };
            if due.is_none_or(|it| it > self.now()) {
                break;
            }
            let sender = self.hubs[hub].clone().expect("a hub that has room is alive");
            let lanes = self.world.hub.store.claim_lanes(self.world.sink, &name(hub), room, LEASE_MS).await.unwrap();
            if !lanes.is_empty() {
                sender.brake.release();
            }
            for lane in lanes {
                // Another thread begins to serve it, at once or somewhat later.
                if self.dice.below(4) == 0 {
                    let (id, at) = (self.next, self.now() + self.dice.below(9_000));
                    self.claimed.insert(id, (hub, lane));
                    self.plan(at, Happening::Serve(id));
                } else {
                    self.serve(hub, lane).await;
                }
            }
            due = self.next_due().await;
        }
        self.watch(due);
        due.filter(|_| (0..self.hubs.len()).any(|it| self.room(it).is_some())).map(|it| it.max(self.now() + 5))
    }

    /// How many lanes a hub can take. None: it is dead, has its hands full, or there is nothing to ask for.
    fn room(&self, hub: usize) -> Option<i64> {
        self.hubs[hub].as_ref().filter(|_| self.is_active())?;
        let waits = self.calls.values().filter(|it| it.hub == hub && it.waits.is_some()).count();
        let busy = waits + self.claimed.values().filter(|it| it.0 == hub).count();
        Some(ROOM - i64::try_from(busy).unwrap()).filter(|it| *it > 0)
    }

    /// When the next lane is due, by the time that passes.
    async fn next_due(&self) -> Option<i64> {
        if !self.is_active() {
            return None;
        }
        self.world.hub.store.next_due(self.world.sink).await.unwrap().map(|it| it - self.slip)
    }

    /// Nothing waits longer than the rules say.
    fn watch(&mut self, due: Option<i64>) {
        let wait = due.map_or(0, |it| it - self.now());
        if wait > LONGEST && self.hubs.iter().any(Option::is_some) && self.vendor.faults.is_empty() {
            self.tell("something waits too long");
            self.vendor.faults.push(format!("something waits longer than any rule says: {} min", wait / 60_000));
        }
    }

    pub(super) async fn serve(&mut self, hub: usize, lane: Lane) {
        let sender = self.hubs[hub].clone().expect("what a dead hub took is not served");
        self.go_on(hub, Box::pin(async move { sender.serve(lane).await })).await;
    }

    /// Drives one lane until it asks the vendor or ends.
    pub(super) async fn go_on(&mut self, hub: usize, mut served: Served) {
        let desk = self.desk.clone();
        let asked = poll_fn(|context| match served.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Err(ended)),
            Poll::Pending => desk.0.lock().unwrap().take().map_or(Poll::Pending, |it| Poll::Ready(Ok(it))),
        })
        .await;
        match asked {
            Err(ended) => ended.unwrap(),
            Ok((command, sender)) => {
                self.hear(&command).await;
                let fate = self.fate();
                let (id, begun) = (self.next, self.now());
                // Whoever waits gives up after a minute; what the vendor does, it does before.
                let took = match fate {
                    Fate::AnswerLost => 60_000,
                    Fate::DoneLate => 20_000 + self.dice.below(39_000),
                    _ => 20 + self.dice.below(8_000),
                };
                if fate.has_effect() {
                    let at = begun + self.dice.below(took);
                    self.plan(at, Happening::Effect(id));
                }
                self.next = self.next.max(id + 1);
                self.calls.insert(id, Call { hub, command, fate, receipt: None, waits: Some((served, sender)) });
                self.plan(begun + took, Happening::Answer(id));
            }
        }
    }

    /// A write must say that an earlier one may have been carried out; one that was given up since is nobody's business.
    async fn hear(&mut self, command: &Command) {
        let Some((lead, is_again)) = upsert(command) else { return };
        if !self.unheard.insert(lead.clone()) && !is_again {
            let dead = Filter { lane: Some(lead.clone()), state: Some("dead".to_owned()), limit: 1, ..Filter::default() };
            if self.world.hub.store.outbox(self.world.hub.workspace.id, &dead).await.unwrap().is_empty() {
                self.vendor.faults.push(format!("{lead}: a write was tried before, and nobody says so"));
            }
        }
    }

    fn fate(&mut self) -> Fate {
        let (dice, coin) = (self.dice.below(100), self.dice.below(2) == 0);
        let after_ms = coin.then(|| self.dice.below(600_000).unsigned_abs());
        match (self.mood, dice) {
            (Mood::Well, _) | (Mood::Flaky, 50..) | (Mood::Slow, 70..) | (Mood::Busy, 60..) | (Mood::Strict, 40..) => Fate::Done,
            (Mood::Slow, 5..) => Fate::DoneLate,
            (Mood::Slow, _) | (Mood::Flaky, 0..12) | (Mood::Down, 0..20) => Fate::AnswerLost,
            (Mood::Flaky, 12..16) => Fate::CutOff,
            (Mood::Flaky, 16..24) => Fate::Error { effect: coin },
            (Mood::Flaky, 24..32) => Fate::Trap { effect: coin },
            (Mood::Flaky, 32..36) => Fate::NoResult,
            (Mood::Flaky, 36..38) => Fate::Unauthorised,
            (Mood::Flaky | Mood::Busy, _) => Fate::Busy { after_ms },
            (Mood::Down, _) => Fate::Error { effect: false },
            (Mood::Strict, _) => Fate::Refused,
        }
    }

    pub(super) fn start(&mut self, hub: usize, seed: u64) {
        let mut config = (*self.world.hub.config).clone();
        config.name = name(hub);
        let sender = Sender {
            hub: crate::hub::Hub { config: Arc::new(config), ..self.world.hub.clone() },
            id: self.world.sink,
            carrier: self.desk.clone(),
            random: Randomness::seeded(seed),
            wake: Arc::new(Notify::new()),
            brake: Brake::default(),
            workers: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        self.hubs[hub] = Some(Arc::new(sender));
    }
}

pub(super) fn name(hub: usize) -> String {
    format!("hub{hub}")
}

/// The lead that a command writes, and whether it says that it may have been written before.
pub(super) fn upsert(command: &Command) -> Option<(String, bool)> {
    let payload: serde_json::Value = serde_json::from_str(&command.payload).unwrap();
    (command.kind == "lead.upsert").then(|| (payload["lead"]["id"].as_str().unwrap().to_owned(), payload["retried"] == true))
}

#[test]
fn a_write_that_stands_for_one_that_was_tried_says_so_also_where_its_lane_was_given_back_meanwhile() {
    let template = Template::make("superseded");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut it = Simulation::begin(&template, 1).await;
        it.agenda.clear();
        it.hubs[1] = None;
        it.says(None).await;
        it.until_quiet().await;

        it.mood = Mood::Down;
        it.says(Some(1)).await;
        it.look().await;
        while let Some(((at, _), happening)) = it.agenda.pop_first() {
            it.set_clock(at);
            it.happen(happening).await;
        }

        it.mood = Mood::Well;
        it.says(Some(2)).await;
        let due = it.next_due().await.unwrap();
        it.set_clock(due);
        let lanes = it.world.hub.store.claim_lanes(it.world.sink, &name(0), ROOM, LEASE_MS).await.unwrap();
        // Between the look at the rows and the first try.
        it.set_state(&ConnectionState::Paused).await;
        for lane in lanes {
            it.serve(0, lane).await;
        }
        it.set_state(&ConnectionState::Active).await;
        it.until_quiet().await;
        let (faults, story) = (it.faults().await, it.story.join("\n"));
        assert_eq!(faults, [""; 0], "{story}");
        assert_eq!(story.matches("lead.upsert").count(), 3, "{story}");
        assert!(story.contains("lead.upsert 0 again Done"), "{story}");
    });
}

impl Simulation {
    /// The first person says something, perhaps with another phone than before.
    async fn says(&mut self, phone: Option<i64>) {
        self.written.push((0, phone));
        self.world.ingest(&[self.world.said(self.written.len() - 1, 0, phone)]).await;
    }
}
