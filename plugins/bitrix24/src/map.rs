//! A record of Bitrix24 in the hub's words.

use patchbay_sdk::json::Node;
use patchbay_sdk::schemas::event::RecordFields;
use patchbay_sdk::schemas::{Event, EventBody, Extra, Identity, Name, Person, RecordAction, RecordChange, Stage, Timestamp, time};
use patchbay_sink::same;
use serde_json::Value;

use crate::ask::{Command, command, ids, list, parameters, result_of};
use crate::client::{Answers, text};
use crate::config::{Config, Kind};
use crate::find::entries;
use crate::payload::{CONTACT_FIELDS, Record, records, unique};
use crate::stage::Entries;
use crate::{next, user};

/// What a record points at: stages, people, when somebody will next speak with the person.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// The stages that records have.
    pub stages: Entries,
    /// The people who answer for the records, as far as they are known.
    pub users: Vec<Record>,
    /// Open activities of the records.
    pub activities: Vec<Record>,
    /// The contacts of deals.
    pub contacts: Vec<Record>,
    /// The companies of deals.
    pub companies: Vec<Record>,
}

/// The ids of what records point at, as they go into filters. None: of nothing.
pub struct Points {
    users: Node<'static>,
    owners: Node<'static>,
    contacts: Option<Node<'static>>,
    companies: Option<Node<'static>>,
}

impl Points {
    /// Of records that were read.
    #[must_use]
    pub fn of(found: &[Record], kind: Kind) -> Self {
        let of = |field: &str| unique(found.iter().map(|it| it.number(field)));
        // An empty filter is passed over: every contact would fit.
        let some = |field: &str| Some(of(field)).filter(|it| kind == Kind::Deal && !it.is_empty()).map(|it| ids(&it));
        Self { users: ids(&of("ASSIGNED_BY_ID")), owners: ids(&of("ID")), contacts: some("CONTACT_ID"), companies: some("COMPANY_ID") }
    }

    /// Of the record with this id, which the command `record` of the same batch reads.
    #[must_use]
    pub fn of_result(id: i64, kind: Kind) -> Self {
        let of = |path: &str| Some(result_of(path)).filter(|_| kind == Kind::Deal);
        let (contacts, companies) = (of("record][0][CONTACT_ID"), of("record][0][COMPANY_ID"));
        Self { users: result_of("record][0][ASSIGNED_BY_ID"), owners: ids(&[id]), contacts, companies }
    }
}

/// Asks for the stages, and for what records point at: people, open activities, and of deals the person.
pub fn ask(commands: &mut Vec<Command<'static>>, config: &Config, points: Points) {
    let Points { users, owners, contacts, companies } = points;
    commands.push(command("stages", "crm.status.list", entries(&config.stages())));
    let filter = parameters([("ID", users)]);
    commands.push(command("users", "user.get", parameters([("FILTER", filter.into())])));
    if config.plans {
        commands.push(command("activities", "crm.activity.list", activities(config.kind, owners, 0)));
    }
    let mut read = |name, method, ids: Option<Node<'static>>, fields: &[&'static str]| {
        if let Some(ids) = ids {
            let one_of = if matches!(ids, Node::List(_)) { "@ID" } else { "ID" };
            commands.push(command(name, method, list(parameters([(one_of, ids)]), ("ID", "ASC"), fields)));
        }
    };
    read("contacts", "crm.contact.list", contacts, CONTACT_FIELDS);
    read("companies", "crm.company.list", companies, &["ID", "TITLE"]);
}

/// A page of the open activities of records, behind an activity.
#[must_use]
pub fn activities(kind: Kind, owners: Node<'static>, after: i64) -> patchbay_sdk::json::Object<'static> {
    let filter =
        parameters([("OWNER_TYPE_ID", kind.number().into()), ("@OWNER_ID", owners), ("COMPLETED", "N".into()), (">ID", after.into())]);
    list(filter, ("ID", "ASC"), &["ID", "OWNER_ID", "DEADLINE", "SUBJECT"])
}

impl Around {
    /// What was asked for. A hook that may not read people gives no names.
    #[must_use]
    pub fn read(answers: &Answers) -> Self {
        let list = |name| answers.found(name).map(records).unwrap_or_default();
        Self {
            stages: Entries::read(answers.found("stages")),
            users: list("users"),
            activities: list("activities"),
            contacts: list("contacts"),
            companies: list("companies"),
        }
    }

    /// The contact of a deal.
    fn contact(&self, deal: &Record) -> Option<&Record> {
        self.contacts.iter().find(|it| it.id() == deal.number("CONTACT_ID"))
    }

    /// The person of a deal, as its contact and its company say, and whether that is all that they say.
    fn person(&self, deal: &Record) -> (Option<Person>, bool) {
        let Some(contact) = self.contact(deal) else { return (None, false) };
        let of = deal.number("COMPANY_ID");
        let company = self.companies.iter().find(|it| of != 0 && it.id() == of).and_then(|it| it.present("TITLE"));
        let whole = of == 0 || company.is_some();
        let person = match (person(contact), company) {
            (None, None) => None,
            (person, company) => Some(Person { company, ..person.unwrap_or_default() }),
        };
        (person, whole)
    }

    fn next(&self, record: i64) -> Option<Timestamp> {
        self.activities.iter().filter(|it| it.number("OWNER_ID") == record).filter_map(next::due).min()
    }
}

/// The event of a changed record. Its id holds the second of the change and a fingerprint of what the record says: a to-do changes what
/// it says without touching it. A deal changes with its contact.
#[must_use]
pub fn changed(record: &Record, around: &Around, config: &Config) -> Event {
    let own = record.text("DATE_MODIFY");
    let of_contact = around.contact(record).filter(|_| config.kind == Kind::Deal).map(|it| it.text("DATE_MODIFY")).unwrap_or_default();
    let written = if time::parse(&of_contact) > time::parse(&own) { of_contact } else { own };
    let action = if record.text("DATE_CREATE") == written { RecordAction::Created } else { RecordAction::Updated };
    let (fields, extra) = (fields(record, around, config), extra(record));
    Event {
        id: [config.kind.name(), ":", &record.id().to_string(), ":", &written, ":", &print(&fields, &extra)].concat(),
        occurred_at: time::parse(&written),
        body: EventBody::Record(RecordChange {
            entity: config.kind.name().to_owned(),
            action,
            external_id: record.id().to_string(),
            lead: None,
            person_ref: None,
            fields,
            extra,
        }),
    }
}

/// A fingerprint of what a record says.
#[must_use]
pub fn print(fields: &RecordFields, extra: &Extra) -> String {
    same::print(&[text(fields), text(extra)].concat())
}

/// What the record says in the hub's words.
#[must_use]
pub fn fields(record: &Record, around: &Around, config: &Config) -> RecordFields {
    let (person, person_whole) = match config.kind {
        Kind::Lead => (person(record), true),
        Kind::Deal => around.person(record),
    };
    RecordFields {
        stage: stage(record, &around.stages, config),
        responsible: user::shown(record.number("ASSIGNED_BY_ID"), &around.users),
        title: record.present("TITLE"),
        next_contact_at: around.next(record.id()).filter(|_| config.plans),
        tags: None,
        person,
        person_whole,
    }
}

/// The hub's stage of a record: the one whose name the configuration gives, else won, lost, and by what is known of the person.
fn stage(record: &Record, stages: &Entries, config: &Config) -> Option<Stage> {
    let code = record.text(config.kind.stage_field());
    let meaning = record.text(config.kind.meaning_field());
    if code.is_empty() {
        return None;
    }
    let refused = || Stage::Refused { reason: stages.of(&code).map(|it| it.name.clone()), return_at: None };
    let word = match meaning.as_str() {
        "S" => "won",
        "F" => "lost",
        _ => "",
    };
    let is = |named: &str| match named {
        "" => false,
        "won" | "lost" => named == word,
        named => stages.called(named).is_some_and(|it| it.code == code),
    };
    let [interest, lead, client, lost] = config.named_stages();
    if is(client) {
        return Some(Stage::Client);
    }
    if is(lost) {
        return Some(refused());
    }
    if is(lead) {
        return Some(Stage::Lead);
    }
    if is(interest) {
        return Some(Stage::Interest);
    }
    match word {
        "won" => Some(Stage::Client),
        "lost" => Some(refused()),
        _ => {
            let reachable = config.kind == Kind::Deal && record.number("CONTACT_ID") != 0
                || ["NAME", "LAST_NAME"].iter().any(|it| record.present(it).is_some())
                || ["PHONE", "EMAIL"].iter().any(|it| !record.values(it).is_empty());
            Some(if reachable { Stage::Lead } else { Stage::Interest })
        }
    }
}

/// The person behind a record, where it says anything of one.
#[must_use]
pub fn person(record: &Record) -> Option<Person> {
    let phones = record.values("PHONE").into_iter().map(Identity::phone);
    let emails = record.values("EMAIL").into_iter().map(Identity::email);
    let name = Name { middle: record.present("SECOND_NAME"), ..Name::parts(record.present("NAME"), record.present("LAST_NAME")) };
    let person = Person {
        // Somebody of the company typed these in: nobody vouches for them.
        identities: phones.chain(emails).map(Identity::stated).collect(),
        name,
        company: record.present("COMPANY_TITLE"),
        city: record.present("ADDRESS_CITY"),
        ..Person::default()
    };
    (person != Person::default()).then_some(person)
}

/// What has no place of its own, so that a mapping can reach it.
#[must_use]
pub fn extra(record: &Record) -> Extra {
    let mut extra = Extra::new();
    for field in [
        "STATUS_ID",
        "STAGE_ID",
        "CATEGORY_ID",
        "SOURCE_ID",
        "SOURCE_DESCRIPTION",
        "CONTACT_ID",
        "COMPANY_ID",
        "MODIFY_BY_ID",
        "UTM_SOURCE",
        "UTM_MEDIUM",
        "UTM_CAMPAIGN",
        "UTM_CONTENT",
        "UTM_TERM",
    ] {
        if let Some(text) = record.present(field).filter(|it| it != "0") {
            extra.insert(field.to_owned(), Value::from(text));
        }
    }
    extra
}
