//! Events of the CRM: they tell an id, and the record is asked for.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::event::RecordFields;
use patchbay_sdk::schemas::{Event, EventBody, Extra, RecordAction, RecordChange};

use super::{Hook, extra};
use crate::ask::{command, list, parameters};
use crate::client::Client;
use crate::config::{Config, Kind};
use crate::find::method;
use crate::map::{self, Around, Points};
use crate::payload::{number, records};
use crate::poll;

/// Changes of the CRM's own set-up, of no lead.
const SET_UP: [&str; 7] = ["USERFIELD", "TYPE", "CURRENCY", "MEASURE", "PRODUCTSECTION", "PRODUCTPROPERTY", "DOCUMENTGENERATOR"];

/// The endings of names, longest first, and what they mean. Anything else means that something happened.
const ENDINGS: [(&str, RecordAction); 8] = [
    ("MOVETOCATEGORY", RecordAction::Changed),
    ("UNREGISTER", RecordAction::Changed),
    ("REGISTER", RecordAction::Changed),
    ("UPDATE", RecordAction::Updated),
    ("DELETE", RecordAction::Deleted),
    ("EXPOSE", RecordAction::Changed),
    ("ADD", RecordAction::Created),
    ("SETENUMVALUES", RecordAction::Changed),
];

/// The events of a changed record. A contact that changed is the person of its deals: the newest fifty are told at once.
pub fn events(client: Client<'_>, config: &Config, hook: &Hook<'_>, rest: &str) -> Result<Vec<Event>, Failure> {
    let mut events: Vec<Event> = event(client, config, hook, rest)?.into_iter().collect();
    if config.kind == Kind::Deal
        && rest == "CONTACTUPDATE"
        && let Some(id) = hook.form.id("data[FIELDS][ID]").and_then(|it| it.parse().ok())
    {
        events.extend(poll::deals_of(client, config, &[id], 1).unwrap_or_default());
    }
    Ok(events)
}

/// The event of a changed record; None: it is of no interest. `rest` is the event's name behind `ONCRM`.
///
/// One that stands for leads is read, since the event says nothing but its id. When Bitrix24 does not answer at once, the event stays as
/// it is and the next poll brings the rest: a slow answer would make Bitrix24 call less often, and it repeats nothing.
fn event(client: Client<'_>, config: &Config, hook: &Hook<'_>, rest: &str) -> Result<Option<Event>, Failure> {
    if SET_UP.iter().any(|it| rest.contains(it)) {
        return Ok(None);
    }
    let (entity, action) =
        ENDINGS.iter().find_map(|(it, action)| Some((rest.strip_suffix(it)?, *action))).unwrap_or((rest, RecordAction::Changed));
    let id = hook.form.id("data[FIELDS][ID]").or_else(|| hook.form.id("data[ID]"));
    let Some(id) = id.filter(|_| !entity.is_empty()) else {
        return Err(Failure::never("bitrix24.hook", format!("the event {} has no id of a record (data[FIELDS][ID])", hook.name)));
    };
    let entity = match (entity, hook.form.get("data[FIELDS][ENTITY_TYPE_ID]")) {
        ("DYNAMICITEM", "") => "dynamic".to_owned(),
        ("DYNAMICITEM", number) => ["dynamic_", number].concat(),
        ("TIMELINECOMMENT", _) => "comment".to_owned(),
        (entity, _) => entity.to_ascii_lowercase(),
    };
    let ours = entity == config.kind.name();
    let (mut fields, mut more) = (RecordFields::default(), Extra::new());
    let mut of = id.clone();
    if ours && action != RecordAction::Deleted {
        if let Some((read, about)) = read(client, config, &id) {
            // Two changes within a second are two events where they say different things.
            of = [&*id, ":", &map::print(&read, &about)].concat();
            (fields, more) = (read, about);
        }
    } else {
        more = extra(&hook.form.under("data[FIELDS]"));
        more.remove("ID");
    }
    // Numbers of leads, deals and contacts overlap; those of the records that stand for leads are known to the hub as they are.
    let external_id = if ours { id } else { [&*entity, ":", &id].concat() };
    let change = RecordChange { entity, action, external_id, lead: None, person_ref: None, fields, extra: more };
    Ok(Some(hook.event(&of, EventBody::Record(change))))
}

/// What a record says now; None: it could not be read at once, or is gone.
fn read(client: Client<'_>, config: &Config, id: &str) -> Option<(RecordFields, Extra)> {
    let id: i64 = id.parse().ok()?;
    let filter = parameters([("ID", id.into())]);
    let mut commands = vec![command("record", method(config.kind, "list"), list(filter, ("ID", "DESC"), config.kind.fields()))];
    map::ask(&mut commands, config, Points::of_result(id, config.kind));
    // Without a record there is nobody to ask for, and nothing is lost with the rest of the batch.
    let answers = client.batch(true, &commands).ok()?;
    let record = answers.found("record").map(records)?.into_iter().next()?;
    // What is known in part would look like a change.
    answers.get("stages").ok()?;
    if config.plans && answers.failure("users").is_none() {
        answers.get("activities").ok()?;
    }
    let around = Around::read(&answers);
    (number(&record.0["ID"]) == id).then(|| (map::fields(&record, &around, config), map::extra(&record)))
}
