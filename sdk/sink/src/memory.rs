//! What the hub wrote into a record, so that a later write leaves alone what people changed there.

use patchbay_schemas::Extra;
use serde_json::Value;

use super::same;

/// What the hub wrote the last time: the object `wrote` of a receipt's details, which comes back with the next command as `known`. It holds
/// fingerprints, by field; a list of them where a field has several values.
#[derive(Debug, Clone, Copy)]
pub struct Wrote<'a> {
    prints: Option<&'a Extra>,
    settled: &'a [String],
    title: &'a str,
}

impl<'a> Wrote<'a> {
    /// From the memory that came with the command.
    #[must_use]
    pub fn of(known: &'a Extra) -> Self {
        Self { prints: known.get("wrote").and_then(Value::as_object), settled: &[], title: "" }
    }

    /// With the fields in which people of this sink were overruled (`settled` of the command): these are written whatever stands there. The
    /// lead's title is the field `title` here; `stage`, `user` and `next` are its stage, who answers for it, and when somebody speaks with the person.
    #[must_use]
    pub fn against(self, settled: &'a [String], title: &'a str) -> Self {
        Self { settled, title, ..self }
    }

    fn is_settled(self, field: &str) -> bool {
        let name = match field {
            "user" => "responsible",
            "next" => "next_contact_at",
            it if it == self.title => "title",
            it => it,
        };
        self.settled.iter().any(|it| it == name)
    }

    /// Whether to write a value over one that stands in the record: when the hub changed it since it last wrote it; when the hub never
    /// wrote it, only into an empty field.
    #[must_use]
    pub fn may_write(self, field: &str, ours: &str, theirs_is_empty: bool) -> bool {
        self.may_write_print(field, &same::print(ours), theirs_is_empty)
    }

    /// The same for a value of which the fingerprint is known.
    #[must_use]
    pub fn may_write_print(self, field: &str, ours: &str, theirs_is_empty: bool) -> bool {
        match self.prints.and_then(|it| it.get(field)) {
            _ if self.is_settled(field) => true,
            Some(print) => *print != ours,
            None => theirs_is_empty,
        }
    }

    /// Whether the hub wrote this value of a field that has several: where it is missing now, a person took it away.
    #[must_use]
    pub fn has(self, field: &str, value: &str) -> bool {
        let print = same::print(value);
        self.prints.and_then(|it| it.get(field)).and_then(Value::as_array).is_some_and(|it| it.iter().any(|it| *it == print))
    }

    /// What is written now, for the receipt: texts that are not empty, each under its field.
    #[must_use]
    pub fn prints<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Extra {
        // Not collected: that would bring a sort of its own.
        let mut prints = Extra::new();
        for (field, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            prints.insert(field.to_owned(), Value::from(same::print(text)));
        }
        prints
    }

    /// The same of the values of one field.
    #[must_use]
    pub fn list(values: &[String]) -> Value {
        values.iter().map(|it| Value::from(same::print(it))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_changed_stays_and_what_the_hub_changed_is_written() {
        let mut prints = Wrote::prints([("title", "Roof"), ("city", "")]);
        prints.insert("tags".to_owned(), Wrote::list(&["hot".to_owned()]));
        let known = Extra::from_iter([("wrote".to_owned(), Value::Object(prints))]);
        let wrote = Wrote::of(&known);
        assert!(!wrote.may_write("title", "Roof", false), "the hub has nothing new");
        assert!(wrote.may_write("title", "Roof and walls", false));
        assert!(wrote.may_write("city", "Kazan", true) && !wrote.may_write("city", "Kazan", false), "never written");
        assert!(wrote.has("tags", "hot") && !wrote.has("tags", "cold") && !wrote.has("title", "Roof"));
        let settled = ["title".to_owned(), "responsible".to_owned()];
        let against = wrote.against(&settled, "title");
        assert!(against.may_write("title", "Roof", false) && against.may_write("user", "Anna", false), "people here were overruled");
        assert!(!against.may_write("city", "Kazan", false));
        let first = Extra::new();
        assert!(Wrote::of(&first).may_write("title", "Roof", true) && !Wrote::of(&first).may_write("title", "Roof", false));
    }
}
