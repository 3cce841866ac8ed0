//! `interaction.add`: the interaction as a note in the record's history.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::command::InteractionAdd;
use patchbay_sdk::schemas::{Interaction, Receipt};
use patchbay_sink::{note, receipt};

use crate::ask::{Search, arguments, ids, term};
use crate::client::{Client, strange};
use crate::html;
use crate::time;

/// Adds the note to the lead's record.
pub fn add(client: Client<'_>, command: &InteractionAdd) -> Result<Receipt, Failure> {
    write(client, command, record_id(&command.lead_remote_id)?)
}

/// The id of a record.
pub fn record_id(text: &str) -> Result<i64, Failure> {
    text.parse().map_err(|_| Failure::never("odoo.record_id", "that is no id of an Odoo record"))
}

/// Adds the note to this record. Its Message-Id is our id of the interaction, so that a second try sees the first one's note.
pub fn write(client: Client<'_>, command: &InteractionAdd, id: i64) -> Result<Receipt, Failure> {
    let Some(interaction) = command.event.body.interaction() else {
        return Err(Failure::never("odoo.not_an_interaction", "only interactions become notes"));
    };
    let message_id = format!("<{}@patchbay>", command.interaction_id);
    if command.retried {
        // After a merge was taken back the other record has the same one.
        let domain = vec![term("message_id", "=", message_id.as_str()), term("model", "=", "crm.lead"), term("res_id", "=", id)];
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

/// The note for people: a line that says what happened, then what was said.
#[must_use]
pub fn body(channel: &str, it: &Interaction) -> String {
    let mut html = String::from("<p><b>");
    html::push(&mut html, &note::headline(channel, it));
    html.push_str("</b>");
    note::facts(it, &mut |label, text| html::line(&mut html, label, text));
    html.push_str("</p>");
    if let Some(text) = note::said(it) {
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
