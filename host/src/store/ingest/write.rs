//! Writes a plan.

use std::collections::BTreeMap;

use patchbay_schemas::{Qualification, Source, Stage, Temperature, Timestamp};

use super::people::People;
use crate::ids::{ConnectionId, EventId, InteractionId, LeadId};
use crate::rules::ingest::{ChangedCall, Counted, Known, LeadState, NewDelivery, NewEvent, NewLead, Outcome, Plan, Repeated};
use crate::rules::link::attributed;
use crate::store::Type::{Bytes, Int, Text};
use crate::store::{Tx, Value};

pub(super) async fn write(tx: &mut Tx, mut plan: Plan, known: &Known, now: i64, shard: i64) -> sqlx::Result<()> {
    // Two writers that meet on several keys meet in the same order, so that neither waits for the other in a circle.
    plan.events.sort_unstable_by(|a, b| (a.connection, &a.key).cmp(&(b.connection, &b.key)));
    plan.identities.sort_unstable_by(|a, b| (a.workspace, &a.identity.key, &a.said).cmp(&(b.workspace, &b.identity.key, &b.said)));
    plan.conversations.sort_unstable_by(|a, b| (a.connection, &a.key).cmp(&(b.connection, &b.key)));
    write_deliveries(tx, &plan.counted, plan.deliveries, plan.events);
    super::people::write(
        tx,
        People {
            contacts: plan.contacts,
            filled: plan.filled,
            retold: plan.retold,
            untied: plan.untied,
            identities: plan.identities,
            moved: plan.moved,
            merges: plan.merges,
            verdicts: plan.verdicts,
            questions: plan.questions,
        },
        known,
        now,
    )
    .await?;
    write_leads(tx, plan.leads, plan.changed_leads, now);
    attribute(tx, plan.attributed).await?;

    let rows = plan.conversations.into_iter().map(|it| {
        let last = it.last_at.as_millisecond();
        vec![
            it.id.into(),
            it.workspace.into(),
            it.connection.into(),
            it.key.into(),
            it.title.into(),
            it.contact.into(),
            last.into(),
            now.into(),
        ]
    });
    let sql = "insert into conversations (id, workspace_id, connection_id, key, title, contact_id, last_at, created_at) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Int, Int], rows.collect());
    let rows = plan.touched_conversations.into_iter().map(|(id, at)| vec![id.into(), at.as_millisecond().into()]).collect();
    let sql = "with k(id, at) as ({rows}) update conversations set last_at = k.at from k where conversations.id = k.id and conversations.last_at < k.at";
    tx.queue(sql, &[Text, Int], rows);

    let rows = plan.interactions.into_iter().map(|it| {
        vec![
            it.id.into(),
            it.workspace.into(),
            it.event.into(),
            it.contact.into(),
            it.lead.into(),
            it.conversation.into(),
            it.connection.into(),
            it.kind.into(),
            it.call.into(),
            it.direction.into(),
            it.occurred_at.as_millisecond().into(),
            it.received_at.as_millisecond().into(),
            it.placed.map(|it| it.to_string()).into(),
        ]
    });
    let sql = "insert into interactions (id, workspace_id, event_id, contact_id, lead_id, conversation_id, connection_id, kind, call_id, direction, \
               occurred_at, received_at, placed) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Text, Text, Text, Text, Int, Int, Text], rows.collect());
    write_calls(tx, plan.changed_calls, plan.call_steps);
    for (connection, record) in std::mem::take(&mut plan.deleted) {
        crate::store::outbox::note_deleted(tx, connection, &record, now).await?;
    }
    if !plan.persons.is_empty() {
        crate::store::outbox::note_persons(tx, std::mem::take(&mut plan.persons), now);
    }
    // Seldom needed: a batch without a token is written by the same text as ever.
    if !plan.redeemed.is_empty() {
        crate::store::links::redeem(tx, plan.redeemed);
    }

    // Only what CRMs tell has these.
    crate::store::sayings::write(tx, plan.sayings);
    crate::store::imports::write(tx, plan.references, &plan.imported, now);
    crate::store::outbox::enqueue(tx, plan.outbox, now);
    crate::store::outbox::say(tx, plan.messages, now);
    crate::store::outbox::report(tx, plan.became, now);
    for (connection, cursor) in plan.cursors {
        // Where another poller has the turn by now, it reads the same again: events that are there already are duplicates.
        crate::store::polls::write_cursor(tx, connection, &cursor, now).await?;
    }
    close_repeated(tx, &plan.repeated, &mut plan.counted).await?;
    // The row stays locked until the commit, which follows at once.
    crate::store::counters::add(tx, &plan.counted, shard);
    Ok(())
}

/// Dead deliveries that were read when the vendor sent them again are duplicates from now on; what they held stands there.
async fn close_repeated(tx: &mut Tx, repeated: &[Repeated], counted: &mut BTreeMap<ConnectionId, Counted>) -> sqlx::Result<()> {
    for Repeated { connection, dead, by } in repeated {
        let sql = "update deliveries set outcome = 'duplicate', reason = $2, body = null where id = $1 and outcome = 'dead'";
        let reason = format!("hub.again: the vendor sent it again as {by}");
        // Somebody may have redriven it meanwhile.
        if tx.execute(sql, vec![(*dead).into(), reason.into()]).await? == 1 {
            let counted = counted.entry(*connection).or_default();
            counted.outcomes[Outcome::Dead as usize] -= 1;
            counted.outcomes[Outcome::Duplicate as usize] += 1;
        }
    }
    Ok(())
}

fn write_calls(tx: &mut Tx, changed: BTreeMap<InteractionId, ChangedCall>, steps: Vec<(EventId, InteractionId)>) {
    let rows = changed.into_iter().map(|(id, it)| {
        vec![id.into(), it.event.into(), it.contact.into(), it.lead.into(), it.conversation.into(), it.occurred_at.as_millisecond().into()]
    });
    let sql = "with k(id, event_id, contact_id, lead_id, conversation_id, at) as ({rows}) \
               update interactions set event_id = coalesce(k.event_id, interactions.event_id), contact_id = k.contact_id, \
               lead_id = k.lead_id, conversation_id = k.conversation_id, occurred_at = k.at from k where interactions.id = k.id";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Int], rows.collect());
    let rows = steps.into_iter().map(|(event, interaction)| vec![interaction.into(), event.into()]).collect();
    tx.queue("insert into call_steps (interaction_id, event_id) {rows}", &[Text, Text], rows);
}

fn write_deliveries(tx: &mut Tx, counted: &BTreeMap<ConnectionId, Counted>, deliveries: Vec<NewDelivery>, events: Vec<NewEvent>) {
    debug_assert!(deliveries.iter().all(|it| counted.contains_key(&it.connection)), "every delivery is counted");
    let rows = deliveries.into_iter().map(|it| {
        vec![
            it.id.into(),
            it.workspace.into(),
            it.connection.into(),
            it.way.as_str().into(),
            it.outcome.as_str().into(),
            it.reason.into(),
            it.request.into(),
            it.body.into(),
            i64::try_from(it.size).unwrap_or(i64::MAX).into(),
            it.received_at.as_millisecond().into(),
            it.fingerprint.into(),
            it.read_by.version.as_str().into(),
            it.read_by.digest.as_str().into(),
        ]
    });
    let sql = "insert into deliveries (id, workspace_id, connection_id, origin, outcome, reason, request, body, size, received_at, fingerprint, \
               read_version, read_digest) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Text, Bytes, Int, Int, Text, Text, Text], rows.collect());

    let rows = events.into_iter().map(|it| {
        vec![
            it.id.into(),
            it.workspace.into(),
            it.connection.into(),
            it.delivery.into(),
            it.key.into(),
            it.kind.into(),
            (if it.dead.is_some() { "dead" } else { "accepted" }).into(),
            it.dead.into(),
            it.occurred_at.map(Timestamp::as_millisecond).into(),
            it.received_at.as_millisecond().into(),
            it.payload.into(),
        ]
    });
    let sql = "insert into events (id, workspace_id, connection_id, delivery_id, key, kind, state, reason, occurred_at, received_at, payload) {rows}";
    tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Text, Text, Int, Int, Text], rows.collect());
}

pub(in crate::store) fn write_leads(tx: &mut Tx, leads: Vec<NewLead>, changed: BTreeMap<LeadId, LeadState>, now: i64) {
    let rows = leads.into_iter().map(|it| {
        let [title, stage, reason, return_at, responsible_id, responsible_name, next, qualification, temperature, tags] =
            columns(it.state.clone());
        vec![
            it.id.into(),
            it.state.workspace.into(),
            it.state.contact.into(),
            title,
            stage,
            reason,
            return_at,
            it.channel.into(),
            it.connection.into(),
            source_text(&it.source).into(),
            it.form.into(),
            now.into(),
            responsible_id,
            responsible_name,
            next,
            qualification,
            temperature,
            tags,
            it.created_at.as_millisecond().into(),
            now.into(),
        ]
    });
    let sql = "insert into leads (id, workspace_id, contact_id, title, stage, refused_reason, return_at, channel, connection_id, source, form, stage_at, \
               responsible_id, responsible_name, next_contact_at, qualification, temperature, tags, created_at, updated_at) {rows}";
    tx.queue(
        sql,
        &[Text, Text, Text, Text, Text, Text, Int, Text, Text, Text, Text, Int, Text, Text, Int, Text, Text, Text, Int, Int],
        rows.collect(),
    );

    let rows = changed.into_iter().map(|(id, state)| {
        let mut row = vec![id.into()];
        row.extend(columns(state));
        row.push(now.into());
        row
    });
    let sql = "with k(id, title, stage, refused_reason, return_at, responsible_id, responsible_name, next_contact_at, qualification, temperature, \
               tags, at) as ({rows}) update leads set title = k.title, stage_at = case when leads.stage = k.stage then leads.stage_at else k.at end, stage = k.stage, refused_reason = k.refused_reason, return_at = k.return_at, \
               responsible_id = k.responsible_id, responsible_name = k.responsible_name, next_contact_at = k.next_contact_at, \
               qualification = k.qualification, temperature = k.temperature, tags = k.tags, updated_at = k.at from k where leads.id = k.id";
    tx.queue(sql, &[Text, Text, Text, Text, Int, Text, Text, Int, Text, Text, Text, Int], rows.collect());
}

/// Leads have the campaign of a link that was opened where none was known. Seldom needed: a batch without a token asks nothing.
async fn attribute(tx: &mut Tx, links: BTreeMap<LeadId, Source>) -> sqlx::Result<()> {
    for (lead, link) in links {
        for row in tx.fetch("select source from leads where id = $1", vec![lead.into()]).await? {
            let known: Source = row.json(0)?;
            let after = attributed(known.clone(), &link);
            if after != known {
                tx.execute("update leads set source = $2 where id = $1", vec![lead.into(), source_text(&after).into()]).await?;
            }
        }
    }
    Ok(())
}

fn source_text(source: &Source) -> String {
    serde_json::to_string(source).expect("a source is plain text in maps")
}

/// `title, stage, refused_reason, return_at, responsible_id, responsible_name, next_contact_at, qualification, temperature, tags`
fn columns(state: LeadState) -> [Value; 10] {
    let name = state.stage.name();
    let (reason, return_at) = match state.stage {
        Stage::Refused { reason, return_at } => (reason, return_at),
        _ => (None, None),
    };
    let (responsible_id, responsible_name) = state.responsible.map_or((None, None), |it| (it.id, Some(it.name)));
    let qualification = match state.qualification {
        Qualification::Unknown => "unknown",
        Qualification::Target => "target",
        Qualification::NonTarget => "non_target",
    };
    let temperature = if state.temperature == Temperature::Hot { "hot" } else { "cold" };
    let tags = serde_json::to_string(&state.tags).expect("a list of texts is JSON");
    [
        state.title.into(),
        name.into(),
        reason.into(),
        return_at.map(Timestamp::as_millisecond).into(),
        responsible_id.into(),
        responsible_name.into(),
        state.next_contact_at.map(Timestamp::as_millisecond).into(),
        qualification.into(),
        temperature.into(),
        tags.into(),
    ]
}
