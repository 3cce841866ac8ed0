//! `interaction.add`: the interaction as a note in the record's history.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::command::InteractionAdd;
use patchbay_sdk::schemas::interaction::{CallResult, Revision};
use patchbay_sdk::schemas::{Detail, Direction, Extra, Interaction, Receipt};
use serde_json::Value;

use crate::ask::{Search, arguments, ids, term};
use crate::client::{Client, strange, text};
use crate::html;
use crate::time;

/// Adds the note. Its Message-Id is our id of the interaction, so that a second try sees the first one's note.
pub fn add(client: Client<'_>, command: &InteractionAdd) -> Result<Receipt, Failure> {
    let id: i64 = command.lead_remote_id.parse().map_err(|_| Failure::never("odoo.record_id", "that is no id of an Odoo record"))?;
    let Some(interaction) = command.event.body.interaction() else {
        return Err(Failure::never("odoo.not_an_interaction", "only interactions become notes"));
    };
    let message_id = format!("<{}@patchbay>", command.interaction_id);
    if command.retried {
        let domain = vec![term("message_id", "=", message_id.as_str()), term("model", "=", "crm.lead")];
        if let Some(note) = client.search("mail.message", Search::new(domain, &["res_id"]).limit(1))?.first() {
            return Ok(receipt(note.id(), "found"));
        }
    }
    let arguments = arguments([
        ("ids", ids(&[id])),
        ("body", body(&command.channel, interaction).into()),
        ("body_is_html", true.into()),
        ("message_type", "comment".into()),
        ("subtype_xmlid", "mail.mt_note".into()),
        ("message_id", message_id.into()),
        ("date", time::written(command.event.occurred_at.unwrap_or(command.received_at)).into()),
    ]);
    let posted = client.call("crm.lead", "message_post", arguments)?;
    posted[0].as_i64().map(|id| receipt(id, "created")).ok_or_else(|| strange("the id of the note"))
}

fn receipt(id: i64, how: &str) -> Receipt {
    let mut details = Extra::new();
    details.insert("result".to_owned(), Value::from(how));
    Receipt { remote_id: Some(id.to_string()), details }
}

/// The note for people: a line that says what happened, then what was said.
#[must_use]
pub fn body(channel: &str, it: &Interaction) -> String {
    let mut html = String::from("<p><b>");
    html::push(&mut html, channel);
    html.push_str(": ");
    html::push(&mut html, &headline(it));
    html.push_str("</b>");
    html::line(&mut html, "From", it.person.name.display().as_deref().unwrap_or(""));
    let author = it.author.as_ref().and_then(|it| it.name.as_deref().or(it.id.as_deref()));
    html::line(&mut html, "Answered by", author.unwrap_or(""));
    detail(&mut html, it);
    html::line(&mut html, "Page", it.source.page.as_deref().unwrap_or(""));
    html.push_str("</p>");
    if let Some(text) = it.text.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
        html.push_str("<p>");
        html::push(&mut html, text);
        html.push_str("</p>");
    }
    for attachment in &it.attachments {
        let name = attachment.name.as_deref().or(attachment.url.as_deref()).unwrap_or("file");
        html.push_str("<p>");
        match &attachment.url {
            Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
                html.push_str("<a href=\"");
                html::push(&mut html, url);
                html.push_str("\">");
                html::push(&mut html, name);
                html.push_str("</a>");
            }
            _ => html::push(&mut html, name),
        }
        html.push_str("</p>");
    }
    html
}

fn headline(it: &Interaction) -> String {
    let incoming = it.direction == Direction::In;
    let word = match &it.detail {
        Detail::Message(message) => match message.revision {
            Some(Revision::Edited) => "message edited",
            Some(Revision::Deleted) => "message deleted",
            None if message.choice.is_some() => "button pressed",
            None => "message",
        },
        Detail::Call(call) => match call.result {
            Some(CallResult::Answered) => "call, answered",
            Some(CallResult::Missed) => "call, missed",
            Some(CallResult::Busy) => "call, busy",
            Some(CallResult::Voicemail) => "call, voicemail",
            Some(CallResult::Failed) => "call, failed",
            None => "call",
        },
        Detail::Form(_) => "form",
        Detail::Mail(_) => "e-mail",
        Detail::Comment(_) => "comment",
        Detail::Rating(_) => "rating",
    };
    format!("{} {word}", if incoming { "incoming" } else { "outgoing" })
}

fn detail(html: &mut String, it: &Interaction) {
    let some = |it: &Option<String>| it.clone().unwrap_or_default();
    match &it.detail {
        Detail::Message(message) => html::line(html, "Forwarded from", &some(&message.forwarded_from)),
        Detail::Call(call) => {
            html::line(html, "Called number", it.source.line.as_deref().unwrap_or(""));
            html::line(html, "Waited", &call.wait_s.map(seconds).unwrap_or_default());
            html::line(html, "Talked", &call.talk_s.map(seconds).unwrap_or_default());
            html::line(html, "Recording", &some(&call.recording));
        }
        Detail::Form(form) => {
            html::line(html, "Form", &some(&form.name));
            for (name, value) in &form.fields {
                html::line(html, name, &value.as_str().map_or_else(|| text(value), str::to_owned));
            }
        }
        Detail::Mail(mail) => {
            html::line(html, "Subject", &some(&mail.subject));
            html::line(html, "To", &mail.to.join(", "));
        }
        Detail::Comment(comment) => html::line(html, "Under", &some(&comment.post)),
        Detail::Rating(rating) => {
            let best = rating.max.map(|it| format!(" of {}", number(it))).unwrap_or_default();
            html::line(html, "Score", &format!("{}{best}", number(rating.score)));
        }
    }
}

fn seconds(all: u32) -> String {
    format!("{}:{:02}", all / 60, all % 60)
}

fn number(it: f64) -> String {
    let number = text(&it);
    number.strip_suffix(".0").map(str::to_owned).unwrap_or(number)
}
