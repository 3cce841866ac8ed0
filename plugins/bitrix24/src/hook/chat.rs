//! Events of open lines and bots: what people write there, what operators answer, and when a dialogue begins and ends.
//!
//! An open line's connector (`OnImConnector…`) hands on what an operator wrote to a person on another messenger: `chat` is the person's
//! chat there, as it was given to Bitrix24 with the person's own message.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::interaction::AttachmentKind;
use patchbay_sdk::schemas::interaction::{Author, Message, Revision};
use patchbay_sdk::schemas::{
    Attachment, ConversationRef, Detail, Direction, Event, EventBody, Identity, Interaction, Name, Notice, Person,
};

use super::{Hook, extra};
use crate::bbcode;
use crate::form::Form;
use crate::line;

/// The events of a delivery.
pub fn events(hook: &Hook<'_>) -> Result<Vec<Event>, Failure> {
    let name = hook.name;
    if let Some(bot) = name.strip_prefix("ONIMBOT").map(|it| it.strip_prefix("V2").unwrap_or(it)) {
        return Ok(of_bot(hook, bot).into_iter().collect());
    }
    match name {
        "ONIMCOMMANDADD" => Ok(of_bot(hook, "MESSAGEADD").into_iter().collect()),
        "ONIMCONNECTORMESSAGEADD" | "ONIMCONNECTORMESSAGEUPDATE" | "ONIMCONNECTORMESSAGEDELETE" => each(hook, "data[MESSAGES]", answered),
        "ONOPENLINEMESSAGEADD" => each(hook, "data[DATA]", written),
        "ONIMCONNECTORDIALOGSTART"
        | "ONIMCONNECTORDIALOGFINISH"
        | "ONSESSIONSTART"
        | "ONSESSIONFINISH"
        | "ONOPENLINEMESSAGEUPDATE"
        | "ONOPENLINEMESSAGEDELETE" => each(hook, "data[DATA]", |hook, it| Some(noticed(hook, it))),
        "ONIMCONNECTORLINEDELETE" | "ONIMCONNECTORSTATUSDELETE" => {
            let notice = Notice { what: what(hook), person: None, conversation: None, extra: extra(&hook.form.under("data")) };
            Ok(vec![hook.notice("line", notice)])
        }
        _ => Ok(Vec::new()),
    }
}

fn each(hook: &Hook<'_>, list: &str, of: fn(&Hook<'_>, &Form) -> Option<Event>) -> Result<Vec<Event>, Failure> {
    let items = hook.form.items(list)?;
    if items.is_empty() {
        return Err(Failure::never("bitrix24.hook", format!("the event {} has no {list}", hook.name)));
    }
    Ok(items.iter().filter_map(|it| of(hook, it)).collect())
}

/// `dialog_start` of `ONIMCONNECTORDIALOGSTART`.
fn what(hook: &Hook<'_>) -> String {
    hook.name.strip_prefix("ON").unwrap_or(hook.name).to_ascii_lowercase()
}

/// An operator's answer to a person on another messenger.
fn answered(hook: &Hook<'_>, item: &Form) -> Option<Event> {
    let chat = item.id("[chat][id]")?;
    let revision = revision(hook.name);
    // Ours is what we told Bitrix24 that the message became; theirs is there from the beginning.
    let id = item.any(&["[im][message_id]", "[message][id][0]", "[message][id]"])?;
    let text = Some(bbcode::plain(item.get("[message][text]"))).filter(|it| !it.is_empty());
    let attachments = files(&item.under("[message][files]"));
    if text.is_none() && attachments.is_empty() && revision != Some(Revision::Deleted) {
        return None;
    }
    // A conversation of the hub says who its person is.
    let ours = line::is_ours(&chat);
    let person = somebody(Some(chat.clone()).filter(|_| !ours), Name::default());
    let interaction = Interaction {
        conversation: Some(ConversationRef { key: chat, title: None }),
        text,
        author: item.id("[message][user_id]").map(|id| Author { id: Some(id), name: None }),
        attachments,
        extra: extra(&item.under("[im]")),
        ..Interaction::new(Direction::Out, person, message(&id, revision))
    };
    let mut event = hook.event(&id, EventBody::Message(interaction));
    if ours && revision.is_none() {
        // It is sent to the person, so whatever time Bitrix24 tells it at, it is the same answer.
        event.id = [hook.name, ":", &id].concat();
    }
    Some(event)
}

/// A message in an open line, of the person or of an operator.
fn written(hook: &Hook<'_>, item: &Form) -> Option<Event> {
    let person = item.id("[connector][user_id]");
    let author = item.id("[message][user_id]");
    if item.get("[message][system]") == "Y" {
        return None;
    }
    let by_person = author.is_some() && author == person;
    let id = item.id("[message][id]")?;
    let chat = item.any(&["[connector][chat_id]", "[chat][id]"])?;
    if line::is_ours(&chat) {
        // The hub knows it: from the messenger, or from the answer that is told for itself.
        return None;
    }
    let text = Some(bbcode::plain(item.get("[message][text]"))).filter(|it| !it.is_empty());
    let interaction = Interaction {
        conversation: Some(ConversationRef { key: chat, title: None }),
        text,
        author: author.filter(|_| !by_person).map(|id| Author { id: Some(id), name: None }),
        attachments: files(&item.under("[message][files]")),
        extra: extra(&item.under("[connector]")),
        ..Interaction::new(if by_person { Direction::In } else { Direction::Out }, somebody(person, Name::default()), message(&id, None))
    };
    Some(hook.event(&id, EventBody::Message(interaction)))
}

/// A dialogue that begins or ends, or a message of an open line that changed: Bitrix24 does not say what it became.
fn noticed(hook: &Hook<'_>, item: &Form) -> Event {
    let user = item.id("[user][id]").or_else(|| item.id("[connector][user_id]"));
    let chat = item.any(&["[connector][chat_id]", "[chat][id]", "[im][chat_id]"]);
    let of = item.any(&["[session][id]", "[message][id]"]).unwrap_or_default();
    let notice = Notice {
        what: what(hook),
        person: user.map(|it| somebody(Some(it), Name::default())),
        conversation: chat.clone().map(|key| ConversationRef { key, title: None }),
        extra: extra(item),
    };
    hook.notice(&[chat.as_deref().unwrap_or(""), ":", &of].concat(), notice)
}

/// What somebody did with a bot. The second version of the interface names its fields otherwise.
fn of_bot(hook: &Hook<'_>, did: &str) -> Option<Event> {
    let data = hook.form.under("data");
    let user = data.id("[PARAMS][FROM_USER_ID]").or_else(|| data.id("[USER][ID]")).or_else(|| data.id("[user][id]"));
    let user = user.or_else(|| data.id("[PARAMS][AUTHOR_ID]")).or_else(|| data.id("[message][authorId]"));
    let parts = Name::parts(data.any(&["[USER][FIRST_NAME]", "[user][firstName]"]), data.any(&["[USER][LAST_NAME]", "[user][lastName]"]));
    let name = match data.any(&["[USER][NAME]", "[user][name]"]) {
        Some(full) => Name { full: Some(full), ..parts },
        None => parts,
    };
    let dialog = data.any(&["[PARAMS][DIALOG_ID]", "[chat][dialogId]", "[dialogId]"]);
    let title = data.any(&["[PARAMS][CHAT_TITLE]", "[chat][name]"]);
    let conversation = dialog.clone().map(|key| ConversationRef { key, title });
    match did {
        "MESSAGEADD" | "MESSAGEUPDATE" | "MESSAGEDELETE" => {}
        // The bot was called into a chat; what else happens to bots is of no lead's business.
        "JOINCHAT" | "REACTIONCHANGE" | "CONTEXTGET" => {
            let of = [dialog.as_deref().unwrap_or(""), ":", user.as_deref().unwrap_or("")].concat();
            // Of a bot that joins, `FROM_USER_ID` is the bot itself.
            let user = data.any(&["[USER][ID]", "[user][id]"]).or(user);
            let notice = Notice {
                what: what(hook),
                person: user.map(|it| somebody(Some(it), name)),
                conversation,
                extra: extra(&data.under("[PARAMS]")),
            };
            return Some(hook.notice(&of, notice));
        }
        _ => return None,
    }
    let first_command = || data.items("[COMMAND]").ok().and_then(|it| it.first().and_then(|it| it.any(&["[MESSAGE_ID]"])));
    let id = data.any(&["[PARAMS][MESSAGE_ID]", "[message][id]", "[messageId]", "[PARAMS][ID]"]).or_else(first_command);
    let id = id.or_else(|| data.any(&["[PARAMS][TEMPLATE_ID]"]))?;
    if data.get("[PARAMS][SYSTEM]") == "Y" || matches!(data.get("[message][isSystem]"), "1" | "true") {
        return None;
    }
    let revision = revision(hook.name);
    // Of what was taken back Bitrix24 says that it was.
    let text = if revision == Some(Revision::Deleted) { "" } else { data.get("[PARAMS][MESSAGE]") };
    let text = if text.is_empty() { data.get("[message][text]") } else { text };
    let interaction = Interaction {
        conversation,
        text: Some(bbcode::plain(text)).filter(|it| !it.is_empty()),
        attachments: files(&data.under("[PARAMS][FILES]")),
        extra: extra(&data.under("[PARAMS]")),
        ..Interaction::new(Direction::In, somebody(user, name), message(&id, revision))
    };
    Some(hook.event(&id, EventBody::Message(interaction)))
}

fn revision(name: &str) -> Option<Revision> {
    if name.ends_with("UPDATE") { Some(Revision::Edited) } else { name.ends_with("DELETE").then_some(Revision::Deleted) }
}

fn message(id: &str, revision: Option<Revision>) -> Detail {
    Detail::Message(Message { id: Some(id.to_owned()), revision, ..Message::default() })
}

fn somebody(id: Option<String>, name: Name) -> Person {
    Person { identities: id.map(Identity::handle).into_iter().collect(), name, ..Person::default() }
}

fn files(list: &Form) -> Vec<Attachment> {
    let attachment = |it: &Form| {
        let url = it.any(&["[link]", "[url]", "[urlDownload]", "[URL_DOWNLOAD]"]).filter(|it| it.starts_with("http"));
        let kind = match it.any(&["[type]", "[TYPE]"]).as_deref() {
            Some("image") => AttachmentKind::Photo,
            Some("video") => AttachmentKind::Video,
            Some("audio") => AttachmentKind::Audio,
            _ => AttachmentKind::Document,
        };
        Attachment {
            kind,
            reference: it.any(&["[id]", "[ID]"]),
            url,
            name: it.any(&["[name]", "[NAME]"]),
            mime: it.any(&["[mime]"]),
            size: it.any(&["[size]", "[SIZE]"]).and_then(|it| it.parse().ok()),
            extra: patchbay_sdk::schemas::Extra::new(),
        }
    };
    let found: Vec<Attachment> = list.items("").unwrap_or_default().iter().map(attachment).collect();
    found.into_iter().filter(|it| it.url.is_some() || it.reference.is_some()).collect()
}
