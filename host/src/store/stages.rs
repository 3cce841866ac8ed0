//! How far leads came: stages that people set, and why interactions belong to a lead.

use std::collections::BTreeMap;

use patchbay_schemas::{Lead, RecordFields, Stage, Timestamp};
use serde::Serialize;

use super::ingest::{LEAD_STATE, lead_state, write_leads};
use super::outbox::RecordOf;
use super::people::Effects;
use super::sayings::SayingView;
use super::{Store, StoreError};
use crate::clock::timestamp;
use crate::ids::{ContactId, InteractionId, LeadId, WorkspaceId};
use crate::rules::ingest::returning::Placed;
use crate::rules::ingest::{Ask, Context, LeadState};

/// A lead among the others of its person, and why its interactions belong to it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct LeadWhy {
    /// The lead.
    #[schema(value_type = Object)]
    pub lead: Lead,
    /// Since when it is in its stage: of a client, when it was converted.
    pub stage_at: Timestamp,
    /// When somebody is to speak with the person: the next contact of an open lead, the date to come back to a refused one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// The form that opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// The person's lead before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<OtherLead>,
    /// The person's lead after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub later: Option<OtherLead>,
    /// The records that it has in CRMs, and those that people deleted there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<RecordOf>,
    /// What was said of its fields: by people in the CRMs and here, the last word first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<SayingView>,
    /// Its interactions, newest first: a thousand at most.
    pub interactions: Vec<PlacedView>,
}

/// Another lead of the same person.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct OtherLead {
    /// `lead_…`
    pub id: LeadId,
    /// How far it came.
    pub stage: String,
    /// Since when.
    pub stage_at: Timestamp,
}

/// An interaction, and why it belongs to its lead.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PlacedView {
    /// `int_…`
    pub id: InteractionId,
    /// When it happened.
    pub at: Timestamp,
    /// `message`, `call`, …
    pub kind: String,
    /// The connection's name.
    pub connection: String,
    /// `opened`, `joined` or `reopened`; none: it was brought here when people were merged or parted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed: Option<&'static str>,
    /// The rule of the workspace that said so; none: what holds without rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// Most interactions that are told of a lead.
const MOST: i64 = 1_000;

/// When somebody is to speak with the person.
#[must_use]
pub fn due_at(lead: &Lead) -> Option<Timestamp> {
    match lead.stage {
        Stage::Interest | Stage::Lead => lead.next_contact_at,
        Stage::Refused { return_at, .. } => return_at,
        Stage::Client => None,
    }
}

impl Store {
    /// Why a lead is what it is; none where there is no such lead.
    pub async fn lead_why(&self, workspace: WorkspaceId, id: LeadId) -> Result<Option<LeadWhy>, StoreError> {
        let Some(lead) = self.lead(workspace, id).await? else { return Ok(None) };
        let sql = "select l.stage_at, l.form, coalesce(c.merged_into, c.id) from leads l join contacts c on c.id = l.contact_id \
                   where l.workspace_id = $1 and l.id = $2";
        let row = self.db.fetch_optional(sql, vec![workspace.into(), id.into()]).await?.ok_or(StoreError::Gone("the lead"))?;
        let person: ContactId = row.id(2)?;
        let mut others = [None, None];
        for (place, (which, order)) in others.iter_mut().zip([("<", "desc"), (">", "asc")]) {
            let sql = format!(
                "select l.id, l.stage, l.stage_at from leads l where l.workspace_id = $1 and l.id {which} $2 and l.contact_id in \
                 (select id from contacts where id = $3 or merged_into = $3) order by l.id {order} limit 1"
            );
            let found = self.db.fetch_optional(&sql, vec![workspace.into(), id.into(), person.into()]).await?;
            let view =
                |it: super::Record| Ok::<_, sqlx::Error>(OtherLead { id: it.id(0)?, stage: it.text(1)?, stage_at: timestamp(it.int(2)?) });
            *place = found.map(view).transpose()?;
        }
        let [earlier, later] = others;
        let sql = "select n.id, n.occurred_at, n.kind, x.name, n.placed from interactions n join connections x on x.id = n.connection_id \
                   where n.workspace_id = $1 and n.lead_id = $2 order by n.id desc limit $3";
        let rows = self.db.fetch(sql, vec![workspace.into(), id.into(), MOST.into()]).await?;
        let interactions = rows.iter().map(|it| {
            let placed = it.opt_text(4)?.as_deref().and_then(Placed::parse);
            let (placed, rule) = placed.map_or((None, None), |it| (Some(it.done.as_str()), it.rule));
            Ok(PlacedView { id: it.id(0)?, at: timestamp(it.int(1)?), kind: it.text(2)?, connection: it.text(3)?, placed, rule })
        });
        Ok(Some(LeadWhy {
            due_at: due_at(&lead),
            lead,
            stage_at: timestamp(row.int(0)?),
            form: row.opt_text(1)?,
            earlier,
            later,
            records: self.records_of(workspace, id).await?,
            said: self.sayings(id).await?,
            interactions: interactions.collect::<sqlx::Result<_>>()?,
        }))
    }

    /// Puts a lead into a stage, and tells the sinks. A lead that is reopened is to be contacted as a new one, a refused one on the date to come back.
    /// False: there is no such lead.
    pub async fn set_stage(&self, workspace: WorkspaceId, id: LeadId, stage: Stage, context: &Context) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let lock = if tx.has_company() { " for update" } else { "" };
        let sql = format!("select {LEAD_STATE} from leads where workspace_id = $1 and id = $2{lock}");
        let Some(row) = tx.fetch(&sql, vec![workspace.into(), id.into()]).await?.into_iter().next() else { return Ok(false) };
        let (_, before) = lead_state(&row, 0)?;
        let mut after = LeadState { stage, ..before.clone() };
        match &after.stage {
            Stage::Refused { return_at: Some(at), .. } => after.next_contact_at = Some(*at),
            it if it.is_open() && !before.stage.is_open() => after.next_contact_at = LeadState::due(context, now),
            _ => {}
        }
        if after == before {
            return Ok(true);
        }
        let fields = RecordFields {
            stage: Some(after.stage.clone()),
            next_contact_at: after.next_contact_at.filter(|it| Some(*it) != before.next_contact_at),
            ..RecordFields::default()
        };
        super::sayings::write_decision(&mut tx, id, &fields, &before, now).await?;
        write_leads(&mut tx, Vec::new(), BTreeMap::from([(id, after)]), now.as_millisecond());
        let mut effects = Effects::new(self, context, workspace);
        effects.ask(id, Ask::Upsert);
        effects.enqueue(&mut tx, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}
