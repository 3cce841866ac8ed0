//! Interactions of every kind.

use std::collections::BTreeMap;

use patchbay_schemas::interaction::{Automatic, Call, CallResult, Comment, Form, Mail, Message, Rating, Revision};
use patchbay_schemas::{Attachment, AttachmentKind, Author, Detail, Direction, Interaction, Source};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::person::{conversation_ref, person};
use super::{extra, id, line, moment, number, text};

/// An interaction of any kind.
pub fn interaction() -> BoxedStrategy<Interaction> {
    prop_oneof![message(), call(), form(), mail(), comment(), rating()].prop_flat_map(with).boxed()
}

/// An interaction with this detail.
pub fn with(detail: Detail) -> BoxedStrategy<Interaction> {
    let direction = select(vec![Direction::In, Direction::Out]);
    let said = (of(text()), of(author()), vec(attachment(), 0..3));
    (direction, person(), of(conversation_ref()), said, source(), extra())
        .prop_map(move |(direction, person, conversation, (text, author, attachments), source, extra)| Interaction {
            direction,
            person,
            conversation,
            text,
            author,
            attachments,
            source,
            detail: detail.clone(),
            extra,
        })
        .boxed()
}

/// Somebody of the company.
pub fn author() -> impl Strategy<Value = Author> {
    (of(id()), of(line())).prop_map(|(id, name)| Author { id, name })
}

/// An attachment.
pub fn attachment() -> BoxedStrategy<Attachment> {
    let kind = select(vec![
        AttachmentKind::Photo,
        AttachmentKind::Video,
        AttachmentKind::Audio,
        AttachmentKind::Voice,
        AttachmentKind::Document,
        AttachmentKind::Sticker,
        AttachmentKind::Location,
        AttachmentKind::Contact,
        AttachmentKind::Other,
    ]);
    (kind, of(id()), of(line()), of(line()), of(line()), of(0..=9_007_199_254_740_991_u64), extra())
        .prop_map(|(kind, reference, url, name, mime, size, extra)| Attachment { kind, reference, url, name, mime, size, extra })
        .boxed()
}

/// Where a person came from.
pub fn source() -> BoxedStrategy<Source> {
    (labels(), labels(), of(line()), of(line()), of(line()), of(line()))
        .prop_map(|(utm, clicks, page, referrer, line, start)| Source { utm, clicks, page, referrer, line, start })
        .boxed()
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(id(), line(), 0..3)
}

/// The detail of a message.
pub fn message() -> BoxedStrategy<Detail> {
    let revision = select(vec![Revision::Edited, Revision::Deleted]);
    (of(id()), of(revision), of(id()), of(line()), of(line()))
        .prop_map(|(id, revision, reply_to, forwarded_from, choice)| {
            Detail::Message(Message { id, revision, reply_to, forwarded_from, choice })
        })
        .boxed()
}

/// The detail of a call.
pub fn call() -> BoxedStrategy<Detail> {
    let result = select(vec![CallResult::Answered, CallResult::Missed, CallResult::Busy, CallResult::Voicemail, CallResult::Failed]);
    let moments = (of(moment()), of(moment()), of(moment()));
    (id(), of(result), moments, of(any::<u32>()), of(any::<u32>()), of(line()))
        .prop_map(|(id, result, (started_at, answered_at, ended_at), wait_s, talk_s, recording)| {
            Detail::Call(Call { id, result, started_at, answered_at, ended_at, wait_s, talk_s, recording })
        })
        .boxed()
}

/// The detail of a form.
pub fn form() -> BoxedStrategy<Detail> {
    (of(id()), of(line()), extra(), of(any::<bool>()))
        .prop_map(|(id, name, fields, consent)| Detail::Form(Form { id, name, fields, consent }))
        .boxed()
}

/// The detail of a mail.
pub fn mail() -> BoxedStrategy<Detail> {
    let automatic = of(select(vec![Automatic::Reply, Automatic::Bulk]));
    (of(id()), of(line()), vec(id(), 0..3), vec(id(), 0..3), automatic)
        .prop_map(|(message_id, subject, references, to, automatic)| Detail::Mail(Mail { message_id, subject, references, to, automatic }))
        .boxed()
}

/// The detail of a comment.
pub fn comment() -> BoxedStrategy<Detail> {
    (of(id()), of(id()), of(id())).prop_map(|(id, post, parent)| Detail::Comment(Comment { id, post, parent })).boxed()
}

/// The detail of a rating.
pub fn rating() -> BoxedStrategy<Detail> {
    (number(), of(number())).prop_map(|(score, max)| Detail::Rating(Rating { score, max })).boxed()
}
