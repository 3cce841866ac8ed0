//! `interaction.add`: the interaction in the record's timeline, as a comment, or as a call where it is one.

use patchbay_sdk::Failure;
use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::command::InteractionAdd;
use patchbay_sdk::schemas::interaction::Call;
use patchbay_sdk::schemas::{Detail, Direction, IdentityKind, Interaction, Receipt, time};
use patchbay_sink::{note, receipt};

use crate::ask::{self, list, parameters};
use crate::bbcode;
use crate::client::{Client, NOT_FOUND, RECORD_MISSING, strange};
use crate::config::{Config, Kind};
use crate::find::method;
use crate::lead::ORIGINATOR;
use crate::line;
use crate::payload::{Record, number, records};

/// Adds it. A second try of what may have been added before looks for it first.
pub fn add(client: Client<'_>, config: &Config, command: &InteractionAdd) -> Result<Receipt, Failure> {
    let id: i64 = command.lead_remote_id.parse().map_err(|_| Failure::never("bitrix24.record_id", "that is no id of a Bitrix24 record"))?;
    let Some(interaction) = command.event.body.interaction() else {
        return Err(Failure::never("bitrix24.not_an_interaction", "only interactions stand in a timeline"));
    };
    if let Some(conversation) = line::conversation(config, command, interaction) {
        // Operators read it and answer there; Bitrix24 keeps the dialogue with the person's record.
        return line::show(client, config, command, interaction, conversation);
    }
    let done = match &interaction.detail {
        Detail::Call(call) if config.call_activities => activity(client, config.kind, id, command, interaction, call),
        _ => comment(client, config.kind, id, command, interaction),
    };
    done.map_err(|it| if it.code == NOT_FOUND { Failure { code: RECORD_MISSING.to_owned(), ..it } } else { it })
}

fn comment(client: Client<'_>, kind: Kind, id: i64, command: &InteractionAdd, interaction: &Interaction) -> Result<Receipt, Failure> {
    let owner = || parameters([("ENTITY_ID", id.into()), ("ENTITY_TYPE", kind.name().into())]);
    if command.retried {
        let mut page = list(owner(), ("ID", "DESC"), &["ID", "COMMENT"]);
        // Counted pages: how this method takes an uncounted one is not documented.
        page.put("start", 0);
        let comments = client.call("crm.timeline.comment.list", &page)?;
        if let Some(it) = records(&comments).iter().find(|it| it.text("COMMENT").contains(&command.interaction_id)) {
            return Ok(receipt(it.id(), "found"));
        }
    }
    let mut fields = owner();
    fields.put("COMMENT", body(command, interaction));
    let made = number(&client.call("crm.timeline.comment.add", &parameters([("fields", fields.into())]))?);
    if made == 0 { Err(strange("the id of the comment")) } else { Ok(receipt(made, "created")) }
}

/// A call as Bitrix24 keeps calls: with its own look, and with our id, by which it is found again.
fn activity(
    client: Client<'_>,
    kind: Kind,
    id: i64,
    command: &InteractionAdd,
    interaction: &Interaction,
    call: &Call,
) -> Result<Receipt, Failure> {
    let ours = parameters([("ORIGINATOR_ID", ORIGINATOR.into()), ("ORIGIN_ID", command.interaction_id.as_str().into())]);
    let answers = client.batch(
        false,
        &[
            ask::command("record", method(kind, "get"), parameters([("id", id.into())])),
            ask::command("ours", "crm.activity.list", list(ours, ("ID", "DESC"), &["ID", "ORIGIN_ID"])),
        ],
    )?;
    let record = Record(answers.get("record")?.clone());
    let known =
        answers.found("ours").map(records).unwrap_or_default().into_iter().find(|it| it.text("ORIGIN_ID") == command.interaction_id);
    let fields = call_fields(kind, &record, command, interaction, call);
    if let Some(known) = known {
        client.call("crm.activity.update", &parameters([("id", known.id().into()), ("fields", fields.into())]))?;
        return Ok(receipt(known.id(), "found"));
    }
    let phone = interaction.person.identities.iter().find(|it| it.kind == IdentityKind::Phone);
    let of_whom = match kind {
        Kind::Lead => Some((id, 1)),
        Kind::Deal => Some((record.number("CONTACT_ID"), 3)).filter(|(id, _)| *id != 0),
    };
    let (Some(phone), Some((entity, entity_type))) = (phone, of_whom) else {
        // Bitrix24 wants to know who was called.
        return comment(client, kind, id, command, interaction);
    };
    let whom = parameters([("VALUE", phone.value.as_str().into()), ("ENTITY_ID", entity.into()), ("ENTITY_TYPE_ID", entity_type.into())]);
    let mut fields = fields;
    fields.put("COMMUNICATIONS", vec![whom.into()]);
    let made = number(&client.call("crm.activity.add", &parameters([("fields", fields.into())]))?);
    if made == 0 { Err(strange("the id of the activity")) } else { Ok(receipt(made, "created")) }
}

fn call_fields(kind: Kind, record: &Record, command: &InteractionAdd, it: &Interaction, call: &Call) -> Object<'static> {
    let began = call.started_at.or(command.event.occurred_at).unwrap_or(command.received_at);
    let lasted = i64::from(call.wait_s.unwrap_or(0)) + i64::from(call.talk_s.unwrap_or(0));
    let ended = call.ended_at.or_else(|| time::from_seconds(began.as_second() + lasted)).unwrap_or(began);
    parameters([
        ("OWNER_TYPE_ID", kind.number().into()),
        ("OWNER_ID", record.id().into()),
        // A call.
        ("TYPE_ID", 2.into()),
        ("DIRECTION", if it.direction == Direction::In { 1 } else { 2 }.into()),
        ("SUBJECT", note::headline(&command.channel, it).into()),
        ("DESCRIPTION", body(command, it).into()),
        // BB code.
        ("DESCRIPTION_TYPE", 2.into()),
        ("START_TIME", time::written(began).into()),
        ("END_TIME", time::written(ended).into()),
        ("COMPLETED", "Y".into()),
        ("RESPONSIBLE_ID", record.number("ASSIGNED_BY_ID").into()),
        ("ORIGINATOR_ID", ORIGINATOR.into()),
        ("ORIGIN_ID", command.interaction_id.clone().into()),
    ])
}

/// The comment for people: a line that says what happened, what was said, and our id, by which a second try finds it.
#[must_use]
pub fn body(command: &InteractionAdd, it: &Interaction) -> String {
    let mut code = String::from("[b]");
    bbcode::push(&mut code, &note::headline(&command.channel, it));
    code.push_str("[/b]");
    if let Some(at) = command.event.occurred_at {
        bbcode::line(&mut code, "Time", &time::written(at));
    }
    note::facts(it, &mut |label, text| bbcode::line(&mut code, label, text));
    if let Some(text) = note::said(it) {
        code.push_str("\n\n");
        bbcode::push(&mut code, text);
        code.push('\n');
    }
    for attachment in &it.attachments {
        let name = attachment.name.as_deref().unwrap_or("File");
        bbcode::line(&mut code, name, attachment.url.as_deref().or(attachment.reference.as_deref()).unwrap_or("-"));
    }
    code.push('\n');
    code.push_str(&command.interaction_id);
    code
}
