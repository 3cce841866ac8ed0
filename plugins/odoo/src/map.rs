//! A record of Odoo in the hub's words.

use patchbay_sdk::schemas::event::RecordFields;
use patchbay_sdk::schemas::{Event, EventBody, Extra, Identity, Name, Person, RecordAction, RecordChange, Responsible, Stage, Timestamp};
use patchbay_sink::same;

use crate::client::text;
use crate::config::Config;
use crate::payload::Record;
use crate::time;

/// The event of a changed `crm.lead`. Its id holds the second of the change and a fingerprint of what it says:
/// Odoo shows seconds only, and a planned activity or a merge of customers changes what the record says without touching it. `customer`: where that is a person.
#[must_use]
pub fn changed(record: &Record, next: Option<Timestamp>, customer: Option<i64>, at: &str, config: &Config) -> Event {
    let written = record.text("write_date");
    let action = if record.text("create_date") == written { RecordAction::Created } else { RecordAction::Updated };
    let fields = fields(record, next, config);
    let extra = extra(record);
    let print = same::print(&format!("{}{}", text(&fields), text(&extra)));
    Event {
        id: format!("crm.lead:{}:{written}:{print}", record.id()),
        occurred_at: time::parse(at),
        body: EventBody::Record(RecordChange {
            entity: "crm.lead".to_owned(),
            action,
            external_id: record.id().to_string(),
            lead: None,
            person_ref: customer.map(|it| it.to_string()),
            fields,
            extra,
        }),
    }
}

/// What the record says in the hub's words. `next`: when its earliest planned activity is due.
#[must_use]
pub fn fields(record: &Record, next: Option<Timestamp>, config: &Config) -> RecordFields {
    let user = record.link("user_id");
    RecordFields {
        stage: stage(record, config),
        responsible: (user != 0).then(|| Responsible { id: Some(user.to_string()), name: record.link_name("user_id").to_owned() }),
        title: record.present("name"),
        next_contact_at: next,
        tags: None,
        person: person(record),
        person_whole: true,
    }
}

/// The hub's stage of a record: the one whose name the configuration gives, else won, lost, and by what is known of the person.
fn stage(record: &Record, config: &Config) -> Option<Stage> {
    let lost =
        || Stage::Refused { reason: Some(record.link_name("lost_reason_id").to_owned()).filter(|it| !it.is_empty()), return_at: None };
    let name = match record.text("won_status") {
        "won" => "won",
        "lost" => "lost",
        _ => record.link_name("stage_id"),
    };
    let mapped = |it: &str| !it.trim().is_empty() && it.trim() == name;
    if mapped(&config.stage_client) {
        return Some(Stage::Client);
    }
    if mapped(&config.stage_refused) {
        return Some(lost());
    }
    if mapped(&config.stage_lead) {
        return Some(Stage::Lead);
    }
    if mapped(&config.stage_interest) {
        return Some(Stage::Interest);
    }
    match name {
        "won" => Some(Stage::Client),
        "lost" => Some(lost()),
        // Put away by hand, neither won nor lost: that says nothing about the lead.
        _ if record.0["active"] == false => None,
        _ => {
            let reachable = ["contact_name", "phone", "email_from"].iter().any(|it| !record.text(it).is_empty());
            Some(if reachable { Stage::Lead } else { Stage::Interest })
        }
    }
}

/// The person behind a record, where it says anything of one.
#[must_use]
pub fn person(record: &Record) -> Option<Person> {
    let identities: Vec<Identity> =
        record.present("phone").map(Identity::phone).into_iter().chain(record.present("email_from").map(Identity::email)).collect();
    // Somebody of the company typed these in: nobody vouches for them.
    let person = Person {
        identities: identities.into_iter().map(Identity::stated).collect(),
        name: Name::full(record.text("contact_name")),
        company: record.present("partner_name"),
        city: record.present("city"),
        ..Person::default()
    };
    (person != Person::default()).then_some(person)
}

fn extra(record: &Record) -> Extra {
    let mut extra = Extra::new();
    for field in ["stage_id", "lost_reason_id", "source_id", "medium_id", "campaign_id", "write_uid", "partner_id"] {
        if record.link(field) != 0 {
            extra.insert(field.to_owned(), record.0[field].clone());
        }
    }
    for field in ["type", "won_status", "priority"] {
        if !record.text(field).is_empty() {
            extra.insert(field.to_owned(), record.0[field].clone());
        }
    }
    extra
}
