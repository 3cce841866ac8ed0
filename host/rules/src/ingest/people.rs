//! What one source says of a person: identities and claims, normalised once for each event.

use patchbay_identity::resolve::keys::Key;
use patchbay_identity::text::{self, Claim, Medium};
use patchbay_schemas::interaction::Message;
use patchbay_schemas::manifest::HandleScope;
use patchbay_schemas::{Detail, Direction, EventBody, Identity, IdentityKind, Name, Person};

use super::known::{ContactState, Reach};
use super::{Intake, Reading};
use crate::identity::{Heard, IdentityKey, Normal, normalise};
use crate::link::Tie;

/// What one source says of a person. The same said again by the same source is the same contact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// What points at the person, strongest first, each once.
    pub identities: Vec<SaidIdentity>,
    /// The name to show.
    pub name: Option<String>,
    /// The company that the person speaks for.
    pub company: Option<String>,
    /// Where the person lives or is.
    pub city: Option<String>,
    /// BCP 47 language tag.
    pub language: Option<String>,
    /// Sixteen hexadecimal digits: equal where source, identities, name, company and city are. Empty where nothing points at the person.
    pub fingerprint: String,
    /// The link that brought the person here.
    pub tie: Option<Tie>,
}

impl Said {
    /// The same, brought by a link.
    pub fn tie(&mut self, tie: Tie, connection: &str) {
        if let Some(key) = tie.identity.clone()
            && !self.identities.iter().any(|it| it.key == key)
        {
            let assurance = Assurance::Vendor;
            self.identities.push(SaidIdentity { key, shown: None, weak: false, assurance, label: None });
            self.fingerprint = fingerprint(self, connection);
        }
        self.tie = Some(tie);
    }

    /// Whether anything in it leads to the person. A company's name with a switchboard's number leads to nobody.
    #[must_use]
    pub fn reach(&self) -> Reach {
        if self.identities.is_empty() {
            Reach::Nothing
        } else if self.name.is_none() && self.company.is_some() && self.identities.iter().all(|it| it.weak) {
            Reach::Company
        } else {
            Reach::Person
        }
    }
}

/// An identity as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidIdentity {
    /// Kind and normalised value.
    pub key: IdentityKey,
    /// What was said, where that is another valid spelling.
    pub shown: Option<String>,
    /// It may be several people's, or pass to somebody else.
    pub weak: bool,
    /// Who vouches for it.
    pub assurance: Assurance,
    /// The name that people know a handle by.
    pub label: Option<String>,
}

/// Who vouches for an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assurance {
    /// The vendor: the number that called, the account that wrote.
    Vendor,
    /// The person, in a place made for it: typed into a form.
    Stated,
    /// The person, somewhere in a text.
    Written,
}

impl Assurance {
    /// As it stands in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vendor => "vendor",
            Self::Stated => "stated",
            Self::Written => "written",
        }
    }
}

impl SaidIdentity {
    /// True where nobody else is expected behind it: whoever has it is the person.
    #[must_use]
    pub fn is_strong(&self) -> bool {
        !self.weak && self.assurance != Assurance::Written
    }
}

/// What each event of a delivery says of a person; none where it says nothing of anybody. `region` is that of phones without a country
/// code, `own` the company's own phones and addresses.
#[must_use]
pub fn sayings(intake: &Intake, region: &str, own: &[String]) -> Vec<Option<Said>> {
    let Reading::Events(events) = &intake.reading else { return Vec::new() };
    let connection = intake.origin.connection.to_string();
    let heard = Heard { region, connector: &intake.origin.connector, connection: &connection, handles: intake.origin.handles, own };
    events.iter().map(|it| it.body.as_ref().ok().and_then(|body| Some(said(body, person(body)?, heard)))).collect()
}

/// A person of a record with nothing but what records are compared by, each phone and address in its one form.
#[must_use]
pub fn canonical(person: &Person, region: &str) -> Person {
    let heard = Heard { region, connector: "", connection: "", handles: HandleScope::Vendor, own: &[] };
    let mut identities: Vec<Identity> = Vec::with_capacity(person.identities.len());
    for identity in person.identities.iter().filter(|it| it.kind != IdentityKind::Handle) {
        let Some(Normal { key, .. }) = normalise(identity, heard) else { continue };
        let it = if key.kind == IdentityKind::Phone { Identity::phone(key.value) } else { Identity::email(key.value) };
        if !identities.contains(&it) {
            identities.push(it);
        }
    }
    let present = |it: &Option<String>| it.clone().filter(|it| !it.trim().is_empty());
    Person {
        identities,
        name: person.name.display().map(Name::full).unwrap_or_default(),
        company: present(&person.company),
        city: present(&person.city),
        ..Person::default()
    }
}

fn said(body: &EventBody, person: &Person, heard: Heard<'_>) -> Said {
    let mut identities: Vec<SaidIdentity> = Vec::with_capacity(person.identities.len());
    let mut hear = |mut it: SaidIdentity| {
        // As the store keeps texts.
        if it.key.value.contains('\0') {
            it.key.value = it.key.value.replace('\0', "\u{fffd}");
        }
        if !identities.iter().any(|known| known.key == it.key) {
            identities.push(it);
        }
    };
    for identity in &person.identities {
        let Some(Normal { key, shown, weak }) = normalise(identity, heard) else { continue };
        let vouched = identity.assurance == patchbay_schemas::Assurance::Vendor;
        let assurance = if vouched { Assurance::Vendor } else { Assurance::Stated };
        hear(SaidIdentity { key, shown, weak, assurance, label: identity.label.clone() });
    }
    for key in written(body, heard.region).into_iter().filter(|it| !heard.own.contains(&it.value)) {
        hear(SaidIdentity { key, shown: None, weak: false, assurance: Assurance::Written, label: None });
    }
    let present = |it: Option<String>| it.filter(|it| !it.trim().is_empty());
    let mut said = Said {
        identities,
        name: present(person.name.display()),
        company: present(person.company.clone()),
        city: present(person.city.clone()),
        language: present(person.language.clone()),
        fingerprint: String::new(),
        tie: None,
    };
    if !said.identities.is_empty() {
        said.fingerprint = fingerprint(&said, heard.connection);
    }
    said
}

/// The person that an event tells of.
fn person(body: &EventBody) -> Option<&Person> {
    match body {
        EventBody::Record(it) => it.fields.person.as_ref(),
        EventBody::Person(it) => Some(it),
        EventBody::Other(it) => it.person.as_ref(),
        EventBody::Status(_) => None,
        _ => body.interaction().map(|it| &it.person),
    }
}

/// Phones, addresses and names of accounts that the person wrote down as their own.
fn written(body: &EventBody, region: &str) -> Vec<IdentityKey> {
    let Some(interaction) = body.interaction().filter(|it| it.direction == Direction::In) else { return Vec::new() };
    let Some(text) = &interaction.text else { return Vec::new() };
    let medium = match &interaction.detail {
        Detail::Message(Message { forwarded_from: Some(_), .. }) => Medium::Forwarded,
        Detail::Mail(_) => Medium::Mail,
        _ => Medium::Message,
    };
    let key = |it| match it {
        Claim::Phone(value) => IdentityKey { kind: IdentityKind::Phone, value },
        Claim::Email(value) => IdentityKey { kind: IdentityKind::Email, value },
        Claim::Username(value) => IdentityKey { kind: IdentityKind::Handle, value },
    };
    text::claims(text, medium, region).into_iter().map(key).collect()
}

fn fingerprint(said: &Said, connection: &str) -> String {
    let mut identities: Vec<&SaidIdentity> = said.identities.iter().collect();
    identities.sort_by(|a, b| a.key.cmp(&b.key));
    let mut texts: Vec<&[u8]> = Vec::with_capacity(4 + 5 * identities.len());
    let word = |it: &Option<String>| it.as_deref().map(str::trim).unwrap_or_default().to_owned();
    let claims = [word(&said.name), word(&said.company), word(&said.city)];
    texts.push(connection.as_bytes());
    texts.extend(claims.iter().map(String::as_bytes));
    for it in identities {
        let (shown, label) = (it.shown.as_deref().unwrap_or_default(), it.label.as_deref().unwrap_or_default());
        texts.extend([it.key.kind.as_str(), &it.key.value, it.assurance.as_str(), shown, label].map(str::as_bytes));
    }
    format!("{:016x}", Key::of("said", &texts).0)
}

impl ContactState {
    /// A contact that says this and nothing else.
    #[must_use]
    pub fn of(said: &Said) -> Self {
        Self {
            names: said.name.clone().into_iter().collect(),
            company: said.company.clone(),
            city: said.city.clone(),
            language: said.language.clone(),
            reach: said.reach(),
            ..Self::default()
        }
    }

    /// Both are one person from now on.
    pub fn absorb(&mut self, other: Self) {
        for name in other.names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        self.company = self.company.take().or(other.company);
        self.city = self.city.take().or(other.city);
        self.language = self.language.take().or(other.language);
        self.reach = self.reach.max(other.reach);
        self.guarded |= other.guarded;
        // The older lead goes on; the younger stays where it is, in the history and in the sinks.
        self.leads.extend(other.leads);
    }
}
