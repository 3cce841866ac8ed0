//! A note of a merge, or of one that was taken back, as any sink takes it: an interaction of its own, with links to the other person's records.

use patchbay_schemas::command::{CommandBody, InteractionAdd, PersonRecord, RecordsMerged};
use patchbay_schemas::interaction::{Attachment, AttachmentKind, Comment};
use patchbay_schemas::{Detail, Direction, Event, EventBody, Extra, Interaction, Person};
use serde_json::Value;

use super::command::{Made, Unmade};
use crate::hub::Hub;
use crate::ids::{ConnectionId, InteractionId};
use crate::rules::ingest::{MergeNote, MergeStep};
use crate::store::StoreError;
use crate::store::outbox::Waiting;
use crate::store::people::{MergeView, RULE};

/// How long a note waits for the record that it would point at, milliseconds; then it goes without a link.
const LINK_WAIT_MS: i64 = 30_000;
/// How long until it looks again, milliseconds.
pub(super) const LOOK_AGAIN_MS: i64 = 2_000;
/// The medium of what the hub says itself.
const CHANNEL: &str = "patchbay";
/// Longest address that is passed on, bytes.
const LONGEST_ADDRESS: usize = 2_048;

/// Makes the command of a note from what the database says now.
pub(super) async fn command(
    hub: &Hub,
    connection: ConnectionId,
    lane: &str,
    row: &Waiting,
    note: &MergeNote,
    retried: bool,
) -> Result<Result<Made, Unmade>, StoreError> {
    let Some((lead_remote_id, _)) = hub.store.reference(connection, "lead", lane).await? else { return Ok(Err(Unmade::Needless)) };
    let Some(merge) = hub.store.merge(row.workspace, note.merge).await? else { return Ok(Err(Unmade::Needless)) };
    let waited = hub.store.clock.now_ms().saturating_sub(i64::try_from(row.id.made_at()).unwrap_or(i64::MAX));
    let (mut links, mut records) = (Vec::new(), vec![record(lane, &lead_remote_id)]);
    for other in &note.others {
        let Some(lead) = hub.store.lead(row.workspace, *other).await? else { continue };
        // Asked first: whatever is written after that is found.
        let is_awaited = hub.store.is_awaited(connection, *other).await?;
        match hub.store.reference(connection, "lead", &other.to_string()).await? {
            // Two leads of one person may share a record.
            Some((remote, _)) if remote == lead_remote_id => {}
            Some((remote, details)) => {
                links.push(link(&lead.title, Some((&remote, &details))));
                records.push(record(&lead.id, &remote));
            }
            None if is_awaited => {
                if waited < LINK_WAIT_MS {
                    return Ok(Err(Unmade::Soon));
                }
                links.push(link(&lead.title, None));
            }
            // It may have been told when the other record was still there: the sink looks, and the row says what became of it.
            None if retried => links.push(link(&lead.title, None)),
            None => {}
        }
    }
    if links.is_empty() {
        return Ok(Err(Unmade::Needless));
    }
    let mut interaction = Interaction::new(Direction::Out, Person::default(), Detail::Comment(Comment::default()));
    interaction.text = Some(text(&merge, note.step, links.len()));
    interaction.attachments = links;
    let at = Some(merge.at).filter(|_| note.step == MergeStep::Merged).or(merge.undone_at).unwrap_or(merge.at);
    let event = Event { id: format!("{}:{}", note.step.as_str(), merge.id), occurred_at: Some(at), body: EventBody::Comment(interaction) };
    // The sink finds it again by this id, which stays the row's.
    let interaction_id = InteractionId::of_number(row.id.number()).to_string();
    let channel = CHANNEL.to_owned();
    // What was taken back meanwhile is still told, and must not be done.
    let is_asked = note.step == MergeStep::Merged && merge.undone_at.is_none() && records.len() > 1;
    let same_person = if is_asked { records } else { Vec::new() };
    let add =
        InteractionAdd { lead_remote_id, interaction_id, channel, received_at: at, event, conversation_id: None, same_person, retried };
    let body = CommandBody::InteractionAdd(Box::new(add));
    let payload = body.payload().map_err(|error| StoreError::Database(sqlx::Error::Encode(Box::new(error))))?;
    Ok(Ok(Made { payload: (body.kind(), payload), local: ("interaction", row.id.to_string()), told: None }))
}

fn record(lead: &str, remote: &str) -> PersonRecord {
    PersonRecord { lead_id: lead.to_owned(), remote_id: remote.to_owned() }
}

/// What a receipt tells of records that the sink merged: the one that is left, and those that are in it. None: nothing, or something of records that
/// the command did not name.
pub(super) fn merged(payload: &str, details: &str) -> Option<RecordsMerged> {
    let mut details: Value = serde_json::from_str(details).ok()?;
    let merged: RecordsMerged = serde_json::from_value(details.get_mut("merged")?.take()).ok()?;
    let asked: InteractionAdd = serde_json::from_str(payload).ok()?;
    let named = |id: &String| asked.same_person.iter().any(|it| it.remote_id == *id);
    let sound = named(&merged.into) && merged.records.iter().all(|it| named(it) && *it != merged.into);
    sound.then_some(merged)
}

/// Another record, by what people call it and, where the sink has it already, by its id and address.
fn link(title: &str, record: Option<(&str, &str)>) -> Attachment {
    let details: Value = record.and_then(|it| serde_json::from_str(it.1).ok()).unwrap_or_default();
    let is_web = |it: &&str| (it.starts_with("https://") || it.starts_with("http://")) && it.len() <= LONGEST_ADDRESS;
    Attachment {
        kind: AttachmentKind::Other,
        reference: None,
        url: details["url"].as_str().filter(is_web).map(str::to_owned),
        name: Some(record.map_or_else(|| title.to_owned(), |(remote, _)| format!("{title}, {remote}"))),
        mime: None,
        size: None,
        extra: Extra::default(),
    }
}

/// What people read.
fn text(merge: &MergeView, step: MergeStep, records: usize) -> String {
    let those = if records == 1 { "the one below" } else { "those below" };
    let by = |author: &str| if author == RULE { "the rules".to_owned() } else { author.to_owned() };
    let day = |at: patchbay_schemas::Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    if let (MergeStep::Unmerged, Some(undone)) = (step, merge.undone_at) {
        let (from, to, by) = (day(merge.at), day(undone), by(merge.undone_by.as_deref().unwrap_or(RULE)));
        return format!(
            "This record and {those} are of two people, who were taken for one from {from} to {to}. Taken apart by {by}. \
             What was said meanwhile stands with whoever said it."
        );
    }
    let found = merge.reasons.iter().filter(|it| it.milli >= 0).map(|it| it.words.as_str());
    let reasons: Vec<&str> = merge.because.as_deref().into_iter().chain(found).collect();
    let why = if reasons.is_empty() { String::new() } else { format!(" Why: {}.", reasons.join("; ")) };
    let (at, by, from) = (day(merge.at), by(&merge.author), merge.from);
    format!("This record and {those} are of one person, as decided by {by} on {at}.{why} `patchbay contacts unmerge {from}` takes it back.")
}

#[cfg(test)]
mod tests {
    use patchbay_identity::compare::{Field, Level, Reason};
    use patchbay_schemas::Timestamp;

    use super::*;
    use crate::ids::{ContactId, MergeId};

    #[test]
    fn a_note_says_who_found_what_when_and_why() {
        let reason = |field, level, milli| Reason { field, level, milli }.into();
        let mut merge = MergeView {
            id: MergeId::of_number(1),
            from: ContactId::of_number(3),
            into: ContactId::of_number(2),
            reasons: vec![reason(Field::Phone, Level::Same, 0), reason(Field::City, Level::Apart, -700)],
            because: None,
            author: RULE.to_owned(),
            at: Timestamp::from_second(1_700_000_000).unwrap(),
            undone_at: None,
            undone_by: None,
        };
        let merged = text(&merge, MergeStep::Merged, 1);
        assert_eq!(
            merged,
            "This record and the one below are of one person, as decided by the rules on 2023-11-14 22:13 UTC. Why: phone: the same. \
             `patchbay contacts unmerge con_00000000000000000000000003` takes it back."
        );
        merge.because = Some("Odoo shows both under one record".to_owned());
        let asked = text(&merge, MergeStep::Merged, 1);
        assert!(asked.contains(" Why: Odoo shows both under one record; phone: the same."), "{asked}");
        merge.undone_at = Timestamp::from_second(1_700_003_600).ok();
        merge.undone_by = Some("cli:anna".to_owned());
        let unmerged = text(&merge, MergeStep::Unmerged, 2);
        assert!(unmerged.starts_with("This record and those below are of two people") && unmerged.contains("by cli:anna"), "{unmerged}");
    }

    #[test]
    fn only_records_that_were_named_can_have_been_merged() {
        let event = serde_json::json!({ "id": "1", "kind": "comment", "payload": { "direction": "out", "person": {}, "comment": {} } });
        let payload = serde_json::json!({
            "lead_remote_id": "12", "interaction_id": "int_1", "channel": "patchbay", "received_at": "2026-03-14T09:26:53Z", "event": event,
            "same_person": [{ "lead_id": "lead_1", "remote_id": "12" }, { "lead_id": "lead_2", "remote_id": "15" }],
        });
        let told = |it: &str| merged(&payload.to_string(), &format!(r#"{{"result":"created","merged":{it}}}"#));
        let sound = RecordsMerged { into: "15".to_owned(), records: vec!["12".to_owned()] };
        assert_eq!(told(r#"{"into":"15","records":["12"]}"#), Some(sound));
        for wrong in [
            r#"{"into":"16","records":["12"]}"#,
            r#"{"into":"15","records":["12","99"]}"#,
            r#"{"into":"15","records":["15"]}"#,
            "7",
            "null",
        ] {
            assert_eq!(told(wrong), None, "{wrong}");
        }
        assert_eq!(merged(&payload.to_string(), "{}"), None);
    }

    #[test]
    fn a_link_is_an_address_of_the_web_or_none() {
        let url = |details: &str| link("Анна (telegram)", Some(("42", details))).url;
        assert_eq!(url(r#"{"url":"https://crm.example/42"}"#).as_deref(), Some("https://crm.example/42"));
        for none in [r#"{"url":"javascript:alert(1)"}"#, r#"{"url":7}"#, "{}", "[]", "what"] {
            assert_eq!(url(none), None, "{none}");
        }
        assert_eq!(link("Анна (telegram)", Some(("42", "{}"))).name.as_deref(), Some("Анна (telegram), 42"));
        assert_eq!(link("Анна (telegram)", None).name.as_deref(), Some("Анна (telegram)"));
    }
}
