//! A lead of the hub in Bitrix24's words: what the record should say.

use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::lead::Lead;
use patchbay_sdk::schemas::{Extra, IdentityKind};
use patchbay_sink::{Wrote, identities, note, same};

use crate::ask::parameters;
use crate::config::{Config, Kind};
use crate::fields::CONTACT;
use crate::payload::Record;
use crate::stage::{Entries, Goal};

/// Who made a record, to Bitrix24 (`ORIGINATOR_ID`); our own id stands beside it (`ORIGIN_ID`).
pub const ORIGINATOR: &str = "patchbay";

/// What the record of a lead should say.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Fields of the record with a text of their own.
    pub texts: Vec<(&'static str, String)>,
    /// Fields of the person: of a lead itself, of a deal's contact.
    pub person: Vec<(&'static str, String)>,
    /// The company.
    pub company: String,
    /// What the source may be called in Bitrix24, best first.
    pub sources: Vec<String>,
    /// Where it should stand.
    pub goal: Goal,
    /// The hub's word for that.
    pub stage: &'static str,
    /// Only for a new record: where it came from, for people.
    pub comments: String,
    /// Every phone, in E.164.
    pub phones: Vec<String>,
    /// Every e-mail address.
    pub emails: Vec<String>,
}

/// What the record of this lead should say.
#[must_use]
pub fn wanted(lead: &Lead, config: &Config) -> Wanted {
    let (phones, emails) = (identities(lead, IdentityKind::Phone), identities(lead, IdentityKind::Email));
    let some = |it: &Option<String>| it.as_deref().unwrap_or_default().trim().to_owned();
    let utm = |key: &str| lead.source.origin.utm.get(key).map(|it| it.trim().to_owned()).unwrap_or_default();
    let channel = lead.source.channel.as_str();
    let company = some(&lead.contact.company);
    let mut texts = vec![
        ("TITLE", lead.title.trim().to_owned()),
        ("SOURCE_DESCRIPTION", [channel, lead.source.origin.page.as_deref().unwrap_or("")].join(" ").trim().to_owned()),
    ];
    for (field, key) in
        [("UTM_SOURCE", "source"), ("UTM_MEDIUM", "medium"), ("UTM_CAMPAIGN", "campaign"), ("UTM_CONTENT", "content"), ("UTM_TERM", "term")]
    {
        texts.push((field, utm(key)));
    }
    let mut person = vec![("NAME", some(&lead.contact.name)), ("ADDRESS_CITY", some(&lead.contact.city))];
    if config.kind == Kind::Lead {
        person.push(("COMPANY_TITLE", company.clone()));
    }
    Wanted {
        texts,
        person,
        company,
        sources: [utm("source"), channel.to_owned()].iter().flat_map(|it| source_names(it, config)).collect(),
        goal: Goal::of(&lead.stage, config),
        stage: lead.stage.name(),
        comments: comments(lead),
        phones,
        emails,
    }
}

/// What a source may be called: as configured, else as in the hub, else as Bitrix24 has it from the beginning.
fn source_names(hub: &str, config: &Config) -> Vec<String> {
    if hub.is_empty() {
        return Vec::new();
    }
    let usual = match hub {
        "form" => "WEBFORM",
        "phone" => "CALL",
        "email" => "EMAIL",
        _ => "",
    };
    let configured = config.sources.get(hub).map_or("", |it| it);
    [configured, hub, usual].into_iter().filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

/// Where the lead came from, for people.
fn comments(lead: &Lead) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| crate::bbcode::line(&mut text, label, value);
    note::origin(lead, &mut line);
    line("Tags", &lead.tags.join(", "));
    text
}

impl Wanted {
    /// Without the fields that the connection's mapping fills.
    #[must_use]
    pub fn without(mut self, mapped: &Extra, kind: Kind) -> Self {
        if mapped.is_empty() {
            return self;
        }
        self.texts.retain(|(field, _)| !mapped.contains_key(*field));
        match kind {
            Kind::Lead => self.person.retain(|(field, _)| !mapped.contains_key(*field)),
            Kind::Deal => self.person.retain(|(field, _)| !mapped.contains_key(&[CONTACT, *field].concat())),
        }
        if mapped.contains_key("SOURCE_ID") {
            self.sources.clear();
        }
        if mapped.contains_key("COMMENTS") {
            self.comments.clear();
        }
        if mapped.contains_key(kind.stage_field()) {
            self.goal = Goal::Mapped;
        }
        self
    }

    /// The source's code, where Bitrix24 has it.
    #[must_use]
    pub fn source<'e>(&self, sources: &'e Entries) -> Option<&'e str> {
        self.sources.iter().find_map(|it| sources.called(it)).map(|it| &*it.code)
    }

    /// What the hub writes now, as fingerprints for the receipt: the next upsert sees from them what the hub changed since.
    #[must_use]
    pub fn prints(&self, user: &str, next: &str) -> Extra {
        let texts = self.texts.iter().chain(&self.person).map(|(field, text)| (*field, text.as_str()));
        let source = self.sources.first().map_or("", |it| it);
        let mut prints = Wrote::prints(texts.chain([("SOURCE_ID", source), ("stage", self.stage), ("user", user), ("next", next)]));
        prints.insert("PHONE".to_owned(), Wrote::list(&self.phones));
        prints.insert("EMAIL".to_owned(), Wrote::list(&self.emails));
        prints
    }

    /// True when the hub knows something of the person that it did not write yet.
    #[must_use]
    pub fn tells_of_the_person(&self, wrote: Wrote<'_>) -> bool {
        self.person.iter().any(|(field, text)| !text.is_empty() && wrote.may_write(field, text, true))
            || self.phones.iter().any(|it| !wrote.has("PHONE", it))
            || self.emails.iter().any(|it| !wrote.has("EMAIL", it))
    }
}

/// Adds the texts that have to change, without overwriting what people changed in Bitrix24.
pub fn change_texts(changes: &mut Object<'static>, texts: &[(&'static str, String)], record: &Record, wrote: Wrote<'_>) {
    for (field, ours) in texts {
        let theirs = record.text(field);
        // The hub has names in one piece: where somebody wrote them into two fields, they stay there.
        let parted = *field == "NAME" && record.present("LAST_NAME").is_some();
        if !ours.is_empty() && *ours != theirs && !parted && wrote.may_write(field, ours, theirs.is_empty()) {
            changes.put(*field, ours.clone());
        }
    }
}

/// Adds the phones and addresses that are missing. What stands there without its id is added to what there is.
pub fn change_reach(changes: &mut Object<'static>, wanted: &Wanted, record: &Record, wrote: Wrote<'_>) {
    let missing = |field: &str, ours: &[String], is_same: fn(&str, &str) -> bool| -> Vec<Node<'static>> {
        let theirs = record.values(field);
        let new = ours.iter().filter(|it| !wrote.has(field, it) && !theirs.iter().any(|other| is_same(it, other)));
        new.map(|it| reach(it)).collect()
    };
    for (field, values) in
        [("PHONE", missing("PHONE", &wanted.phones, same::phones)), ("EMAIL", missing("EMAIL", &wanted.emails, same::words))]
    {
        if !values.is_empty() {
            changes.put(field, values);
        }
    }
}

/// All phones and addresses of a new record.
pub fn put_reach(fields: &mut Object<'static>, wanted: &Wanted) {
    for (field, values) in [("PHONE", &wanted.phones), ("EMAIL", &wanted.emails)] {
        if !values.is_empty() {
            fields.put(field, values.iter().map(|it| reach(it)).collect::<Vec<_>>());
        }
    }
}

fn reach(value: &str) -> Node<'static> {
    parameters([("VALUE", value.to_owned().into()), ("VALUE_TYPE", "WORK".into())]).into()
}
