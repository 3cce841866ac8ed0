//! What a new interaction of a person does who has leads already: the workspace's rules.
//!
//! Each lead of the person is looked at, open ones first, oldest first, then the newest closed one. The first rule that fits a lead decides about
//! it: the interaction joins it, reopens it, or passes it over. Where no rule fits, an open lead is joined and a closed one passed over. When every lead
//! was passed over, a new one is opened.

use std::fmt;

use patchbay_schemas::{Stage, Timestamp};
use serde::{Deserialize, Serialize};

/// Most rules of a workspace.
pub const MOST_RULES: usize = 50;

/// A rule: what it fits, and what happens then. A condition that is not given fits everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Returning {
    /// What people call it; without a name it goes by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Stages of the lead that is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stage: Vec<StageName>,
    /// Mediums of the new interaction: `telegram`, `form`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channel: Vec<String>,
    /// Whether the new interaction came over the medium that the lead was opened on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_channel: Option<bool>,
    /// Whether the new interaction is the same form (a product, a service) as the one that opened the lead. Fits only where both are forms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_form: Option<bool>,
    /// Nothing happened with the lead for at least so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_days: Option<u32>,
    /// Something happened with the lead less than so many days ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_days: Option<u32>,
    /// What happens.
    pub then: Then,
}

/// What a rule does with a lead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The interaction belongs to it, and its stage stays.
    #[default]
    Join,
    /// The interaction belongs to it, and it is open again.
    Reopen,
    /// It is passed over: a new lead is opened if no other one takes the interaction.
    Open,
}

/// The name of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// Nobody can be reached yet.
    Interest,
    /// Somebody can.
    Lead,
    /// Converted.
    Client,
    /// Turned down.
    Refused,
}

/// What rules look at of a lead besides its stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The medium that opened it.
    pub channel: String,
    /// The form that opened it.
    pub form: Option<String>,
    /// When something last happened with it: an interaction or a change.
    pub active_at: Timestamp,
}

/// What rules look at of a new interaction.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// The medium.
    pub channel: &'a str,
    /// The form's own name, where it is one.
    pub form: Option<&'a str>,
    /// When it was received.
    pub at: Timestamp,
}

/// Why an interaction belongs to its lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// What was done.
    pub done: Done,
    /// The rule that said so; none: what holds without rules.
    pub rule: Option<String>,
}

/// What an interaction did about its lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It opened it.
    Opened,
    /// It joined it.
    Joined,
    /// It opened it again.
    Reopened,
}

/// A rule that can never fit, or that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which rule, beginning with 1.
    pub rule: usize,
    /// What is wrong and what is allowed.
    pub allowed: &'static str,
}

impl Returning {
    /// The first rule that cannot work.
    pub fn check(rules: &[Self]) -> Result<(), Fault> {
        if rules.len() > MOST_RULES {
            return Err(Fault { rule: rules.len(), allowed: "at most 50 rules" });
        }
        for (rule, it) in (1..).zip(rules) {
            let open = |it: &StageName| matches!(it, StageName::Interest | StageName::Lead);
            let allowed = if it.then == Then::Reopen && it.stage.iter().any(open) {
                "only a closed lead can be reopened: stage = [\"client\", \"refused\"] or one of them"
            } else if it.within_days == Some(0) {
                "within_days is at least 1"
            } else if matches!((it.quiet_days, it.within_days), (Some(quiet), Some(within)) if quiet >= within) {
                "within_days must be more than quiet_days, or no lead fits"
            } else if it.name.as_ref().is_some_and(|it| it.trim().is_empty() || it.contains(['\n', '\r']) || it.chars().count() > 100) {
                "a name has 1 to 100 characters on one line"
            } else {
                continue;
            };
            return Err(Fault { rule, allowed });
        }
        Ok(())
    }

    fn fits(&self, stage: &Stage, lead: &History, turn: &Turn<'_>) -> bool {
        let quiet = turn.at.duration_since(lead.active_at).as_secs().max(0).unsigned_abs();
        let days = |it: u32| u64::from(it) * 86_400;
        let form = lead.form.as_deref().zip(turn.form).map(|(lead, turn)| lead == turn);
        (self.stage.is_empty() || self.stage.contains(&StageName::of(stage)))
            && (self.channel.is_empty() || self.channel.iter().any(|it| it == turn.channel))
            && self.same_channel.is_none_or(|it| it == (lead.channel == turn.channel))
            && self.same_form.is_none_or(|it| form == Some(it))
            && self.quiet_days.is_none_or(|it| quiet >= days(it))
            && self.within_days.is_none_or(|it| quiet < days(it))
            && (self.then != Then::Reopen || !stage.is_open())
    }
}

/// What happens with a lead when its person turns to us, and by which rule.
#[must_use]
pub fn judge(rules: &[Returning], stage: &Stage, lead: &History, turn: &Turn<'_>) -> (Then, Option<String>) {
    match (1..).zip(rules).find(|(_, it)| it.fits(stage, lead, turn)) {
        Some((number, it)) => (it.then, Some(it.name.clone().unwrap_or_else(|| format!("rule {number}")))),
        None if stage.is_open() => (Then::Join, None),
        None => (Then::Open, None),
    }
}

impl StageName {
    fn of(stage: &Stage) -> Self {
        match stage {
            Stage::Interest => Self::Interest,
            Stage::Lead => Self::Lead,
            Stage::Client => Self::Client,
            Stage::Refused { .. } => Self::Refused,
        }
    }
}

impl Placed {
    /// What holds without rules.
    #[must_use]
    pub fn plainly(done: Done) -> Self {
        Self { done, rule: None }
    }

    /// As it stands in the database, read again.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (done, rule) = text.split_once(':').map_or((text, None), |(done, rule)| (done, Some(rule.to_owned())));
        let done = match done {
            "opened" => Done::Opened,
            "joined" => Done::Joined,
            "reopened" => Done::Reopened,
            _ => return None,
        };
        Some(Self { done, rule })
    }
}

impl Done {
    /// As it stands in JSON and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Joined => "joined",
            Self::Reopened => "reopened",
        }
    }
}

/// As it stands in the database: `joined`, or with its rule `reopened:after a month`.
impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.done.as_str())?;
        self.rule.as_ref().map_or(Ok(()), |it| write!(f, ":{it}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(number: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + number * 86_400).unwrap()
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_without_one_an_open_lead_is_joined() {
        let lead = History { channel: "form".to_owned(), form: Some("price".to_owned()), active_at: days(0) };
        let refused = Stage::Refused { reason: None, return_at: None };
        let rules: Vec<Returning> = serde_json::from_value(serde_json::json!([
            { "name": "back soon", "stage": ["refused"], "within_days": 30, "then": "reopen" },
            { "stage": ["client"], "channel": ["telegram"], "then": "join" },
            { "same_form": false, "then": "open" },
            { "stage": ["interest", "lead"], "quiet_days": 90, "then": "open" },
        ]))
        .unwrap();
        Returning::check(&rules).unwrap();
        let asked = |stage: &Stage, channel, form, at| judge(&rules, stage, &lead, &Turn { channel, form, at: days(at) });
        let by = |rule: &str| Some(rule.to_owned());
        assert_eq!(asked(&Stage::Lead, "telegram", None, 1), (Then::Join, None));
        assert_eq!(asked(&Stage::Lead, "telegram", None, 90), (Then::Open, by("rule 4")));
        assert_eq!(asked(&Stage::Lead, "form", Some("price"), 1), (Then::Join, None));
        assert_eq!(asked(&Stage::Lead, "form", Some("course"), 1), (Then::Open, by("rule 3")));
        assert_eq!(asked(&Stage::Client, "telegram", None, 400), (Then::Join, by("rule 2")));
        assert_eq!(asked(&Stage::Client, "phone", None, 1), (Then::Open, None));
        assert_eq!(asked(&refused, "phone", None, 29), (Then::Reopen, by("back soon")));
        assert_eq!(asked(&refused, "phone", None, 30), (Then::Open, None));
    }

    #[test]
    fn a_rule_that_cannot_work_is_named_with_what_is_allowed() {
        let fault = |rule: serde_json::Value| Returning::check(&[serde_json::from_value(rule).unwrap()]);
        for (rule, allowed) in [
            (serde_json::json!({ "stage": ["lead"], "then": "reopen" }), "closed lead"),
            (serde_json::json!({ "within_days": 0 }), "at least 1"),
            (serde_json::json!({ "quiet_days": 30, "within_days": 30 }), "more than quiet_days"),
            (serde_json::json!({ "name": " " }), "1 to 100"),
        ] {
            assert!(fault(rule.clone()).unwrap_err().allowed.contains(allowed), "{rule}");
        }
        assert!(fault(serde_json::json!({ "stage": ["refused"], "quiet_days": 1, "within_days": 2, "then": "reopen" })).is_ok());
        assert!(Returning::check(&vec![Returning::default(); MOST_RULES]).is_ok());
        assert!(Returning::check(&vec![Returning::default(); MOST_RULES + 1]).is_err());
        assert!(serde_json::from_value::<Returning>(serde_json::json!({ "stages": [] })).is_err());
    }

    #[test]
    fn why_an_interaction_was_placed_is_read_as_it_was_written() {
        for it in [Placed::plainly(Done::Joined), Placed { done: Done::Reopened, rule: Some("a: b".to_owned()) }] {
            assert_eq!(Placed::parse(&it.to_string()), Some(it));
        }
        assert_eq!(Placed::parse("lost"), None);
    }
}
