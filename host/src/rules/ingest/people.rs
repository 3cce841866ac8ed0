//! What an event says of the outside person.

use patchbay_schemas::{EventBody, Person};

use super::known::ContactState;

/// The person that an event tells of.
#[must_use]
pub fn person(body: &EventBody) -> Option<&Person> {
    match body {
        EventBody::Person(it) => Some(it),
        EventBody::Other(it) => it.person.as_ref(),
        // A change of a CRM's record says who it is about, but that record came from us or comes with the import.
        EventBody::Status(_) | EventBody::Record(_) => None,
        _ => body.interaction().map(|it| &it.person),
    }
}

/// The values that a person's data claim, by field.
pub fn claims(person: &Person) -> impl Iterator<Item = (&'static str, String)> {
    let name = person.name.display();
    let rest = [("company", &person.company), ("city", &person.city), ("language", &person.language)];
    let rest = rest.into_iter().filter_map(|(field, value)| Some((field, value.clone()?)));
    name.map(|it| ("name", it)).into_iter().chain(rest).filter(|(_, value)| !value.trim().is_empty())
}

impl ContactState {
    /// The shown value of a claimed field.
    pub fn shown(&mut self, field: &str) -> &mut Option<String> {
        match field {
            "company" => &mut self.company,
            "city" => &mut self.city,
            "language" => &mut self.language,
            _ => &mut self.name,
        }
    }
}
