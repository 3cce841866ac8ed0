//! A mail becomes an event.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::interaction::{Automatic as Mark, Mail};
use patchbay_sdk::schemas::{
    Attachment, AttachmentKind, ConversationRef, Detail, Direction, Event, EventBody, Extra, Identity, Interaction, Name, Person, Source,
    StatusChange,
};
use serde_json::Value;

use crate::address::Address;
use crate::config::Config;
use crate::form::{self, Form};
use crate::letter::{Automatic, File, Letter};
use crate::report::Report;
use crate::split::split;

/// Longest Message-ID that stands in an event's id as it is, bytes.
const LONGEST_ID: usize = 160;
/// Most references that are told: the first and the newest.
const MOST_REFERENCES: usize = 100;
/// Longest title of a conversation and of a form, characters.
const TITLE: usize = 200;

/// What a raw mail is.
pub fn event(raw: &[u8], config: &Config) -> Result<Event, Failure> {
    let letter = Letter::read(raw)?;
    let body = if let Some(report) = &letter.report {
        EventBody::Status(status(report, &letter))
    } else if let Some(form) = form::find(&letter, &config.form_senders) {
        EventBody::Form(filled(form, &letter))
    } else {
        EventBody::Mail(mail(&letter, config))
    };
    Ok(Event { id: key(raw, &letter), occurred_at: letter.date, body })
}

/// The deduplication key. Message-IDs are repeated by broken programs and altered by none on the way, so the words count too; what
/// servers add on the way does not.
fn key(raw: &[u8], letter: &Letter) -> String {
    let mut hash = Fnv::default();
    for part in [letter.from.address.as_deref(), letter.subject.as_deref(), letter.text.as_deref()] {
        hash.add(part.unwrap_or_default().as_bytes());
    }
    hash.add(letter.date.map(|it| it.to_string()).unwrap_or_default().as_bytes());
    if letter.id.is_none() && letter.text.is_none() {
        hash.add(raw);
    }
    match &letter.id {
        Some(id) if id.len() <= LONGEST_ID => format!("{id}#{:016x}", hash.0),
        Some(id) => {
            hash.add(id.as_bytes());
            format!("mail#{:016x}", hash.0)
        }
        None => format!("mail#{:016x}", hash.0),
    }
}

/// FNV-1a, 64 bits.
#[derive(Debug, Clone, Copy)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds these bytes; what is added apart counts apart.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// In hexadecimal.
    #[must_use]
    pub fn hex(self) -> String {
        format!("{:016x}", self.0)
    }
}

fn person(address: &Address) -> Person {
    Person {
        identities: address.address.iter().map(Identity::email).collect(),
        name: address.name.clone().map(Name::full).unwrap_or_default(),
        ..Person::default()
    }
}

fn status(report: &Report, letter: &Letter) -> StatusChange {
    let mut extra = Extra::new();
    let mut put = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            extra.insert(name.to_owned(), value.clone().into());
        }
    };
    put("subject", &letter.subject);
    put("recipient", &report.recipient);
    let somebody = person(&letter.from);
    StatusChange {
        message_id: report.about.clone().or_else(|| letter.references.last().cloned()).unwrap_or_else(|| "unknown".to_owned()),
        status: report.status,
        error: report.reason.clone(),
        direction: Direction::In,
        person: (!somebody.identities.is_empty()).then_some(somebody),
        extra,
    }
}

fn mail(letter: &Letter, config: &Config) -> Interaction {
    let is_ours = config.is_ours(letter.from_address());
    let (direction, other) = if is_ours {
        let other = letter.to.iter().find(|it| it.address.as_deref().is_some_and(|it| !config.is_ours(it)));
        (Direction::Out, other.cloned().unwrap_or_default())
    } else {
        (Direction::In, letter.from.clone())
    };
    let mut references = letter.references.clone();
    if references.len() > MOST_REFERENCES {
        references.drain(1..=references.len() - MOST_REFERENCES);
    }
    let detail = Mail {
        message_id: letter.id.clone(),
        subject: letter.subject.clone(),
        references,
        to: letter.to.iter().filter_map(|it| it.address.clone()).take(MOST_REFERENCES).collect(),
        automatic: letter.automatic.map(|it| match it {
            Automatic::Reply => Mark::Reply,
            Automatic::Bulk => Mark::Bulk,
        }),
    };
    Interaction {
        conversation: conversation(letter, other.address.as_deref()),
        text: letter.text.as_deref().map(|it| it.trim().to_owned()),
        attachments: letter.files.iter().map(attachment).collect(),
        extra: extra(letter),
        ..Interaction::new(direction, person(&other), Detail::Mail(detail))
    }
}

/// The thread with one person: their address, and the mail that it began with.
fn conversation(letter: &Letter, other: Option<&str>) -> Option<ConversationRef> {
    let other = other?.to_lowercase();
    let root = letter.references.first().or(letter.id.as_ref()).filter(|it| it.len() <= LONGEST_ID);
    let key = root.map_or_else(|| other.clone(), |it| format!("{other} <{it}>"));
    let title = letter.subject.as_deref().map(|it| it.chars().take(TITLE).collect());
    Some(ConversationRef { key, title })
}

/// What the text consists of, where it has parts; who else got it, and where answers should go.
fn extra(letter: &Letter) -> Extra {
    let mut extra = Extra::new();
    let parts = split(letter.text.as_deref().unwrap_or_default());
    if !parts.quote.is_empty() || !parts.signature.is_empty() {
        for (name, part) in [("reply", parts.reply), ("signature", parts.signature), ("quote", parts.quote)] {
            if !part.is_empty() {
                extra.insert(name.to_owned(), part.into());
            }
        }
    }
    let listed =
        |all: &[Address]| all.iter().filter_map(|it| it.address.clone()).map(Value::from).take(MOST_REFERENCES).collect::<Vec<_>>();
    if !letter.cc.is_empty() {
        extra.insert("cc".to_owned(), listed(&letter.cc).into());
    }
    if let Some(reply_to) = letter.reply_to.as_ref().and_then(|it| it.address.clone()).filter(|it| *it != letter.from_address()) {
        extra.insert("reply_to".to_owned(), reply_to.into());
    }
    if !letter.more.is_empty() {
        extra.insert("more_text".to_owned(), letter.more.join("\n\n").into());
    }
    extra
}

fn attachment(file: &File) -> Attachment {
    let mime = file.mime.as_deref().unwrap_or_default();
    let kind = match mime.split('/').next() {
        Some("image") => AttachmentKind::Photo,
        Some("video") => AttachmentKind::Video,
        Some("audio") => AttachmentKind::Audio,
        _ if matches!(mime, "text/vcard" | "text/x-vcard") => AttachmentKind::Contact,
        _ => AttachmentKind::Document,
    };
    Attachment {
        kind,
        reference: None,
        url: None,
        name: file.name.clone(),
        mime: file.mime.clone(),
        size: Some(file.size as u64),
        extra: Extra::new(),
    }
}

fn filled(form: Form, letter: &Letter) -> Interaction {
    let mut fields = Extra::new();
    for (label, value) in form.fields {
        fields.entry(label).or_insert_with(|| value.into());
    }
    let name = letter.subject.as_deref().map(|it| it.chars().take(TITLE).collect());
    let detail = patchbay_sdk::schemas::interaction::Form { id: letter.id.clone(), name, fields, consent: None };
    Interaction {
        text: form.text,
        source: Source { page: form.page, ..Source::default() },
        attachments: letter.files.iter().map(attachment).collect(),
        ..Interaction::new(Direction::In, form.person, Detail::Form(detail))
    }
}
