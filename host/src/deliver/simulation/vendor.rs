//! A CRM with moods. It creates where it is told to and looks only when it is told that an earlier try may have had an effect: so a hub
//! that does not say so makes doubles here.

use patchbay_schemas::command::{InteractionAdd, LeadUpsert};
use serde_json::Value;

use crate::plugin::{CallError, Command, Executed, Failure, Limit, Receipt, Retry};
use crate::rules::breaker::Health;

/// What the CRM knows of one lead.
#[derive(Debug)]
pub struct Record {
    pub lead: String,
    /// The lead as it was written last.
    pub document: Value,
    /// Interactions, in the order in which they came.
    pub notes: Vec<String>,
    /// False: an operator deleted it.
    pub live: bool,
}

/// A fault of the vendor itself, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// It does not look before it creates, even when told that it may be there.
    NeverLooks,
    /// It answers "done" and forgets one note in four.
    DropsNotes,
}

/// How it treats commands for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It does what it is asked.
    Well,
    /// Now and then anything goes wrong.
    Flaky,
    /// It answers late, just before whoever asked gives up.
    Slow,
    /// It wants to be asked less.
    Busy,
    /// It is down.
    Down,
    /// It refuses what it is given.
    Strict,
}

/// What becomes of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Done,
    /// The same, after a long while.
    DoneLate,
    /// It is carried out, but the answer never comes.
    AnswerLost,
    /// It is carried out, and the connection breaks in the middle of the answer.
    CutOff,
    /// A 500, after or before it took effect.
    Error {
        effect: bool,
    },
    /// A 429, with or without a time.
    Busy {
        after_ms: Option<u64>,
    },
    /// The connector traps, after or before it took effect.
    Trap {
        effect: bool,
    },
    /// The connector forgets its result.
    NoResult,
    Refused,
    Unauthorised,
}

#[derive(Default)]
pub struct Vendor {
    pub records: Vec<Record>,
    pub bug: Option<Bug>,
    /// What must never happen, as it happened.
    pub faults: Vec<String>,
    forgotten: u64,
}

impl Fate {
    /// True where the vendor does what it is asked.
    pub fn has_effect(self) -> bool {
        match self {
            Self::Done | Self::DoneLate | Self::AnswerLost | Self::CutOff | Self::NoResult => true,
            Self::Error { effect } | Self::Trap { effect } => effect,
            Self::Busy { .. } | Self::Refused | Self::Unauthorised => false,
        }
    }

    /// What the hub sees of it. `receipt` is what the vendor did, where it did something.
    pub fn answer(self, receipt: Option<Result<Receipt, Failure>>) -> (Executed, Health) {
        let failed = |code: &str, retry| Ok(vec![Err(Failure { code: code.to_owned(), message: "simulated".to_owned(), retry })]);
        match self {
            Self::Done | Self::DoneLate => (Ok(vec![receipt.expect("what is done has a receipt")]), Health::Up),
            Self::AnswerLost => (Err(CallError::Limit(Limit::Wall(60_000))), Health::Down),
            Self::CutOff => (failed("crm.answer", Retry::Later), Health::Down),
            Self::Error { .. } => (failed("crm.http_500", Retry::Later), Health::Down),
            Self::Busy { after_ms: Some(ms) } => (failed("crm.http_429", Retry::AfterMs(ms)), Health::Busy(i64::try_from(ms).ok())),
            Self::Busy { after_ms: None } => (failed("crm.http_429", Retry::Later), Health::Busy(None)),
            Self::Trap { .. } => (Err(CallError::Trap("simulated".to_owned())), Health::Unknown),
            Self::NoResult => (Ok(Vec::new()), Health::Unknown),
            Self::Refused => (failed("crm.refused", Retry::Never), Health::Up),
            Self::Unauthorised => (failed("crm.token", Retry::Reauthorise), Health::Up),
        }
    }
}

impl Vendor {
    /// Does what it is asked, now.
    pub fn carry_out(&mut self, command: &Command) -> Result<Receipt, Failure> {
        match command.kind.as_str() {
            "lead.upsert" => self.upsert(&serde_json::from_str(&command.payload).unwrap()),
            "interaction.add" => self.add(&serde_json::from_str(&command.payload).unwrap()),
            other => panic!("`{other}` was never asked for"),
        }
    }

    fn upsert(&mut self, asked: &LeadUpsert) -> Result<Receipt, Failure> {
        let document = serde_json::to_value(&asked.lead).unwrap();
        let lead = asked.lead.id.clone();
        if let Some(id) = &asked.remote_id {
            let at = self.live(id)?;
            self.records[at].document = document;
            return Ok(receipt(at));
        }
        let there = self.records.iter().position(|it| it.live && it.lead == lead);
        if let Some(at) = there.filter(|_| asked.retried && self.bug != Some(Bug::NeverLooks)) {
            self.records[at].document = document;
            return Ok(receipt(at));
        }
        if there.is_some() {
            self.faults.push(format!("{lead} has two records"));
        }
        self.records.push(Record { lead, document, notes: Vec::new(), live: true });
        Ok(receipt(self.records.len() - 1))
    }

    fn add(&mut self, asked: &InteractionAdd) -> Result<Receipt, Failure> {
        let at = self.live(&asked.lead_remote_id)?;
        let there = self.records[at].notes.contains(&asked.interaction_id);
        if !there {
            self.forgotten += 1;
            if self.bug != Some(Bug::DropsNotes) || !self.forgotten.is_multiple_of(4) {
                self.records[at].notes.push(asked.interaction_id.clone());
            }
        } else if !asked.retried {
            self.faults.push(format!("{} has two notes, and nobody said that it may be there", asked.interaction_id));
        }
        Ok(receipt(at))
    }

    fn live(&self, id: &str) -> Result<usize, Failure> {
        let gone = || Failure { code: "sink.record_missing".to_owned(), message: format!("no record {id}"), retry: Retry::Never };
        id.parse().ok().filter(|at: &usize| self.records.get(*at).is_some_and(|it| it.live)).ok_or_else(gone)
    }
}

fn receipt(at: usize) -> Receipt {
    Receipt { remote_id: Some(at.to_string()), details: "{}".to_owned() }
}
