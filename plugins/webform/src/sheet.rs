//! A submission laid out flat: every scalar with its names and the part of the document that it stands in.

use patchbay_sdk::schemas::{Attachment, Extra};
use serde_json::Value;

use crate::field::{self, Hint, Pair};
use crate::label::{LONGEST, Label, member, plain};
use crate::value;
use crate::words::{ABOUT_SUBMISSION, CONTAINERS, Canon, ENVELOPE, PEOPLE};

/// The part of a document that a value stands in; the person's words weigh most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// About the vendor, the site or the form.
    Envelope,
    /// About the submission.
    About,
    /// Beside what was typed.
    Root,
    /// In the vendor's record of the person.
    Contact,
    /// What was typed.
    Answers,
}

/// One scalar.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Its place: `data.fields.0.value`.
    pub path: String,
    /// Its names, best first.
    pub labels: Vec<Label>,
    /// What the builder says of its kind.
    pub hint: Hint,
    /// Its part of the document.
    pub zone: Zone,
    /// It is the value of an object that is one field, so a date in it is the person's and not the vendor's.
    pub asked: bool,
    /// Itself, trimmed.
    pub text: String,
}

/// A submission laid out flat.
#[derive(Debug, Default)]
pub struct Sheet {
    /// Every scalar, in the document's order.
    pub leaves: Vec<Leaf>,
    /// What was typed, as sent.
    pub fields: Extra,
    /// What the vendor adds.
    pub extra: Extra,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Titles of fields by their ids, from the form's definition.
    titles: Extra,
    quiet: Quiet,
    /// The next number of names that are there often.
    repeats: Extra,
    /// True while the value of an object that is one field is laid out.
    asked: bool,
}

/// What is not kept for now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Quiet {
    #[default]
    Nothing,
    Extra,
    Fields,
}

/// Longest text that is looked at for its meaning, bytes; the field itself is kept as it was sent.
const LONGEST_TEXT: usize = 128 << 10;

/// Equal names up to which each is compared with all before it.
const COMPARED: u64 = 16;

/// Deeper than any form; what lies below is not looked at.
const DEPTH: usize = 24;

/// Lays a document out flat.
#[must_use]
pub fn lay_out(document: &Extra) -> Sheet {
    let mut sheet = Sheet::default();
    collect_titles(document, &mut sheet.titles, DEPTH);
    let zone = if holds_container(document, DEPTH) && !is_typed(document) { Zone::Root } else { Zone::Answers };
    sheet.object(document, "", zone, "", DEPTH);
    sheet
}

impl Sheet {
    fn object(&mut self, object: &Extra, path: &str, zone: Zone, prefix: &str, depth: usize) {
        if depth == 0 {
            return;
        }
        for (key, value) in object {
            self.member(key, value, path, zone, prefix, depth);
        }
    }

    fn member(&mut self, key: &str, value: &Value, path: &str, zone: Zone, prefix: &str, depth: usize) {
        let path = join(path, key);
        let name = if prefix.is_empty() || zone == Zone::About {
            key.to_owned()
        } else {
            format!("{prefix} {}", &key[..key.floor_char_boundary(LONGEST)])
        };
        let plain_key = plain(key);
        let outside = zone < Zone::Root;
        match value {
            Value::Object(_) | Value::Array(_) if outside => self.group(key, value, &path, zone, &name, depth),
            Value::Object(object) if zone == Zone::Answers && field::pair(object, Some(key)).is_some() => {
                self.group(key, value, &path, zone, &name, depth);
            }
            Value::Object(object) if PEOPLE.contains(&plain_key.as_str()) && field::pair(object, Some(key)).is_none() => {
                self.object(object, &path, Zone::Contact, "", depth - 1);
            }
            Value::Object(object) if is_container(&plain_key, object, depth) => {
                if let Some(pair) = field::pair(object, None).filter(|_| object.keys().any(|it| plain(it).starts_with("value"))) {
                    return self.pair(&pair, &path, Zone::Answers, depth);
                }
                let zone =
                    if zone != Zone::Answers && holds_container(object, depth) && !is_typed(object) { Zone::Root } else { Zone::Answers };
                self.object(object, &path, zone, "", depth - 1);
            }
            Value::Array(_) if CONTAINERS.contains(&plain_key.as_str()) => self.group(key, value, &path, Zone::Answers, &name, depth),
            Value::Object(_) | Value::Array(_)
                if ENVELOPE.contains(&plain_key.as_str()) || matches!(plain_key.as_str(), "form" | "survey" | "quiz") =>
            {
                self.keep(key, value, Zone::Root);
                let zone = if ABOUT_SUBMISSION.contains(&plain_key.as_str()) { Zone::About } else { Zone::Envelope };
                self.group(key, value, &path, zone, &name, depth);
            }
            Value::Object(_) | Value::Array(_) => self.group(key, value, &path, zone, &name, depth),
            scalar => {
                self.keep(key, scalar, zone);
                let labels = self.titled(&[plain_key, key.to_owned()], &[&name]);
                self.leaf(&path, labels, Hint::None, zone, field::text(scalar));
            }
        }
    }

    /// A value that is no scalar and no part of its own: one field, a list, or parts of a field.
    fn group(&mut self, key: &str, value: &Value, path: &str, zone: Zone, name: &str, depth: usize) {
        if depth == 0 {
            return;
        }
        match value {
            Value::Object(object) => {
                if let Some(pair) = field::pair(object, Some(key)) {
                    return self.pair(&pair, path, zone, depth);
                }
                self.keep(key, value, zone);
                let labels = self.titled(&[key.to_owned()], &[name]);
                if !self.parts(object, path, zone, &labels) {
                    self.quietly(zone, |it| it.object(object, path, zone, name, depth - 1));
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                // A list that is not made of fields is kept in one piece.
                let whole =
                    items.iter().any(|it| it.as_object().is_none_or(|it| field::pair(it, None).is_none() && !holds_container(it, depth)));
                if whole {
                    self.keep(key, value, zone);
                    self.quietly(zone, |it| it.list(items, path, zone, name, depth));
                } else {
                    self.list(items, path, zone, name, depth);
                }
            }
            list => {
                self.keep(key, list, zone);
                let labels = self.titled(&[key.to_owned()], &[name]);
                self.leaf(path, labels, Hint::None, zone, field::text(list));
            }
        }
    }

    /// What stands in a list is one of many: its `name` is not the person's, so it is called `items item name`.
    fn list(&mut self, items: &[Value], path: &str, zone: Zone, name: &str, depth: usize) {
        for (at, item) in items.iter().enumerate() {
            let path = join(path, &at.to_string());
            match item {
                Value::Object(object) => {
                    if let Some(pair) = field::pair(object, None) {
                        self.pair(&pair, &path, zone, depth);
                    } else {
                        let zone = if zone == Zone::Answers && holds_container(object, depth) { Zone::Root } else { zone };
                        self.object(object, &path, zone, &format!("{name} item"), depth - 1);
                    }
                }
                scalar => self.leaf(&path, vec![Label::new(name)], Hint::None, zone, field::text(scalar)),
            }
        }
    }

    fn pair(&mut self, pair: &Pair<'_>, path: &str, zone: Zone, depth: usize) {
        let before = std::mem::replace(&mut self.asked, true);
        self.answer(pair, path, zone, depth);
        self.asked = before;
    }

    fn answer(&mut self, pair: &Pair<'_>, path: &str, zone: Zone, depth: usize) {
        let labels = self.titled(&pair.ids, &pair.labels);
        let shown = self.title(&pair.ids).or_else(|| pair.labels.first().map(|it| (*it).to_owned())).or_else(|| pair.ids.first().cloned());
        if zone >= Zone::Root {
            self.field(&shown.unwrap_or_else(|| path.to_owned()), pair.value.clone());
        }
        let files = self.attachments.len();
        field::files(pair.value, pair.hint, &mut self.attachments);
        if self.attachments.len() > files {
            return;
        }
        match pair.value {
            Value::Object(object) if self.parts(object, path, zone, &labels) => {}
            Value::Object(object) if field::text(pair.value).is_empty() && depth > 0 => {
                let name = pair.labels.first().copied().unwrap_or_default();
                self.quietly(zone, |it| it.object(object, path, zone, name, depth - 1));
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let texts: Vec<String> = items.iter().map(field::text).collect();
                for (at, text) in texts.iter().enumerate() {
                    // SurveyMonkey writes rows of one question as `Email Address | anna@example.com`.
                    if let Some((row, text)) = text.split_once(" | ") {
                        self.leaf(&join(path, &at.to_string()), vec![Label::new(row)], pair.hint, zone, text.to_owned());
                    }
                }
                self.leaf(path, labels, pair.hint, zone, pair.text());
            }
            _ => self.leaf(path, labels, pair.hint, zone, pair.text()),
        }
    }

    /// Values that builders take apart: a name in first and last, a phone in area and number.
    fn parts(&mut self, object: &Extra, path: &str, zone: Zone, labels: &[Label]) -> bool {
        if let Some(parts) = name_parts(object) {
            for (label, text) in parts {
                self.leaf(&join(path, label), vec![Label::new(label)], Hint::None, zone, text);
            }
            return true;
        }
        let at = |names: &[&str]| member(object, names).map(field::text);
        let code = at(&["area", "countrycode", "dialcode", "prefix", "phonecode"]);
        if let (Some(code), Some(number)) = (code, at(&["phone", "number", "nationalnumber", "phonenumber", "value"])) {
            let whole = if number.starts_with('+') { number } else { format!("{code} {number}") };
            self.leaf(path, labels.to_vec(), Hint::Phone, zone, whole);
            return true;
        }
        false
    }

    fn leaf(&mut self, path: &str, labels: Vec<Label>, hint: Hint, zone: Zone, text: String) {
        let text = if text.len() > LONGEST_TEXT { text[..text.floor_char_boundary(LONGEST_TEXT)].to_owned() } else { text };
        self.leaves.push(Leaf { path: path.to_owned(), labels, hint, zone, asked: self.asked, text });
    }

    fn titled(&self, ids: &[String], names: &[&str]) -> Vec<Label> {
        self.title(ids).as_deref().into_iter().chain(names.iter().copied()).map(Label::new).collect()
    }

    fn title(&self, ids: &[String]) -> Option<String> {
        ids.iter().find_map(|id| self.titles.get(id)?.as_str()).map(str::to_owned)
    }

    /// Keeps what was typed among the fields and everything else among the extras.
    fn keep(&mut self, key: &str, value: &Value, zone: Zone) {
        match zone {
            Zone::Answers | Zone::Contact => self.field(key, value.clone()),
            Zone::Root if self.quiet == Quiet::Nothing => {
                self.extra.entry(key).or_insert_with(|| value.clone());
            }
            Zone::Root | Zone::Envelope | Zone::About => {}
        }
    }

    fn field(&mut self, name: &str, value: Value) {
        if self.quiet == Quiet::Fields {
            return;
        }
        let name = name.trim();
        let mut free = name.to_owned();
        let mut count = 1;
        while self.fields.get(&free).is_some_and(|it| *it != value) {
            count += 1;
            if count == COMPARED {
                // From here on each has a number of its own: to look through all of them again for each would take for ever.
                let last = self.repeats.get(name).and_then(Value::as_u64).unwrap_or(COMPARED);
                self.repeats.insert(name.to_owned(), (last + 1).into());
                free = format!("{name} ({last})");
                break;
            }
            free = format!("{name} ({count})");
        }
        self.fields.insert(free, value);
    }

    /// Parts of what was kept whole are not kept again; fields that stand outside of the answers still are.
    fn quietly(&mut self, zone: Zone, work: impl FnOnce(&mut Self)) {
        let before = self.quiet;
        self.quiet = if zone > Zone::Root { Quiet::Fields } else { before.max(Quiet::Extra) };
        work(self);
        self.quiet = before;
    }
}

fn join(path: &str, key: &str) -> String {
    let key = &key[..key.floor_char_boundary(LONGEST)];
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// `{first, last}` in the builders' words.
fn name_parts(object: &Extra) -> Option<Vec<(&'static str, String)>> {
    const PARTS: [(&str, &[&str]); 4] = [
        ("first name", &["first", "givenname", "firstname"]),
        ("middle name", &["middle", "middlename"]),
        ("last name", &["last", "surname", "familyname", "lastname"]),
        ("full name", &["full", "fullname"]),
    ];
    let short = object.keys().any(|it| matches!(plain(it).as_str(), "first" | "last")) && object.len() <= 8;
    if !short {
        return None;
    }
    let found = PARTS.iter().filter_map(|(label, keys)| {
        let text = field::text(member(object, keys)?);
        (!text.is_empty()).then_some((*label, text))
    });
    Some(found.collect())
}

/// True when somebody's phone or e-mail address is a member of the object itself.
fn is_typed(object: &Extra) -> bool {
    object.iter().filter(|(_, value)| value.is_string() || value.is_number()).any(|(key, value)| {
        let (label, text) = (Label::new(key), field::text(value));
        (label.fit(Canon::Email).is_some() && value::is_email(&text))
            || (label.fit(Canon::Phone).is_some() && !value::phones(&text).is_empty())
    })
}

fn is_container(key: &str, object: &Extra, depth: usize) -> bool {
    CONTAINERS.contains(&key) && (key != "form" || is_typed(object) || holds_container(object, depth))
}

/// True when a member, or a member of a container, holds fields.
fn holds_container(object: &Extra, depth: usize) -> bool {
    depth > 0
        && object.iter().any(|(key, value)| {
            let key = plain(key);
            match value {
                Value::Object(inner) => is_container(&key, inner, depth - 1) || PEOPLE.contains(&key.as_str()),
                Value::Array(items) => CONTAINERS.contains(&key.as_str()) && items.iter().any(Value::is_object),
                _ => false,
            }
        })
}

/// Titles from definitions: objects in lists that have an id and a title but no value.
fn collect_titles(object: &Extra, titles: &mut Extra, depth: usize) {
    if depth == 0 {
        return;
    }
    for value in object.values() {
        match value {
            Value::Object(inner) => collect_titles(inner, titles, depth - 1),
            Value::Array(items) => {
                for item in items.iter().filter_map(Value::as_object) {
                    let at = |names: &[&str]| member(item, names);
                    let title = at(&["title", "label", "question", "questiontext", "heading", "displayname"]).and_then(Value::as_str);
                    let valued = at(&["value", "answer", "values"]).is_some();
                    if let Some(title) = title.filter(|it| !it.trim().is_empty() && !valued) {
                        let ids = ["id", "ref", "key", "questionid", "fieldid", "slug"].iter().filter_map(|it| at(&[it]));
                        for id in ids.map(field::text).filter(|it| !it.is_empty()) {
                            titles.entry(id).or_insert_with(|| Value::from(title));
                        }
                    }
                    collect_titles(item, titles, depth - 1);
                }
            }
            _ => {}
        }
    }
}

/// True for an object that is a submission of its own: it holds fields, or somebody's phone or e-mail address.
#[must_use]
pub fn is_submission(object: &Extra) -> bool {
    field::pair(object, None).is_none() && (is_typed(object) || holds_container(object, DEPTH))
}
