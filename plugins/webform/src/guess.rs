//! What a submission says: the configuration's mapping first, then the words, then the look of a value.

use patchbay_sdk::schemas::interaction::Form;
use patchbay_sdk::schemas::{Extra, Identity, Name, Person, Source, Timestamp};
use serde_json::Value;

use crate::config::Config;
use crate::field::Hint;
use crate::label::{Fit, Label, WHOLE, plain, row};
use crate::sheet::{Leaf, Sheet, Zone};
use crate::words::{Canon, PEOPLE, TABLE};
use crate::{source, time, value};

/// What a submission says.
#[derive(Debug, Default)]
pub struct Guess {
    /// Who sent it.
    pub person: Person,
    /// What was written.
    pub text: Option<String>,
    /// Where the person came from.
    pub source: Source,
    /// The submission.
    pub form: Form,
    /// When it was sent.
    pub at: Option<Timestamp>,
    /// How much `form.id` can be trusted to be of this submission alone.
    pub id_is_vendors: bool,
}

/// More phones and addresses than this are no longer one person's.
const MOST_IDENTITIES: usize = 4;

/// Reads a submission.
#[must_use]
pub fn guess(sheet: &Sheet, config: &Config) -> Guess {
    let look = Look { sheet, config };
    let mut person = Person { name: look.name(), ..Person::default() };
    person.company = look.first(Canon::Company, Zone::Contact, is_text);
    person.city = look.first(Canon::City, Zone::Contact, is_text);
    person.identities = look.identities();
    let (id, id_is_vendors) = look.submission_id();
    let form = Form { id, name: look.form_name(), fields: sheet.fields.clone(), consent: look.consent() };
    let mut source = source::of(&sheet.leaves);
    source.page = look.address(Canon::Page).or(source.page);
    source.referrer = look.address(Canon::Referrer);
    if source.page.is_none() {
        source.page = source.referrer.take();
    }
    Guess { person, text: look.text(), source, form, at: look.submitted_at(), id_is_vendors }
}

struct Look<'a> {
    sheet: &'a Sheet,
    config: &'a Config,
}

/// A leaf and how well it fits; leaves that the configuration names fit best.
type Found<'a> = (Fit, &'a Leaf);

const MAPPED: Fit = Fit::MAX;

/// A whole name weighs most, then where it stands, then how good the name is.
fn weight((fit, leaf): Found<'_>) -> usize {
    usize::from(fit >= WHOLE) << 24 | (leaf.zone as usize) << 16 | usize::from(fit)
}

/// Sorted by these keys, and among equals as they came. One sort for all: each more would be kilobytes.
fn in_order(mut keyed: Vec<(usize, Found<'_>)>) -> impl Iterator<Item = Found<'_>> {
    keyed.sort_by_key(|it| it.0);
    keyed.into_iter().map(|it| it.1)
}

impl<'a> Look<'a> {
    /// Leaves of a meaning in a zone that weighs at least `zone`, best first.
    fn all(&self, canon: Canon, zone: Zone) -> Vec<Found<'a>> {
        let mapped = self.mapped(canon);
        let hint = match canon {
            Canon::Email => Hint::Email,
            Canon::Phone => Hint::Phone,
            Canon::Consent => Hint::Consent,
            _ => Hint::File,
        };
        let fits = |leaf: &'a Leaf| {
            let fit = leaf.labels.iter().filter_map(|it| it.fit(canon)).max();
            let hinted = (leaf.hint == hint || canon == Canon::Name && leaf.hint == Hint::Name).then_some(WHOLE);
            let excluded = leaf.labels.first().is_some_and(|it| it.excludes(canon));
            fit.max(hinted).filter(|_| !excluded).map(|fit| (fit, leaf))
        };
        let found = self.sheet.leaves.iter().filter(|it| it.zone >= zone && it.hint != Hint::File).filter_map(fits);
        let best_first = in_order(found.map(|it| (usize::MAX - weight(it), it)).collect());
        mapped.into_iter().map(|leaf| (MAPPED, leaf)).chain(best_first).collect()
    }

    /// Leaves that the configuration names for a meaning.
    fn mapped(&self, canon: Canon) -> Vec<&'a Leaf> {
        let names = self.config.mapping.iter().filter(|(name, _)| row(name).is_some_and(|it| it.canon == canon)).flat_map(|it| &it.1);
        names.flat_map(|name| named(&self.sheet.leaves, name)).collect()
    }

    fn first(&self, canon: Canon, zone: Zone, fits: fn(&str) -> bool) -> Option<String> {
        self.all(canon, zone).into_iter().map(|it| it.1.text.as_str()).find(|it| fits(it)).map(str::to_owned)
    }

    fn name(&self) -> Name {
        let full = self.first(Canon::FullName, Zone::Root, value::is_name);
        let name = self.first(Canon::Name, Zone::Contact, value::is_name);
        let given = self.first(Canon::Given, Zone::Root, value::is_name);
        let middle = self.first(Canon::Middle, Zone::Root, value::is_name);
        let family = self.first(Canon::Family, Zone::Root, value::is_name);
        let one_word = |it: &str| !it.trim().contains(' ');
        let (given, family, name) = match (given, family, name) {
            (None, None, name) => (None, None, name),
            // `Имя` beside `Фамилия` is the first name, `Name` beside `Vorname` the last.
            (None, Some(family), Some(name)) if one_word(&name) || !name.contains(&family) => (Some(name), Some(family), None),
            (Some(given), None, Some(name)) if one_word(&name) && name != given => (Some(given), Some(name), None),
            (given, family, name) => {
                let whole =
                    name.filter(|name| [&given, &family].into_iter().flatten().all(|part| name.contains(part.as_str())) && !one_word(name));
                (given, family, whole)
            }
        };
        Name { full: full.or(name), given, middle, family }
    }

    fn identities(&self) -> Vec<Identity> {
        let mut phones: Vec<String> = Vec::new();
        for (at, (fit, leaf)) in self.all(Canon::Phone, Zone::Root).into_iter().enumerate() {
            // A second number counts only where its name leaves no doubt whose it is.
            if at == 0 || phones.is_empty() || fit >= WHOLE {
                add(&mut phones, value::phones(&leaf.text), digits);
            }
        }
        let mut emails: Vec<String> = Vec::new();
        for (fit, leaf) in self.all(Canon::Email, Zone::Root) {
            if emails.is_empty() || fit >= WHOLE {
                add(&mut emails, Some(leaf.text.as_str()).filter(|it| value::is_email(it)), str::to_lowercase);
            }
        }
        let unknown = || self.sheet.leaves.iter().filter(|it| it.zone >= Zone::Contact && it.hint == Hint::None && it.is_unknown());
        if phones.is_empty() {
            phones.extend(unknown().find(|it| value::looks_like_phone(&it.text)).map(|it| it.text.clone()));
        }
        if emails.is_empty() {
            emails.extend(unknown().find(|it| value::is_email(&it.text)).map(|it| it.text.clone()));
        }
        if phones.is_empty() && emails.is_empty() {
            // An order or an account that holds the fields after all: only names that leave no doubt.
            for (canon, known) in [(Canon::Phone, &mut phones), (Canon::Email, &mut emails)] {
                for (_, leaf) in self.all(canon, Zone::Envelope).into_iter().filter(|it| it.0 >= WHOLE) {
                    match canon {
                        Canon::Phone => add(known, value::phones(&leaf.text), digits),
                        _ => add(known, Some(leaf.text.as_str()).filter(|it| value::is_email(it)), str::to_lowercase),
                    }
                }
            }
        }
        let phones = phones.into_iter().map(|it| Identity::phone(it).stated());
        let emails = emails.into_iter().map(|it| Identity::email(it).stated());
        let person = self.person_id().map(|it| Identity::handle(it).stated());
        phones.chain(emails).chain(person).collect()
    }

    fn person_id(&self) -> Option<String> {
        let own = self.sheet.leaves.iter().find(|it| {
            let mut path = it.path.rsplit('.').map(plain);
            it.zone == Zone::Contact
                && path.next().is_some_and(|it| matches!(it.as_str(), "id" | "uuid" | "guid"))
                && path.next().is_some_and(|it| PEOPLE.contains(&it.as_str()))
        });
        let own = own.map(|it| it.text.clone()).filter(|it| !value::is_placeholder(it));
        own.or_else(|| {
            self.all(Canon::PersonId, Zone::Root)
                .into_iter()
                .find(|it| it.0 >= WHOLE && !value::is_placeholder(&it.1.text))
                .map(|it| it.1.text.clone())
        })
    }

    fn text(&self) -> Option<String> {
        // Beside the answers, `message` is the vendor's word on the delivery.
        let answered = self.sheet.leaves.iter().any(|it| it.zone == Zone::Answers);
        let written =
            |it: &Found<'_>| is_text(&it.1.text) && (it.1.zone != Zone::Root || !answered || it.0 == MAPPED) && !it.1.is_consent();
        let found: Vec<Found<'_>> = self.all(Canon::Message, Zone::Root).into_iter().filter(written).collect();
        if found.first().is_none_or(|it| it.0 < WHOLE) {
            let area = || self.sheet.leaves.iter().find(|it| it.hint == Hint::Textarea && is_text(&it.text));
            let note =
                || self.all(Canon::Note, Zone::Contact).into_iter().find(|it| it.0 >= WHOLE && it.1.zone == Zone::Answers && written(it));
            let any = found.first().map(|it| it.1).or_else(area).or_else(|| note().map(|it| it.1));
            return any.map(|it| it.text.clone());
        }
        // Several are told in the order of the form, which is that of their places in memory; equal ones once.
        let whole = found.into_iter().filter(|it| it.0 >= WHOLE);
        let told = in_order(whole.map(|it| (std::ptr::from_ref(it.1).addr(), it)).collect());
        let mut known = Extra::new();
        let texts: Vec<&str> =
            told.map(|it| it.1.text.as_str()).filter(|it| known.insert((*it).to_owned(), Value::Null).is_none()).collect();
        Some(texts.join("\n"))
    }

    fn consent(&self) -> Option<bool> {
        let configured = self.config.consent_field.as_deref().and_then(|name| named(&self.sheet.leaves, name).next());
        let leaf = configured.or_else(|| self.all(Canon::Consent, Zone::Root).first().map(|it| it.1))?;
        Some(value::agrees(&leaf.text))
    }

    fn form_name(&self) -> Option<String> {
        let named = self.all(Canon::FormName, Zone::Envelope).into_iter().find(|it| it.0 >= WHOLE && is_text(&it.1.text));
        let beside = || {
            self.sheet.leaves.iter().find(|it| {
                it.zone == Zone::Root
                    && matches!(plain(&it.path).as_str(), "name" | "title" | "payloadname" | "datatitle")
                    && is_text(&it.text)
            })
        };
        let id = || self.all(Canon::FormId, Zone::Envelope).into_iter().find(|it| it.0 >= WHOLE && is_text(&it.1.text)).map(|it| it.1);
        named.map(|it| it.1).or_else(beside).or_else(id).map(|it| it.text.clone())
    }

    /// The vendor's id, and whether it is one of a submission for certain. An `id` beside the answers may as well be the form's.
    fn submission_id(&self) -> (Option<String>, bool) {
        let usable = |it: &&Leaf| !value::is_placeholder(&it.text) && it.text.len() <= 200;
        let token = self.sheet.leaves.iter().find(|it| it.path.ends_with("form_response.token"));
        let certain = self
            .all(Canon::SubmissionId, Zone::About)
            .into_iter()
            .filter(|it| it.0 >= WHOLE && it.1.zone != Zone::Contact)
            .map(|it| it.1)
            .find(usable)
            .or(token);
        if let Some(leaf) = certain {
            return (Some(leaf.text.clone()), true);
        }
        let parted = self.sheet.leaves.iter().any(|it| it.zone == Zone::Answers && it.path.contains('.'));
        let own = |it: &&Leaf| {
            (it.zone == Zone::Root || (parted && it.zone == Zone::Answers && !it.path.contains('.')))
                && it.path.rsplit('.').next().is_some_and(|it| matches!(plain(it).as_str(), "id" | "uuid" | "guid"))
        };
        let beside = self.sheet.leaves.iter().filter(own).filter(usable).max_by_key(|it| it.path.matches('.').count());
        (beside.map(|it| it.text.clone()), false)
    }

    fn submitted_at(&self) -> Option<Timestamp> {
        let mut best: Option<(Fit, Timestamp)> = None;
        let contacts = self.contacts();
        for (fit, leaf) in self.all(Canon::SubmittedAt, Zone::About) {
            let vendors = fit >= WHOLE && leaf.zone != Zone::Contact && !leaf.asked && !is_of_contact(leaf, &contacts);
            if (vendors || fit == MAPPED) && best.is_none_or(|it| it.0 < fit) {
                best = time::parse(&leaf.text).map(|at| (fit, at)).or(best);
            }
        }
        best.map(|it| it.1)
    }

    /// Paths of objects with a `contact_id`.
    fn contacts(&self) -> Extra {
        let mut paths = Extra::new();
        for it in self.sheet.leaves.iter().filter(|it| it.labels.iter().any(|it| it.is("contactid"))) {
            paths.insert(parent(it).to_owned(), Value::Null);
        }
        paths
    }

    fn address(&self, canon: Canon) -> Option<String> {
        let address = |it: &str| {
            !it.contains(char::is_whitespace) && (it.starts_with("http") || it.starts_with('/') || it.contains('.') && it.contains('/'))
        };
        self.all(canon, Zone::Envelope)
            .into_iter()
            .filter(|it| it.0 >= WHOLE)
            .map(|it| it.1.text.as_str())
            .find(|it| address(it))
            .map(str::to_owned)
    }
}

impl Leaf {
    fn is_consent(&self) -> bool {
        self.hint == Hint::Consent || self.labels.iter().any(|it| it.fit(Canon::Consent).is_some())
    }

    /// True when no word recognises its name.
    fn is_unknown(&self) -> bool {
        !TABLE.iter().any(|row| self.labels.iter().any(|it| it.fit(row.canon).is_some()))
    }
}

/// The leaves that a name of the configuration means: by their own name or by their path (`data.contact.phone`, `/data/contact/phone`,
/// `$.fields[0].value`).
pub fn named<'a>(leaves: &'a [Leaf], name: &'a str) -> impl Iterator<Item = &'a Leaf> {
    let wanted = Label::new(name);
    let path = name.trim_start_matches('$').replace(['/', '['], ".").replace(']', "");
    let path = path.trim_matches('.').to_owned();
    leaves.iter().filter(move |leaf| {
        let own = leaf.path.rsplit('.').next().unwrap_or_default();
        leaf.path == path
            || own == name
            || leaf.path.strip_suffix(&path).is_some_and(|it| it.ends_with('.'))
            || leaf.labels.iter().any(|it| it.same(&wanted))
    })
}

fn parent(leaf: &Leaf) -> &str {
    leaf.path.rsplit_once('.').map_or("", |it| it.0)
}

/// `created_at` beside `contact_id` is when the vendor made its record of the person.
fn is_of_contact(leaf: &Leaf, contacts: &Extra) -> bool {
    plain(leaf.path.rsplit('.').next().unwrap_or_default()).contains("creat") && contacts.contains_key(parent(leaf))
}

fn is_text(text: &str) -> bool {
    !value::is_placeholder(text)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn add<'a>(known: &mut Vec<String>, more: impl IntoIterator<Item = &'a str>, key: fn(&str) -> String) {
    for it in more {
        if known.len() < MOST_IDENTITIES && !known.iter().any(|there| key(there) == key(it)) {
            known.push(it.trim().to_owned());
        }
    }
}
