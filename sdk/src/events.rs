//! Writes events.
//!
//! By hand, as commands are read: every connector carries this, and what `derive` made of it was 16 kB of each.
//! Tests hold it against `derive`, to the letter.

use patchbay_schemas::interaction::{Automatic, Call, CallResult, Comment, Form, Mail, Message, Rating, Revision};
use patchbay_schemas::{
    Assurance, Attachment, AttachmentKind, Author, ConversationRef, Detail, Direction, EventBody, Extra, Identity, Interaction,
    MessageStatus, Name, Notice, Person, RecordAction, RecordChange, RecordFields, Responsible, Source, Stage, StatusChange,
};

use crate::json::Writer;

/// The payload of an event as JSON text: what [`EventBody::payload`] writes.
#[must_use]
pub fn payload(body: &EventBody) -> String {
    let mut out = Writer::roomy();
    match body {
        EventBody::Message(it)
        | EventBody::Call(it)
        | EventBody::Form(it)
        | EventBody::Mail(it)
        | EventBody::Comment(it)
        | EventBody::Rating(it) => interaction(&mut out, it),
        EventBody::Status(it) => status(&mut out, it),
        EventBody::Record(it) => record(&mut out, it),
        EventBody::Person(it) => person(&mut out, it),
        EventBody::Other(it) => notice(&mut out, it),
    }
    out.finish()
}

#[inline(never)]
fn interaction(out: &mut Writer, it: &Interaction) {
    let Interaction { direction, person: whom, conversation, text, author: by, attachments, source: from, detail: kind, extra } = it;
    out.begin();
    out.word_field("direction", direction.as_str());
    out.name("person");
    person(out, whom);
    if let Some(it) = conversation {
        out.name("conversation");
        conversation_ref(out, it);
    }
    out.text_field("text", text);
    if let Some(it) = by {
        out.name("author");
        author(out, it);
    }
    if !attachments.is_empty() {
        out.name("attachments");
        out.begin_list();
        for it in attachments {
            out.next();
            attachment(out, it);
        }
        out.end_list();
    }
    if !from.is_empty() {
        out.name("source");
        source(out, from);
    }
    detail(out, kind);
    extra_field(out, extra);
    out.end();
}

fn extra_field(out: &mut Writer, extra: &Extra) {
    if !extra.is_empty() {
        out.name("extra");
        out.fields(extra);
    }
}

fn detail(out: &mut Writer, it: &Detail) {
    match it {
        Detail::Message(it) => message(out, it),
        Detail::Call(it) => call(out, it),
        Detail::Form(it) => form(out, it),
        Detail::Mail(it) => mail(out, it),
        Detail::Comment(it) => comment(out, it),
        Detail::Rating(it) => rating(out, it),
    }
}

fn message(out: &mut Writer, it: &Message) {
    let Message { id, revision, reply_to, forwarded_from, choice } = it;
    out.begin_field("message");
    out.text_field("id", id);
    if let Some(it) = revision {
        out.word_field("revision", if *it == Revision::Edited { "edited" } else { "deleted" });
    }
    out.text_field("reply_to", reply_to);
    out.text_field("forwarded_from", forwarded_from);
    out.text_field("choice", choice);
    out.end();
}

#[inline(never)]
fn call(out: &mut Writer, it: &Call) {
    let Call { id, result, started_at, answered_at, ended_at, wait_s, talk_s, recording } = it;
    out.begin_field("call");
    out.word_field("id", id);
    if let Some(it) = result {
        let word = match it {
            CallResult::Answered => "answered",
            CallResult::Missed => "missed",
            CallResult::Busy => "busy",
            CallResult::Voicemail => "voicemail",
            CallResult::Failed => "failed",
        };
        out.word_field("result", word);
    }
    out.time_field("started_at", started_at);
    out.time_field("answered_at", answered_at);
    out.time_field("ended_at", ended_at);
    for (name, seconds) in [("wait_s", wait_s), ("talk_s", talk_s)] {
        out.whole_field(name, seconds.map(u64::from));
    }
    out.text_field("recording", recording);
    out.end();
}

fn form(out: &mut Writer, it: &Form) {
    let Form { id, name, fields, consent } = it;
    out.begin_field("form");
    out.text_field("id", id);
    out.text_field("name", name);
    if !fields.is_empty() {
        out.name("fields");
        out.fields(fields);
    }
    if let Some(it) = consent {
        out.name("consent");
        out.flag(*it);
    }
    out.end();
}

fn mail(out: &mut Writer, it: &Mail) {
    let Mail { message_id, subject, references, to, automatic } = it;
    out.begin_field("mail");
    out.text_field("message_id", message_id);
    out.text_field("subject", subject);
    for (name, list) in [("references", references), ("to", to)] {
        if !list.is_empty() {
            out.name(name);
            out.texts(list);
        }
    }
    if let Some(it) = automatic {
        out.word_field("automatic", if *it == Automatic::Reply { "reply" } else { "bulk" });
    }
    out.end();
}

fn comment(out: &mut Writer, it: &Comment) {
    let Comment { id, post, parent } = it;
    out.begin_field("comment");
    out.text_field("id", id);
    out.text_field("post", post);
    out.text_field("parent", parent);
    out.end();
}

fn rating(out: &mut Writer, it: &Rating) {
    let Rating { score, max } = it;
    out.begin_field("rating");
    out.name("score");
    out.float(*score);
    if let Some(it) = max {
        out.name("max");
        out.float(*it);
    }
    out.end();
}

#[inline(never)]
fn person(out: &mut Writer, it: &Person) {
    let Person { identities, name, company, city, language, extra } = it;
    out.begin();
    if !identities.is_empty() {
        out.name("identities");
        out.begin_list();
        for it in identities {
            out.next();
            identity(out, it);
        }
        out.end_list();
    }
    if !name.is_empty() {
        let Name { full, given, middle, family } = name;
        out.begin_field("name");
        out.text_field("full", full);
        out.text_field("given", given);
        out.text_field("middle", middle);
        out.text_field("family", family);
        out.end();
    }
    out.text_field("company", company);
    out.text_field("city", city);
    out.text_field("language", language);
    extra_field(out, extra);
    out.end();
}

fn identity(out: &mut Writer, it: &Identity) {
    let Identity { kind, value, assurance, label } = it;
    out.begin();
    out.word_field("kind", kind.as_str());
    out.word_field("value", value);
    if *assurance == Assurance::Stated {
        out.word_field("assurance", "stated");
    }
    out.text_field("label", label);
    out.end();
}

#[inline(never)]
fn conversation_ref(out: &mut Writer, it: &ConversationRef) {
    let ConversationRef { key, title } = it;
    out.begin();
    out.word_field("key", key);
    out.text_field("title", title);
    out.end();
}

fn author(out: &mut Writer, it: &Author) {
    let Author { id, name } = it;
    out.begin();
    out.text_field("id", id);
    out.text_field("name", name);
    out.end();
}

fn attachment(out: &mut Writer, it: &Attachment) {
    let Attachment { kind, reference, url, name, mime, size, extra } = it;
    let kind = match kind {
        AttachmentKind::Photo => "photo",
        AttachmentKind::Video => "video",
        AttachmentKind::Audio => "audio",
        AttachmentKind::Voice => "voice",
        AttachmentKind::Document => "document",
        AttachmentKind::Sticker => "sticker",
        AttachmentKind::Location => "location",
        AttachmentKind::Contact => "contact",
        AttachmentKind::Other => "other",
    };
    out.begin();
    out.word_field("kind", kind);
    out.text_field("reference", reference);
    out.text_field("url", url);
    out.text_field("name", name);
    out.text_field("mime", mime);
    out.whole_field("size", *size);
    extra_field(out, extra);
    out.end();
}

fn source(out: &mut Writer, it: &Source) {
    let Source { utm, clicks, page, referrer, line, start } = it;
    out.begin();
    for (name, texts) in [("utm", utm), ("clicks", clicks)] {
        if !texts.is_empty() {
            out.begin_field(name);
            for (key, text) in texts {
                out.key(key);
                out.text(text);
            }
            out.end();
        }
    }
    out.text_field("page", page);
    out.text_field("referrer", referrer);
    out.text_field("line", line);
    out.text_field("start", start);
    out.end();
}

fn status(out: &mut Writer, it: &StatusChange) {
    let StatusChange { message_id, status, error, direction, person: whom, extra } = it;
    let word = match status {
        MessageStatus::Sent => "sent",
        MessageStatus::Delivered => "delivered",
        MessageStatus::Read => "read",
        MessageStatus::Failed => "failed",
    };
    out.begin();
    out.word_field("message_id", message_id);
    out.word_field("status", word);
    out.text_field("error", error);
    if *direction == Direction::In {
        out.word_field("direction", direction.as_str());
    }
    if let Some(it) = whom {
        out.name("person");
        person(out, it);
    }
    extra_field(out, extra);
    out.end();
}

fn notice(out: &mut Writer, it: &Notice) {
    let Notice { what, person: whom, conversation, extra } = it;
    out.begin();
    out.word_field("what", what);
    if let Some(it) = whom {
        out.name("person");
        person(out, it);
    }
    if let Some(it) = conversation {
        out.name("conversation");
        conversation_ref(out, it);
    }
    extra_field(out, extra);
    out.end();
}

fn record(out: &mut Writer, it: &RecordChange) {
    let RecordChange { entity, action, external_id, lead, person_ref, fields, extra } = it;
    let word = match action {
        RecordAction::Created => "created",
        RecordAction::Updated => "updated",
        RecordAction::Deleted => "deleted",
        RecordAction::Merged => "merged",
        RecordAction::Changed => "changed",
    };
    out.begin();
    out.word_field("entity", entity);
    out.word_field("action", word);
    out.word_field("external_id", external_id);
    if let Some(lead) = lead {
        out.word_field("lead", lead);
    }
    if let Some(person) = person_ref {
        out.word_field("person_ref", person);
    }
    if !fields.is_empty() {
        out.name("fields");
        record_fields(out, fields);
    }
    extra_field(out, extra);
    out.end();
}

fn record_fields(out: &mut Writer, it: &RecordFields) {
    let RecordFields { stage, responsible, title, next_contact_at, tags, person: whom, person_whole } = it;
    out.begin();
    if let Some(it) = stage {
        out.begin_field("stage");
        out.word_field("name", it.name());
        if let Stage::Refused { reason, return_at } = it {
            out.text_field("reason", reason);
            out.time_field("return_at", return_at);
        }
        out.end();
    }
    if let Some(Responsible { id, name }) = responsible {
        out.begin_field("responsible");
        out.text_field("id", id);
        out.word_field("name", name);
        out.end();
    }
    out.text_field("title", title);
    out.time_field("next_contact_at", next_contact_at);
    if let Some(it) = tags {
        out.name("tags");
        out.texts(it);
    }
    if let Some(it) = whom {
        out.name("person");
        person(out, it);
    }
    if *person_whole {
        out.name("person_whole");
        out.flag(true);
    }
    out.end();
}

#[cfg(test)]
mod tests;
