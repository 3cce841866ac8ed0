//! Everything about one person as one document.

use patchbay_schemas::{Lead, Timestamp};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::Why;
use super::belongings::{Remote, add_deliveries, owned};
use super::questions::QuestionView;
use crate::clock::timestamp;
use crate::ids::{ContactId, WorkspaceId};
use crate::store::leads::LeadFilter;
use crate::store::{Store, StoreError, Value};

/// Most leads of a person.
const MOST: i64 = 10_000;

/// Everything about one person.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Dossier {
    /// When it was written.
    pub exported_at: Timestamp,
    /// The person, who said what of them, and what joined that.
    pub person: Why,
    /// The person's leads.
    #[schema(value_type = Vec<Object>)]
    pub leads: Vec<Lead>,
    /// Whom the person may be as well, and what was answered.
    pub questions: Vec<QuestionView>,
    /// Conversations: connection, the vendor's key, title.
    #[schema(value_type = Vec<Object>)]
    pub conversations: Vec<Json>,
    /// Events, oldest first: kind, times and payload as schemas/ defines them.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Json>,
    /// Raw deliveries, oldest first. One that holds other people's events too is named without its bytes.
    #[schema(value_type = Vec<Object>)]
    pub deliveries: Vec<Json>,
    /// What was asked of CRMs and messengers about the person, with each try.
    #[schema(value_type = Vec<Object>)]
    pub commands: Vec<Json>,
    /// What CRMs and messengers keep of the person.
    pub remote: Vec<Remote>,
}

impl Store {
    /// Everything about a person; none where there is no such contact.
    pub async fn dossier(&self, workspace: WorkspaceId, contact: ContactId) -> Result<Option<Dossier>, StoreError> {
        let Some(person) = self.why(workspace, contact).await? else { return Ok(None) };
        let Some(scanned) = self.scan(workspace, contact).await? else { return Ok(None) };
        let mut tx = self.db.begin().await?;
        let Some(mut owned) = owned(&mut tx, workspace, contact).await? else { return Ok(None) };
        owned.events.extend(&scanned.events);
        add_deliveries(&mut tx, &mut owned).await?;
        owned.deliveries.extend(&scanned.deliveries);
        tx.commit().await?;
        let filter = LeadFilter { contact: owned.shown, ..LeadFilter::default() };
        let leads = self.leads(workspace, &filter, None, MOST).await?;
        let mut questions = Vec::new();
        for state in ["open", "yes", "no", "never"] {
            let mut asked = self.questions(workspace, state, None, MOST).await?;
            asked.retain(|it| [&it.one, &it.other].into_iter().any(|it| it.id == person.contact.id));
            questions.append(&mut asked);
        }
        let mut conversations = Vec::new();
        for id in &owned.conversations {
            conversations.extend(self.conversation(workspace, *id).await?.map(|it| json!(it)));
        }
        let mut events = Vec::new();
        for id in &owned.events {
            let sql =
                "select id, kind, key, occurred_at, received_at, payload, delivery_id from events where workspace_id = $1 and id = $2";
            for row in self.db.fetch(sql, vec![workspace.into(), (*id).into()]).await? {
                let (occurred_at, payload) = (row.opt_int(3)?.map(timestamp), row.text(5)?);
                events.push(json!({ "id": row.text(0)?, "kind": row.text(1)?, "key": row.text(2)?, "occurred_at": occurred_at,
                    "received_at": timestamp(row.int(4)?), "delivery": row.opt_text(6)?,
                    "payload": serde_json::from_str::<Json>(&payload).unwrap_or(Json::String(payload)) }));
            }
        }
        let mut deliveries = Vec::new();
        for id in &owned.deliveries {
            if let Some((view, body)) = self.delivery(workspace, *id).await? {
                let mut told = json!(view);
                if owned.shared.contains(id) {
                    told["body_omitted"] = json!("it holds other people's events too");
                } else if let Some(body) = body {
                    told["body"] = match String::from_utf8(body) {
                        Ok(text) => json!({ "text": text }),
                        Err(error) => json!({ "base64": base64(error.as_bytes()) }),
                    };
                }
                deliveries.push(told);
            }
        }
        let mut commands = Vec::new();
        for id in &owned.commands {
            if let Some(view) = self.outbox_row(workspace, *id).await? {
                let mut told = json!(view);
                told["tries"] = json!(self.attempts(workspace, *id, MOST).await?);
                let sql = "select payload from outbox where workspace_id = $1 and id = $2 and payload is not null";
                let bound: Vec<Value> = vec![workspace.into(), (*id).into()];
                if let Some(row) = self.db.fetch_optional(sql, bound).await? {
                    told["payload"] = row.json(0)?;
                }
                commands.push(told);
            }
        }
        Ok(Some(Dossier {
            exported_at: self.clock.now(),
            person,
            leads,
            questions,
            conversations,
            events,
            deliveries,
            commands,
            remote: owned.records,
        }))
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}
