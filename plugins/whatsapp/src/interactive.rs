//! Buttons: up to three stand under the message, more of them become a list that opens, a link has a message of its own kind.
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/interactive-reply-buttons-messages>

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use patchbay_sdk::schemas::command::{Button, ButtonAction};
use patchbay_sdk::text::{length, pieces};

use crate::send::{File, MESSAGE, content};

/// Most buttons under a message.
const BUTTONS: usize = 3;
/// Longest title of a button.
const TITLE: usize = 20;
/// Longest data of a button.
const CHOICE: usize = 256;
/// Most rows of a list.
const ROWS: usize = 10;
/// Longest title of a row.
const ROW_TITLE: usize = 24;
/// Longest second line of a row.
const ROW_TEXT: usize = 72;
/// Longest data of a row.
const ROW_CHOICE: usize = 200;
/// Longest text above buttons.
const BODY: usize = 1024;

/// What a person can choose.
#[derive(Debug)]
pub enum Choices<'a> {
    /// Up to three buttons: title and data.
    Buttons(Vec<(&'a str, &'a str)>),
    /// Up to ten rows of a list: title and data.
    List(Vec<(&'a str, &'a str)>),
    /// One link: title and address.
    Link(&'a str, &'a str),
}

/// What becomes of the buttons. None: there are none.
pub fn choices(rows: &[Vec<Button>]) -> Result<Option<Choices<'_>>, Failure> {
    let mut found = Vec::new();
    let mut links = Vec::new();
    for button in rows.iter().flatten() {
        let text = button.text.trim();
        if text.is_empty() {
            return Err(refused("a button has no text"));
        }
        match &button.action {
            ButtonAction::Choice(choice) => found.push((text, choice.as_str())),
            ButtonAction::Url(url) => links.push((text, url.as_str())),
        }
    }
    match (found.len(), links.as_slice()) {
        (0, []) => Ok(None),
        (0, [(text, url)]) if length(text) <= TITLE => Ok(Some(Choices::Link(text, url))),
        (0, [_]) => Err(refused("the text of a link has more than 20 characters")),
        (_, [_, ..]) => Err(refused("WhatsApp takes one link, or choices, but not both and not two links")),
        (count, []) => {
            let is_short = count <= BUTTONS && found.iter().all(|(text, _)| length(text) <= TITLE);
            let (most, longest) = if is_short { (BUTTONS, CHOICE) } else { (ROWS, ROW_CHOICE) };
            if count > most {
                return Err(refused("WhatsApp takes at most ten choices"));
            }
            if found.iter().any(|(_, choice)| choice.is_empty() || length(choice) > longest) {
                return Err(refused(if is_short {
                    "the choice of a button has no character or more than 256"
                } else {
                    "the choice of a row has no character or more than 200"
                }));
            }
            if found.iter().any(|(text, _)| length(text) > ROW_TEXT) {
                return Err(refused("the text of a choice has more than 72 characters"));
            }
            Ok(Some(if is_short { Choices::Buttons(found) } else { Choices::List(found) }))
        }
    }
}

/// True for a file that may stand above buttons.
#[must_use]
pub fn is_header(kind: &str) -> bool {
    matches!(kind, "image" | "video" | "document")
}

impl<'a> Choices<'a> {
    /// Longest text above them.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        if matches!(self, Self::List(_)) { MESSAGE } else { BODY }
    }

    /// True when a file may stand above the text.
    #[must_use]
    pub fn takes_header(&self) -> bool {
        !matches!(self, Self::List(_))
    }

    /// The message.
    #[must_use]
    pub fn content(&self, body: &'a str, header: Option<File<'a>>) -> Object<'a> {
        let (kind, action) = match self {
            Self::Buttons(buttons) => ("button", one("buttons", buttons.iter().map(reply).collect::<Vec<_>>())),
            Self::List(rows) => {
                let section = one("rows", rows.iter().map(row).collect::<Vec<_>>());
                let mut action = one("sections", vec![Node::Object(section)]);
                // What opens the list has a text, too, and nobody gave one.
                action.put("button", "☰");
                ("list", action)
            }
            Self::Link(text, url) => {
                let mut parameters = Object::default();
                parameters.put("display_text", *text);
                parameters.put("url", *url);
                let mut action = one("parameters", parameters);
                action.put("name", "cta_url");
                ("cta_url", action)
            }
        };
        let mut object = Object::default();
        object.put("type", kind);
        object.put("body", one("text", body));
        object.put("action", action);
        if let Some(file) = header {
            let mut header = one(file.kind, file.object);
            header.put("type", file.kind);
            object.put("header", header);
        }
        content("interactive", object)
    }
}

fn reply<'a>((text, choice): &(&'a str, &'a str)) -> Node<'a> {
    let mut reply = Object::default();
    reply.put("id", *choice);
    reply.put("title", *text);
    let mut button = one("reply", reply);
    button.put("type", "reply");
    button.into()
}

/// A title that is too long stands whole on the second line.
fn row<'a>((text, choice): &(&'a str, &'a str)) -> Node<'a> {
    let mut row = Object::default();
    row.put("id", *choice);
    if length(text) <= ROW_TITLE {
        row.put("title", *text);
    } else {
        let first = pieces(text, ROW_TITLE - 1).first().copied().unwrap_or_default();
        row.put("title", [first, "…"].concat());
        row.put("description", *text);
    }
    row.into()
}

fn one<'a>(name: &'static str, node: impl Into<Node<'a>>) -> Object<'a> {
    let mut fields = Object::default();
    fields.put(name, node);
    fields
}

#[cold]
fn refused(message: &str) -> Failure {
    Failure::never("whatsapp.button", message)
}
