//! A lead of the hub in Odoo's words: what the record should say.

use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::lead::Lead;
use patchbay_sdk::schemas::{Extra, IdentityKind, Stage, Temperature};
use patchbay_sink::{Wrote, identities, note, same};

use crate::config::Config;
use crate::html;
use crate::payload::Record;

/// What the record of a lead should say.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `crm.lead` fields with a text of their own.
    pub texts: Vec<(&'static str, String)>,
    /// `crm.lead` fields that link to a name: source, medium, campaign.
    pub named: Vec<(&'static str, &'static str, String)>,
    /// Labels.
    pub tags: Vec<String>,
    /// Where it should stand.
    pub goal: Goal,
    /// The hub's word for that.
    pub stage: &'static str,
    /// Only for a new record: HTML for people, with our reference in it.
    pub description: String,
    /// Every phone, in E.164.
    pub phones: Vec<String>,
    /// Every e-mail address.
    pub emails: Vec<String>,
}

/// Where a record should stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// Neither won nor lost.
    Open,
    /// In the stage of this name.
    Stage(String),
    /// Won.
    Won,
    /// Lost, for a reason.
    Lost(Option<String>),
    /// Where the connection's mapping puts it, as a field like any other.
    Mapped,
}

impl Goal {
    /// What the configuration makes of the hub's stage.
    #[must_use]
    pub fn of(stage: &Stage, config: &Config) -> Self {
        let name = match stage {
            Stage::Interest => &config.stage_interest,
            Stage::Lead => &config.stage_lead,
            Stage::Client => &config.stage_client,
            Stage::Refused { .. } => &config.stage_refused,
        };
        match (name.trim(), stage) {
            ("", _) => Self::Open,
            ("won", _) => Self::Won,
            ("lost", Stage::Refused { reason, .. }) => Self::Lost(reason.clone()),
            ("lost", _) => Self::Lost(None),
            (name, _) => Self::Stage(name.to_owned()),
        }
    }

    /// True when the record stands there already.
    #[must_use]
    pub fn reached(&self, record: &Record) -> bool {
        match self {
            Self::Open => is_open(record),
            Self::Stage(name) => record.0["active"] != false && record.link_name("stage_id") == name,
            Self::Won => record.text("won_status") == "won",
            Self::Lost(_) => record.text("won_status") == "lost",
            Self::Mapped => true,
        }
    }
}

/// True for a record that somebody works on.
#[must_use]
pub fn is_open(record: &Record) -> bool {
    record.0["active"] != false && record.text("won_status") == "pending"
}

/// Our name of a lead's record: the external id that makes creating it twice impossible.
#[must_use]
pub fn reference(lead_id: &str) -> String {
    format!("patchbay.{lead_id}")
}

/// Our reference as it stands in the description of a lead's record, and of one that it was merged into.
#[must_use]
pub fn mark(lead_id: &str) -> String {
    format!("Patchbay {lead_id}<")
}

/// The lead that a record's description says it was made for.
#[must_use]
pub fn referred(description: &str) -> Option<String> {
    let (_, rest) = description.split_once("Patchbay lead_")?;
    let id: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    (!id.is_empty()).then(|| ["lead_", &id].concat())
}

/// A tag as Odoo can import it: a comma would make two of it.
fn tag(text: &str) -> String {
    text.replace(',', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the record of this lead should say.
#[must_use]
pub fn wanted(lead: &Lead, config: &Config) -> Wanted {
    let (phones, emails) = (identities(lead, IdentityKind::Phone), identities(lead, IdentityKind::Email));
    let some = |it: &Option<String>| it.clone().unwrap_or_default();
    let utm = |key: &str| lead.source.origin.utm.get(key).map(|it| it.trim().to_owned()).unwrap_or_default();
    let mut source = utm("source");
    if source.is_empty() && config.channel_as_source {
        source.clone_from(&lead.source.channel);
    }
    Wanted {
        texts: vec![
            ("name", lead.title.trim().to_owned()),
            ("contact_name", some(&lead.contact.name)),
            ("phone", phones.first().cloned().unwrap_or_default()),
            ("email_from", emails.first().cloned().unwrap_or_default()),
            ("partner_name", some(&lead.contact.company)),
            ("city", some(&lead.contact.city)),
            ("priority", if lead.temperature == Temperature::Hot { "2" } else { "0" }.to_owned()),
        ],
        named: vec![
            ("source_id", "utm.source", source),
            ("medium_id", "utm.medium", utm("medium")),
            ("campaign_id", "utm.campaign", utm("campaign")),
        ],
        tags: lead.tags.iter().map(|it| tag(it)).filter(|it| !it.is_empty()).collect(),
        goal: Goal::of(&lead.stage, config),
        stage: lead.stage.name(),
        description: description(lead),
        phones,
        emails,
    }
}

/// Where the lead came from, for people. The last line is our reference: it survives a merge in Odoo, the external id does not.
fn description(lead: &Lead) -> String {
    let mut html = String::from("<p>");
    note::origin(lead, &mut |label, text| html::line(&mut html, label, text));
    for (key, value) in &lead.source.origin.utm {
        html::line(&mut html, &format!("utm_{key}"), value);
    }
    html.push_str("</p><p>Patchbay ");
    html::push(&mut html, &lead.id);
    html.push_str("</p>");
    html
}

impl Wanted {
    /// Without the fields that the connection's mapping fills.
    #[must_use]
    pub fn without(mut self, mapped: &Extra) -> Self {
        self.texts.retain(|(field, _)| !mapped.contains_key(*field));
        self.named.retain(|(field, _, _)| !mapped.contains_key(*field));
        if mapped.contains_key("tag_ids") {
            self.tags.clear();
        }
        if mapped.contains_key("stage_id") {
            self.goal = Goal::Mapped;
        }
        self
    }

    /// What the hub writes now, as fingerprints for the receipt: the next upsert sees from them what the hub changed since.
    #[must_use]
    pub fn prints(&self, user: &str, next: &str) -> Extra {
        let texts = self.texts.iter().map(|(field, text)| (*field, text.as_str()));
        let named = self.named.iter().map(|(field, _, text)| (*field, text.as_str()));
        let mut prints = Wrote::prints(texts.chain(named).chain([("stage", self.stage), ("user", user), ("next", next)]));
        prints.insert("tags".to_owned(), Wrote::list(&self.tags));
        prints
    }
}

/// The plain fields of a record that have to change, without overwriting what people changed in Odoo.
#[must_use]
pub fn changes(wanted: &Wanted, record: &Record, wrote: Wrote<'_>) -> Object<'static> {
    let mut changes = Object::default();
    for (field, ours) in &wanted.texts {
        let theirs = record.text(field);
        let equal = match *field {
            "phone" => same::phones(ours, theirs),
            "email_from" => same::words(ours, theirs),
            _ => ours == theirs,
        };
        let empty = theirs.is_empty() || (*field == "priority" && theirs == "0");
        if !ours.is_empty() && !equal && wrote.may_write(field, ours, empty) {
            changes.put(*field, ours.clone());
        }
    }
    changes
}
