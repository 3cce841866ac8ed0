//! Fields of a lead and of its person as records tell them, and when two values mean the same.

use std::collections::BTreeMap;

use patchbay_schemas::{Contact, Identity, IdentityKind, Lead, Name, Person, RecordFields, Responsible, Stage, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ingest::LeadState;

/// A field of a lead, or of its person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// How far it came.
    Stage,
    /// Who answers for it.
    Responsible,
    /// What it is about.
    Title,
    /// When somebody will next speak with the person.
    NextContactAt,
    /// Labels.
    Tags,
    /// The person's name.
    Name,
    /// The company that the person speaks for.
    Company,
    /// Where the person lives or is.
    City,
    /// The person's phones. A word of its people holds those that they typed in, and not those that the hub had written there.
    Phones,
    /// The same of e-mail addresses.
    Emails,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Stage,
        Self::Responsible,
        Self::Title,
        Self::NextContactAt,
        Self::Tags,
        Self::Name,
        Self::Company,
        Self::City,
        Self::Phones,
        Self::Emails,
    ];
    /// Those of the person: which one is shown is settled among all sources of the person, not here.
    pub const OF_PERSON: [Self; 5] = [Self::Name, Self::Company, Self::City, Self::Phones, Self::Emails];

    /// True of those.
    #[must_use]
    pub fn is_of_person(self) -> bool {
        Self::OF_PERSON.contains(&self)
    }

    /// What of a person a list of these points by.
    #[must_use]
    pub fn kind(self) -> Option<IdentityKind> {
        match self {
            Self::Phones => Some(IdentityKind::Phone),
            Self::Emails => Some(IdentityKind::Email),
            _ => None,
        }
    }

    /// As it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Responsible => "responsible",
            Self::Title => "title",
            Self::NextContactAt => "next_contact_at",
            Self::Tags => "tags",
            Self::Name => "name",
            Self::Company => "company",
            Self::City => "city",
            Self::Phones => "phones",
            Self::Emails => "emails",
        }
    }
}

/// The fields of a record that say something. Phones and addresses are taken as they stand: in their one form, where they are to be compared.
#[must_use]
pub fn values(fields: &RecordFields) -> BTreeMap<Field, Value> {
    let RecordFields { stage, responsible, title, next_contact_at, tags, person, person_whole } = fields;
    let title = title.as_ref().filter(|it| !it.trim().is_empty());
    let next = next_contact_at.map(|it| Value::from(it.to_string()));
    [
        (Field::Stage, stage.as_ref().and_then(json)),
        (Field::Responsible, responsible.as_ref().and_then(json)),
        (Field::Title, title.and_then(json)),
        (Field::NextContactAt, next),
        (Field::Tags, tags.as_ref().and_then(json)),
    ]
    .into_iter()
    .filter_map(|(field, value)| Some((field, value?)))
    .chain(of_person(person.as_ref(), *person_whole))
    .collect()
}

/// What a record says of its person. Where it says all, what is missing is empty.
fn of_person(person: Option<&Person>, whole: bool) -> impl Iterator<Item = (Field, Value)> {
    let text = |it: Option<&str>| Value::from(it.map(str::trim).unwrap_or_default());
    let list = |kind| {
        let identities = person.into_iter().flat_map(|it| &it.identities).filter(|it| it.kind == kind);
        identities.map(|it| Value::from(it.value.as_str())).collect::<Value>()
    };
    let name = person.and_then(|it| it.name.display());
    let said = [
        (Field::Name, text(name.as_deref())),
        (Field::Company, text(person.and_then(|it| it.company.as_deref()))),
        (Field::City, text(person.and_then(|it| it.city.as_deref()))),
        (Field::Phones, list(IdentityKind::Phone)),
        (Field::Emails, list(IdentityKind::Email)),
    ];
    said.into_iter().filter(move |(_, it)| whole || !is_empty(it))
}

/// True of a text, or a list, with nothing in it.
#[must_use]
pub fn is_empty(value: &Value) -> bool {
    value.as_str().is_some_and(str::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// The texts of a list.
#[must_use]
pub fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What is shown of a person, as a record of theirs is to say it.
#[must_use]
pub fn person_of(contact: &Contact) -> Person {
    let reached = |it: &&Identity| matches!(it.kind, IdentityKind::Phone | IdentityKind::Email);
    Person {
        identities: contact.identities.iter().filter(reached).cloned().collect(),
        name: contact.name.clone().map(Name::full).unwrap_or_default(),
        company: contact.company.clone(),
        city: contact.city.clone(),
        ..Person::default()
    }
}

fn json(value: &impl Serialize) -> Option<Value> {
    serde_json::to_value(value).ok()
}

/// What a lead shows, as the record of a sink is to say it; of its person nothing.
#[must_use]
pub fn told(lead: &Lead) -> RecordFields {
    all(&lead.stage, lead.responsible.as_ref(), &lead.title, lead.next_contact_at, &lead.tags)
}

/// The same of a lead as the rules have it.
#[must_use]
pub fn shown(lead: &LeadState) -> RecordFields {
    all(&lead.stage, lead.responsible.as_ref(), &lead.title, lead.next_contact_at, &lead.tags)
}

fn all(stage: &Stage, responsible: Option<&Responsible>, title: &str, next: Option<Timestamp>, tags: &[String]) -> RecordFields {
    RecordFields {
        stage: Some(stage.clone()),
        responsible: responsible.cloned(),
        title: Some(title.to_owned()),
        next_contact_at: next,
        tags: Some(tags.to_vec()),
        person: None,
        person_whole: false,
    }
}

/// True where both mean the same in every field of which both say something.
#[must_use]
pub fn agree(one: &RecordFields, other: &RecordFields) -> bool {
    let other = values(other);
    values(one).iter().all(|(field, it)| other.get(field).is_none_or(|their| alike(*field, it, their)))
}

/// Shows a value. One that is none of the field's changes nothing.
pub fn show(state: &mut LeadState, field: Field, value: Value) {
    let mut fields = RecordFields::default();
    put(&mut fields, field, value);
    let RecordFields { stage, responsible, title, next_contact_at, tags, .. } = fields;
    state.stage = stage.unwrap_or_else(|| state.stage.clone());
    state.responsible = responsible.or_else(|| state.responsible.clone());
    state.title = title.unwrap_or_else(|| state.title.clone());
    state.next_contact_at = next_contact_at.or(state.next_contact_at);
    state.tags = tags.unwrap_or_else(|| state.tags.clone());
}

/// Puts a value into its field. One that is none of the field's changes nothing.
pub fn put(fields: &mut RecordFields, field: Field, value: Value) {
    match field {
        Field::Stage => read(&mut fields.stage, value),
        Field::Responsible => read(&mut fields.responsible, value),
        Field::Title => read(&mut fields.title, value),
        Field::NextContactAt => read(&mut fields.next_contact_at, value),
        Field::Tags => read(&mut fields.tags, value),
        // A person is shown by all of their sources.
        Field::Name | Field::Company | Field::City | Field::Phones | Field::Emails => {}
    }
}

fn read<T: serde::de::DeserializeOwned>(place: &mut Option<T>, value: Value) {
    if let Ok(value) = serde_json::from_value(value) {
        *place = Some(value);
    }
}

/// Whether two values mean the same in two systems: a person by name, a stage without its reason, a time by the minute.
#[must_use]
pub fn alike(field: Field, one: &Value, other: &Value) -> bool {
    match field {
        Field::Stage => stage(one).is_some_and(|it| Some(it) == stage(other)),
        Field::Responsible => one["name"].is_string() && one["name"] == other["name"],
        Field::NextContactAt => minute(one).is_some_and(|it| Some(it) == minute(other)),
        Field::Title | Field::Name | Field::Company | Field::City => one.as_str().map(str::trim) == other.as_str().map(str::trim),
        Field::Tags | Field::Phones | Field::Emails => set(one) == set(other),
    }
}

fn stage(value: &Value) -> Option<&'static str> {
    serde_json::from_value::<Stage>(value.clone()).ok().map(|it| it.name())
}

fn minute(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<Timestamp>().ok().map(|it| it.as_second().div_euclid(60))
}

fn set(value: &Value) -> Vec<&str> {
    let mut texts = texts(value);
    texts.sort_unstable();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_systems_mean_the_same() {
        let same = [
            (Field::Stage, serde_json::json!({ "name": "refused", "reason": "dear" }), serde_json::json!({ "name": "refused" })),
            (Field::Responsible, serde_json::json!({ "id": "7", "name": "Anna" }), serde_json::json!({ "name": "Anna" })),
            (Field::NextContactAt, "2026-03-14T12:00:00Z".into(), "2026-03-14T12:00:59Z".into()),
            (Field::Title, " Roof".into(), "Roof ".into()),
            (Field::Tags, serde_json::json!(["a", "b"]), serde_json::json!(["b", "a"])),
        ];
        for (field, one, other) in same {
            assert!(alike(field, &one, &other), "{field:?}");
            assert!(!alike(field, &one, &Value::from("7")), "{field:?}");
        }
    }

    #[test]
    fn a_record_is_taken_apart_by_fields_and_put_together_again() {
        let responsible = Some(Responsible { id: None, name: "Anna".to_owned() });
        let (title, tags) = (Some("Roof".to_owned()), Some(vec!["a".to_owned()]));
        let fields = RecordFields { stage: Some(Stage::Client), responsible, title, tags, ..RecordFields::default() };
        let mut back = RecordFields::default();
        for (field, value) in values(&fields) {
            put(&mut back, field, value);
        }
        assert_eq!(back, fields);
        put(&mut back, Field::Stage, Value::from(7));
        assert_eq!(back, fields, "a value that is none of the field's changes nothing");
    }
}
