//! A body → events.

use patchbay_sdk::schemas::{Detail, Direction, Event, EventBody, Extra, Interaction};
use serde_json::Value;

use crate::by_id;
use crate::config::Config;
use crate::decode::{Body, urlencoded};
use crate::field::{self, Hint};
use crate::guess::{guess, named};
use crate::label::{Label, plain};
use crate::sheet::{self, Leaf, Sheet, Zone};
use crate::source;
use crate::words::{BATCHES, CONTAINERS, Canon};

/// An event whose id may still have to be settled.
#[derive(Debug, PartialEq)]
pub struct Draft {
    /// The event.
    pub event: Event,
    /// The vendor gave no id: `event.id` is a hash of what was sent, and the same words may be sent again one day.
    pub by_content: bool,
}

/// What came along with the body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around<'a> {
    /// The address's own parameters: campaign tags and the form's name may stand there.
    pub query: &'a str,
    /// The page that a browser says it posted from.
    pub page: Option<&'a str>,
}

/// Keys under which vendors repeat a shared secret: they are not kept.
const SECRETS: [&str; 2] = ["googlekey", "handshakekey"];

/// Reads a body. No event: it is of no interest (a test, a trap for programs, an empty form).
#[must_use]
pub fn map(body: Body, around: Around<'_>, config: &Config) -> Vec<Draft> {
    let mut files = body.files;
    let mut drafts = Vec::new();
    if !files.is_empty() && body.document.as_object().is_none_or(Extra::is_empty) {
        drafts.extend(draft(&Extra::new(), std::mem::take(&mut files), around, config));
    }
    if let Some(events) = body.document.as_object().and_then(by_id::read) {
        return events.into_iter().map(|event| Draft { event, by_content: false }).collect();
    }
    for submission in submissions(body.document) {
        drafts.extend(draft(&submission, std::mem::take(&mut files), around, config));
    }
    drafts
}

fn draft(document: &Extra, files: Vec<patchbay_sdk::schemas::Attachment>, around: Around<'_>, config: &Config) -> Option<Draft> {
    let mut sheet = sheet::lay_out(document);
    sheet.attachments.extend(files);
    let trapped = config.honeypot.iter().any(|name| named(&sheet.leaves, name).any(|it| !it.text.is_empty()));
    if trapped || is_test(document) {
        return None;
    }
    for secret in SECRETS {
        sheet.extra.retain(|key, _| plain(key) != secret);
        sheet.fields.retain(|key, _| plain(key) != secret);
    }
    beside(&mut sheet, around.query);
    let found = guess(&sheet, config);
    let blank = sheet.attachments.is_empty() && !sheet.leaves.iter().any(|it| it.zone >= Zone::Contact && !it.text.is_empty());
    if blank && !found.id_is_vendors {
        return None;
    }
    let mut source = found.source;
    source.page = source.page.or_else(|| around.page.map(str::to_owned));
    source::complete(&mut source);
    let partial = document.get("event_type").and_then(Value::as_str) == Some("form_response_partial");
    let (id, by_content) = match (&found.form.id, found.id_is_vendors) {
        (Some(id), true) if partial => (format!("{id}:partial"), false),
        (Some(id), true) => (id.clone(), false),
        // The id may be the form's own: with the content it is one of this submission in either case.
        (Some(id), false) => {
            (format!("{id}:{}", hash(&sheet, found.at.map_or(0, patchbay_sdk::schemas::Timestamp::as_millisecond))), false)
        }
        (None, _) => (hash(&sheet, 0), true),
    };
    let interaction = Interaction {
        direction: Direction::In,
        person: found.person,
        conversation: None,
        text: found.text,
        author: None,
        attachments: sheet.attachments,
        source,
        detail: Detail::Form(found.form),
        extra: sheet.extra,
    };
    Some(Draft { event: Event { id, occurred_at: found.at, body: EventBody::Form(interaction) }, by_content })
}

/// Tilda asks with `test=test` whether anybody is there.
fn is_test(document: &Extra) -> bool {
    document.len() == 1 && document.get("test").and_then(Value::as_str) == Some("test")
}

/// Of the address's own parameters only tags and the form's name are read: others may be secret.
fn beside(sheet: &mut Sheet, query: &str) {
    for (name, text) in urlencoded::pairs(query.as_bytes()) {
        let label = Label::new(&name);
        let form = [Canon::FormName, Canon::FormId].into_iter().any(|it| label.fit(it).is_some());
        let click = crate::words::CLICKS.iter().any(|it| label.is(it));
        if form || click || label.utm().is_some() {
            sheet.leaves.push(Leaf {
                path: format!("?{name}"),
                labels: vec![label],
                hint: Hint::None,
                zone: Zone::About,
                asked: false,
                text,
            });
        }
    }
}

/// The submissions in a document: one, or each of a batch together with what stands around the batch.
fn submissions(document: Value) -> Vec<Extra> {
    match document {
        Value::Array(items) => {
            if items.iter().filter_map(Value::as_object).any(|it| field::pair(it, None).is_some()) {
                let mut whole = Extra::new();
                whole.insert("fields".to_owned(), Value::Array(items));
                return vec![whole];
            }
            items.into_iter().filter(Value::is_object).flat_map(submissions).collect()
        }
        Value::Object(mut object) => {
            pretty(&mut object);
            batch(&object, 4).unwrap_or_else(|| vec![object])
        }
        _ => Vec::new(),
    }
}

fn batch(object: &Extra, depth: usize) -> Option<Vec<Extra>> {
    let depth = depth.checked_sub(1)?;
    let with = |key: &str, part: Extra| {
        let mut whole = Extra::new();
        for (key, value) in object.iter().filter(|it| it.0 != key) {
            whole.insert(key.clone(), value.clone());
        }
        whole.insert(key.to_owned(), Value::Object(part));
        whole
    };
    object.iter().find_map(|(key, value)| {
        let name = plain(key);
        match value {
            Value::Array(items) if BATCHES.contains(&name.as_str()) => {
                let whole: Vec<&Extra> = items.iter().filter_map(Value::as_object).filter(|it| sheet::is_submission(it)).collect();
                (!whole.is_empty() && whole.len() == items.len()).then(|| whole.into_iter().map(|it| with(key, it.clone())).collect())
            }
            Value::Object(inner) if CONTAINERS.contains(&name.as_str()) || BATCHES.contains(&name.as_str()) => {
                batch(inner, depth).map(|parts| parts.into_iter().map(|it| with(key, it)).collect())
            }
            _ => None,
        }
    })
}

/// Jotform's `pretty` (`Name:Anna, E-mail:a@example.com`) where `rawRequest` did not come along.
fn pretty(object: &mut Extra) {
    let Some(text) = object.get("pretty").and_then(Value::as_str).filter(|_| !object.contains_key("rawRequest")) else { return };
    let mut fields = Extra::new();
    let mut last: Option<String> = None;
    for part in text.split(", ") {
        match (part.split_once(':'), &last) {
            (Some((name, value)), _) => {
                fields.insert(name.trim().to_owned(), Value::from(value.trim_start_matches(':')));
                last = Some(name.trim().to_owned());
            }
            (None, Some(name)) => {
                if let Some(Value::String(value)) = fields.get_mut(name) {
                    value.push_str(", ");
                    value.push_str(part);
                }
            }
            (None, None) => {}
        }
    }
    object.insert("pretty".to_owned(), Value::Object(fields));
}

/// What was sent as 32 digits, the same for the same words in any order of fields.
fn hash(sheet: &Sheet, salt: i64) -> String {
    let mut sum = fnv(&salt.to_le_bytes());
    for leaf in sheet.leaves.iter().filter(|it| it.zone >= Zone::Contact) {
        sum = sum.wrapping_add(fnv(format!("{}={}", leaf.path, leaf.text).as_bytes()));
    }
    for file in &sheet.attachments {
        let name = file.name.as_deref().or(file.url.as_deref()).unwrap_or_default();
        sum = sum.wrapping_add(fnv(format!("{name}:{}", file.size.unwrap_or_default()).as_bytes()));
    }
    format!("{sum:032x}")
}

/// FNV-1a with 128 bits.
fn fnv(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, it| (hash ^ u128::from(*it)).wrapping_mul(0x0100_0000_0000_0000_0000_013b))
}
