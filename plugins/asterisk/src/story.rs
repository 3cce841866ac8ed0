//! A call as it develops: what all its steps said so far. Kept in the connector's state until nothing more can come.

use patchbay_sdk::json::{self, Node, Object};
use patchbay_sdk::schemas::interaction::CallResult;

use crate::config::Config;
use crate::party::{self, Placed, Side};
use crate::step::{Channel, Step, What};

/// What is known of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Story {
    /// The channel that it began on.
    pub root: String,
    /// Who called whom.
    pub side: Option<Side>,
    /// The number outside.
    pub number: Option<String>,
    /// The name that came with it.
    pub name: Option<String>,
    /// The employee who speaks, or was called last.
    pub extension: Option<String>,
    /// Our number that was called.
    pub line: Option<String>,
    /// The queue that it waited in.
    pub queue: Option<String>,
    /// The recording.
    pub recording: Option<String>,
    /// When it began, milliseconds since 1970, as all times here.
    pub started: Option<i64>,
    /// When somebody answered.
    pub answered: Option<i64>,
    /// When its last channel was gone.
    pub ended: Option<i64>,
    /// How it ended; none: it goes on, or nobody knows.
    pub result: Option<CallResult>,
    /// When its first channel was taken, by whatever.
    up: Option<i64>,
    /// True once somebody was called: from then on only a person can answer.
    was_dialled: bool,
    /// True where it came to a mailbox.
    is_mailbox: bool,
    /// How the last attempt to reach somebody ended.
    status: Option<String>,
    /// The bridge that one of its channels is in, and which.
    joined: Option<(String, String)>,
    /// Its channels: true while it is there.
    legs: Vec<(String, bool)>,
    /// What was told of it.
    told: Told,
}

/// What was told of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Told {
    phase: Option<Phase>,
    /// The employee who was named last as the one who speaks.
    extension: Option<String>,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It is there.
    Appeared,
    /// Somebody answered.
    Answered,
    /// Somebody else took it over.
    Transferred,
    /// It is over.
    Ended,
}

impl Phase {
    /// Its name in the ids of events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Appeared => "appeared",
            Self::Answered => "answered",
            Self::Transferred => "transferred",
            Self::Ended => "ended",
        }
    }
}

impl Story {
    /// A call that begins on this channel.
    #[must_use]
    pub fn of(channel: &Channel, at: i64) -> Self {
        Self { root: channel.id.clone(), started: Some(channel.created.unwrap_or(at)), ..Self::default() }
    }

    /// Adds a step. `now`: the hub's time, where Asterisk does not tell its own.
    pub fn add(&mut self, config: &Config, step: &Step, now: i64) {
        if let What::Recorded(name) = &step.what {
            self.recording = Some(name.clone());
        }
        if self.ended.is_some() {
            return;
        }
        let (at, channel) = (step.at.unwrap_or(now), &step.channel);
        // A channel that is being called shows where its caller is in the dialplan: of its own that says nothing.
        let is_called = !self.legs.is_empty() && matches!(channel.state.as_deref(), Some("Down" | "Ringing"));
        if channel.id == self.root
            && self.side.is_none()
            && !is_called
            && let Some(placed) = party::placed(config, channel)
        {
            self.place(placed);
        }
        if !matches!(step.what, What::Gone { .. }) {
            self.arrive(&channel.id);
            if channel.id == self.root && channel.state.as_deref() == Some("Up") {
                self.up.get_or_insert(at);
            }
        }
        match &step.what {
            What::Dials { peer, status, dialled } => self.dial(config, channel, peer, status.as_deref(), dialled.as_deref(), at),
            What::Joins { bridge } => match &self.joined {
                Some((known, other)) if known == bridge && *other != channel.id => self.answer(at, None),
                Some((known, _)) if known == bridge => {}
                _ => self.joined = Some((bridge.clone(), channel.id.clone())),
            },
            What::Connected { member } => self.answer(at, party::extension(member).or(Some(member))),
            What::Queue(queue) => {
                self.queue = Some(queue.clone());
                self.was_dialled = true;
            }
            What::Application(name) => self.application(name),
            What::Variable { name, value } => match name.as_str() {
                "MIXMONITOR_FILENAME" if !value.is_empty() => self.recording = Some(value.clone()),
                "DIALSTATUS" if !value.is_empty() => self.status = Some(value.clone()),
                _ => {}
            },
            What::Gone { cause } => {
                self.leave(&channel.id);
                self.end_if_deserted(at, *cause);
            }
            What::Is | What::Recorded(_) | What::Moved { .. } | What::News | What::Notice(_) => {}
        }
    }

    fn place(&mut self, placed: Placed) {
        self.side = Some(placed.side);
        self.number = placed.number;
        self.name = placed.name;
        self.extension = placed.extension;
        self.line = placed.line;
    }

    fn application(&mut self, name: &str) {
        let is = |it: &str| name.eq_ignore_ascii_case(it);
        self.was_dialled |= is("Queue") || is("Dial");
        // Whoever comes to a mailbox was not answered, even if the box says something.
        self.is_mailbox |= is("VoiceMail");
    }

    fn dial(&mut self, config: &Config, caller: &Channel, peer: &Channel, status: Option<&str>, dialled: Option<&str>, at: i64) {
        self.was_dialled = true;
        self.arrive(&peer.id);
        let dialled = dialled.map(|it| it.split(['@', '/']).next().unwrap_or(it));
        let number = peer.number.as_deref().or(dialled).filter(|it| !it.is_empty());
        // A call that the hub or somebody's program began: whom it is with shows when the outside is dialled.
        if self.side.is_none()
            && let Some(outside) = [number, dialled].into_iter().flatten().find(|it| party::is_phone(config, it))
        {
            self.side = Some(Side::Out);
            self.number = Some(outside.to_owned());
            let ours = caller.number.as_deref().filter(|it| !party::is_phone(config, it)).or_else(|| party::extension(&caller.name));
            self.extension = ours.map(str::to_owned);
        }
        // Who is called is one of us unless we are the ones who call out.
        let ours = number.filter(|it| !party::is_phone(config, it)).or_else(|| party::extension(&peer.name));
        match status {
            Some("ANSWER") => self.answer(at, ours.filter(|_| self.side != Some(Side::Out))),
            Some(status) => self.status = Some(status.to_owned()),
            None => {
                if self.answered.is_none() && matches!(self.side, Some(Side::In | Side::Internal)) {
                    self.extension = ours.map(str::to_owned).or(self.extension.take());
                }
            }
        }
    }

    fn answer(&mut self, at: i64, by: Option<&str>) {
        self.answered.get_or_insert(at);
        if let Some(by) = by {
            self.extension = Some(by.to_owned());
        }
    }

    fn arrive(&mut self, leg: &str) {
        if !leg.is_empty() && !self.legs.iter().any(|(it, _)| it == leg) {
            self.legs.push((leg.to_owned(), true));
        }
    }

    fn leave(&mut self, leg: &str) {
        match self.legs.iter_mut().find(|(it, _)| it == leg) {
            Some((_, is_there)) => *is_there = false,
            None => self.legs.push((leg.to_owned(), false)),
        }
    }

    /// A channel that became part of another call.
    pub fn lose(&mut self, leg: &str, at: i64) {
        self.legs.retain(|(it, _)| it != leg);
        self.end_if_deserted(at, None);
    }

    /// A channel that was part of another call.
    pub fn gain(&mut self, leg: &str) {
        self.arrive(leg);
    }

    /// The channels that are there.
    pub fn present(&self) -> impl Iterator<Item = &str> {
        self.legs.iter().filter(|(_, is_there)| *is_there).map(|(id, _)| id.as_str())
    }

    /// All channels that it ever had.
    pub fn all_legs(&self) -> impl Iterator<Item = &str> {
        self.legs.iter().map(|(id, _)| id.as_str())
    }

    fn end_if_deserted(&mut self, at: i64, cause: Option<i64>) {
        if self.ended.is_some() || self.present().next().is_some() {
            return;
        }
        self.ended = Some(at);
        // Nobody was called, yet it was taken: a menu, a bot, an announcement.
        if !self.was_dialled && !self.is_mailbox && cause != Some(18) {
            self.answered = self.answered.or(self.up);
        }
        self.result = Some(self.judged(cause));
    }

    fn judged(&self, cause: Option<i64>) -> CallResult {
        if self.answered.is_some() {
            return CallResult::Answered;
        }
        if self.is_mailbox {
            return CallResult::Voicemail;
        }
        let is_out = self.side == Some(Side::Out);
        match (self.status.as_deref(), cause) {
            (Some("BUSY"), _) | (None, Some(17)) => CallResult::Busy,
            // 16 normal clearing, 18 no user responding, 19 no answer, 127 not told, 0 none.
            (Some("CONGESTION" | "CHANUNAVAIL" | "INVALIDARGS"), _) | (None, Some(1..=15 | 20..=126)) if is_out => CallResult::Failed,
            // Whatever kept our people from answering: somebody wanted to speak with us and did not.
            _ => CallResult::Missed,
        }
    }

    /// It ended while nobody listened: when, and for a call that nobody had answered how, is not known.
    pub fn close(&mut self, now: i64) {
        if self.ended.is_none() {
            self.legs.iter_mut().for_each(|it| it.1 = false);
            self.ended = Some(now);
            self.result = self.answered.map(|_| CallResult::Answered);
        }
    }

    /// What is new, if it is worth telling: of several phases the last.
    pub fn news(&mut self) -> Option<Phase> {
        self.side?;
        let phase = if self.ended.is_some() {
            Phase::Ended
        } else if self.told.phase >= Some(Phase::Answered) && self.told.extension != self.extension {
            Phase::Transferred
        } else if self.answered.is_some() {
            Phase::Answered
        } else {
            Phase::Appeared
        };
        if phase != Phase::Transferred && self.told.phase >= Some(phase) {
            return None;
        }
        self.told = Told { phase: Some(phase), extension: self.extension.clone() };
        Some(phase)
    }

    /// What was told last, to be told again.
    #[must_use]
    pub fn last_told(&self) -> Option<Phase> {
        self.told.phase
    }

    /// What was kept.
    #[must_use]
    pub fn read(kept: &str) -> Option<Self> {
        let mut kept = Node::parse(kept.as_bytes()).ok()?.object()?;
        let side = named(&SIDES, kept.peek_text("side"));
        let result = named(&RESULTS, kept.peek_text("result"));
        let phase = named(&PHASES, kept.peek_text("told"));
        let legs = kept.object("legs").unwrap_or_default();
        let joined = kept.text("bridge").zip(kept.text("joined"));
        Some(Self {
            root: kept.text("root")?,
            side,
            number: kept.text("number"),
            name: kept.text("name"),
            extension: kept.text("extension"),
            line: kept.text("line"),
            queue: kept.text("queue"),
            recording: kept.text("recording"),
            started: kept.int("started"),
            answered: kept.int("answered"),
            ended: kept.int("ended"),
            result,
            up: kept.int("up"),
            was_dialled: kept.flag("dialled"),
            is_mailbox: kept.flag("mailbox"),
            status: kept.text("status"),
            joined,
            legs: legs.names().map(|it| (it.to_owned(), legs.peek_int(it) == Some(1))).collect(),
            told: Told { phase, extension: kept.text("told_extension") },
        })
    }

    /// What to keep.
    #[must_use]
    pub fn kept(&self) -> String {
        let mut kept = Object::default();
        let texts = [
            ("root", Some(self.root.as_str())),
            ("side", self.side.and_then(|it| name_of(&SIDES, it))),
            ("result", self.result.and_then(|it| name_of(&RESULTS, it))),
            ("told", self.told.phase.and_then(|it| name_of(&PHASES, it))),
            ("told_extension", self.told.extension.as_deref()),
            ("number", self.number.as_deref()),
            ("name", self.name.as_deref()),
            ("extension", self.extension.as_deref()),
            ("line", self.line.as_deref()),
            ("queue", self.queue.as_deref()),
            ("recording", self.recording.as_deref()),
            ("status", self.status.as_deref()),
            ("bridge", self.joined.as_ref().map(|it| it.0.as_str())),
            ("joined", self.joined.as_ref().map(|it| it.1.as_str())),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                kept.put(name, value.to_owned());
            }
        }
        for (name, value) in [("started", self.started), ("up", self.up), ("answered", self.answered), ("ended", self.ended)] {
            if let Some(value) = value {
                kept.put(name, value);
            }
        }
        for (name, value) in [("dialled", self.was_dialled), ("mailbox", self.is_mailbox)] {
            if value {
                kept.put(name, true);
            }
        }
        let mut legs = Object::default();
        for (id, is_there) in &self.legs {
            legs.put(id.clone(), i64::from(*is_there));
        }
        kept.put("legs", legs);
        json::write(&kept).unwrap_or_default()
    }
}

const SIDES: [(&str, Side); 3] = [("in", Side::In), ("out", Side::Out), ("internal", Side::Internal)];
const PHASES: [(&str, Phase); 4] =
    [("appeared", Phase::Appeared), ("answered", Phase::Answered), ("transferred", Phase::Transferred), ("ended", Phase::Ended)];
const RESULTS: [(&str, CallResult); 5] = [
    ("answered", CallResult::Answered),
    ("missed", CallResult::Missed),
    ("busy", CallResult::Busy),
    ("voicemail", CallResult::Voicemail),
    ("failed", CallResult::Failed),
];

fn named<T: Copy>(all: &[(&str, T)], name: Option<&str>) -> Option<T> {
    all.iter().find(|it| Some(it.0) == name).map(|it| it.1)
}

fn name_of<T: Copy + PartialEq>(all: &[(&'static str, T)], value: T) -> Option<&'static str> {
    all.iter().find(|it| it.1 == value).map(|it| it.0)
}
