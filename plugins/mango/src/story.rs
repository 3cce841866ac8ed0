//! A call as it develops: what all its steps said so far. Kept in the connector's state until nothing more can come.

use patchbay_sdk::json::{self, Node, Object};
use patchbay_sdk::schemas::interaction::CallResult;

use crate::leg::{Leg, Side, State};
use crate::summary::Summary;

/// What is known of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Story {
    /// Who called whom.
    pub side: Option<Side>,
    /// The number outside.
    pub number: Option<String>,
    /// The employee who speaks, or is called.
    pub extension: Option<String>,
    /// Our number.
    pub line: Option<String>,
    /// When it began, seconds since 1970.
    pub started: Option<i64>,
    /// When an employee and somebody outside began to speak.
    pub answered: Option<i64>,
    /// When it ended.
    pub ended: Option<i64>,
    /// How it ended.
    pub result: Option<CallResult>,
    /// True once the summary came: nothing changes any more.
    pub is_told: bool,
    /// The last step of each leg: above zero while it goes on, below when it is over.
    legs: Object<'static>,
}

/// What a call came to by a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is there.
    Appeared,
    /// Somebody answered.
    Connected,
    /// It is over, and it is clear how.
    Ended,
    /// The summary is there.
    Told,
}

impl Story {
    /// Adds a step. None: it tells nothing that is not known, because a later one was here before.
    pub fn add(&mut self, leg: &Leg) -> Option<Phase> {
        self.started = earliest(self.started, leg.at);
        let last = self.legs.peek_int(&leg.id).unwrap_or_default().abs();
        if self.is_told || leg.seq < last {
            return None;
        }
        let is_over = leg.state == State::Disconnected;
        // Steps are counted from one; where they are not counted at all, each is the first.
        let seq = leg.seq.max(1);
        self.legs.put(leg.id.clone(), if is_over { -seq } else { seq });
        self.place(leg.side, leg.number.as_ref(), leg.line.as_ref());
        // Two of us who speak while somebody outside waits have not answered.
        let is_ours = leg.side == Side::Internal && self.side != Some(Side::Internal);
        let speaks = leg.state == State::Connected && leg.at_employee && !is_ours;
        if let Some(extension) = leg.extension.as_ref().filter(|_| speaks || self.answered.is_none()) {
            self.extension = Some(extension.clone());
        }
        if speaks {
            self.answered = earliest(self.answered, leg.at);
            return Some(Phase::Connected);
        }
        if !is_over {
            return Some(Phase::Appeared);
        }
        let goes_on = self.legs.names().any(|it| self.legs.peek_int(it).is_some_and(|it| it > 0));
        let result = if goes_on { None } else { self.result_of(leg) };
        let Some(result) = result else { return Some(if self.answered.is_some() { Phase::Connected } else { Phase::Appeared }) };
        self.result = Some(result);
        self.ended = leg.at;
        Some(Phase::Ended)
    }

    /// Adds the summary, which knows better than all steps.
    pub fn close(&mut self, summary: &Summary) -> Phase {
        self.place(summary.side, summary.number.as_ref(), summary.line.as_ref());
        self.side = Some(summary.side);
        self.extension = summary.extension.clone().or(self.extension.take());
        self.started = summary.created.or(self.started);
        self.answered = summary.answered;
        self.ended = summary.ended.or(self.ended);
        self.result = Some(match summary.answered {
            Some(_) => CallResult::Answered,
            None => unanswered(summary.side, summary.reason),
        });
        self.is_told = true;
        Phase::Told
    }

    /// A consultation between two of us within a call with somebody outside does not make it one of ours.
    fn place(&mut self, side: Side, number: Option<&String>, line: Option<&String>) {
        if self.side.is_none() || (self.side == Some(Side::Internal) && side != Side::Internal) {
            self.side = Some(side);
            self.number = number.cloned();
        }
        self.number = self.number.take().or_else(|| number.cloned());
        self.line = self.line.take().or_else(|| line.cloned());
    }

    /// How the call ended, where the end of its last leg leaves no doubt. Whom the PBX calls next nobody knows but the PBX.
    fn result_of(&self, leg: &Leg) -> Option<CallResult> {
        const CALLER_HUNG_UP: i64 = 1110;
        let was_counted = leg.seq > 0;
        match (self.answered, self.side, leg.reason) {
            (Some(_), _, _) => Some(CallResult::Answered),
            // The third step of a leg of which no other was seen: somebody may have answered.
            (None, _, Some(CALLER_HUNG_UP | 1120)) if was_counted && leg.seq > 2 => None,
            (None, Some(Side::In), Some(CALLER_HUNG_UP)) => Some(CallResult::Missed),
            (None, Some(Side::Out), Some(reason)) => Some(unanswered(Side::Out, Some(reason))),
            _ => None,
        }
    }

    /// What was kept.
    #[must_use]
    pub fn read(kept: Option<&str>) -> Self {
        let kept = kept.and_then(|it| Node::parse(it.as_bytes()).ok()).and_then(Node::object);
        let Some(mut kept) = kept else { return Self::default() };
        Self {
            side: match kept.peek_text("side") {
                Some("in") => Some(Side::In),
                Some("out") => Some(Side::Out),
                Some("internal") => Some(Side::Internal),
                _ => None,
            },
            number: kept.text("number"),
            extension: kept.text("extension"),
            line: kept.text("line"),
            started: kept.int("started"),
            answered: kept.int("answered"),
            ended: kept.int("ended"),
            result: kept.text("result").and_then(|it| RESULTS.iter().find(|(name, _)| *name == it)).map(|(_, it)| *it),
            is_told: kept.flag("told"),
            legs: kept.object("legs").unwrap_or_default().into_owned(),
        }
    }

    /// What to keep.
    #[must_use]
    pub fn kept(&self) -> String {
        let mut kept = Object::default();
        let side = self.side.map(|it| match it {
            Side::In => "in",
            Side::Out => "out",
            Side::Internal => "internal",
        });
        let result = self.result.and_then(|it| RESULTS.iter().find(|(_, known)| *known == it)).map(|(name, _)| *name);
        let texts = [
            ("side", side),
            ("result", result),
            ("number", self.number.as_deref()),
            ("extension", self.extension.as_deref()),
            ("line", self.line.as_deref()),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                kept.put(name, value);
            }
        }
        for (name, value) in [("started", self.started), ("answered", self.answered), ("ended", self.ended)] {
            if let Some(value) = value {
                kept.put(name, value);
            }
        }
        if self.is_told {
            kept.put("told", true);
        }
        kept.put("legs", self.legs.clone());
        json::write(&kept).unwrap_or_default()
    }
}

const RESULTS: [(&str, CallResult); 4] =
    [("answered", CallResult::Answered), ("missed", CallResult::Missed), ("busy", CallResult::Busy), ("failed", CallResult::Failed)];

/// What a call that nobody answered came to, by Mango's reason ("Список кодов результатов").
#[must_use]
pub fn unanswered(side: Side, reason: Option<i64>) -> CallResult {
    match (side, reason.unwrap_or_default()) {
        (_, 1121) => CallResult::Busy,
        // Whatever kept our people from answering: somebody wanted to speak with us and did not.
        (Side::In, _) => CallResult::Missed,
        (_, 1130..=1159 | 1190..=1199 | 2000..=3999 | 4200..=4299 | 5000..=5999) => CallResult::Failed,
        _ => CallResult::Missed,
    }
}

fn earliest(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    [one, other].into_iter().flatten().min()
}
