//! What somebody said by hand is to be shown of a person.

use patchbay_schemas::Timestamp;
use serde::Serialize;

use super::effects::Effects;
use super::groups::{group, places, values};
use crate::clock::timestamp;
use crate::ids::{ContactId, WorkspaceId};
use crate::rules::ingest::Context;
use crate::rules::survivorship::Shown;
use crate::store::{Store, StoreError};

/// What is shown of a person whatever sources say.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PinView {
    /// The contact that it goes with when people are parted.
    pub contact: ContactId,
    /// `name`, `company`, `city` or `language`
    pub field: String,
    /// What is shown.
    pub value: String,
    /// Who said so.
    pub author: String,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Pins fields of a person, or with no value takes their pins off, and tells the sinks. False: there is no such contact.
    pub async fn pin(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
        fields: &[(Shown, Option<String>)],
        author: &str,
        context: &Context,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let Some(person) = group(&mut tx, workspace, contact).await? else { return Ok(false) };
        let now = self.clock.now();
        let list = places(2, person.contacts.len());
        for (field, value) in fields {
            // Other contacts of the person may have been pinned before they were joined: one word counts.
            let sql = format!("delete from pins where workspace_id = $1 and contact_id in ({list}) and field = '{}'", field.as_str());
            tx.execute(&sql, values(workspace, &person.contacts)).await?;
            if let Some(value) = value {
                let sql = "insert into pins (contact_id, field, workspace_id, value, author, at) values ($1, $2, $3, $4, $5, $6)";
                let at = now.as_millisecond();
                let bound = vec![contact.into(), field.as_str().into(), workspace.into(), value.as_str().into(), author.into(), at.into()];
                tx.execute(sql, bound).await?;
            }
        }
        let mut effects = Effects::new(self, context, workspace);
        effects.tell_leads(&mut tx, &person.contacts, now).await?;
        effects.enqueue(&mut tx, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    pub(super) async fn pins(&self, workspace: WorkspaceId, contacts: &[ContactId]) -> Result<Vec<PinView>, StoreError> {
        let list = places(2, contacts.len());
        let sql = format!(
            "select contact_id, field, value, author, at from pins where workspace_id = $1 and contact_id in ({list}) order by at, contact_id, field"
        );
        let rows = self.db.fetch(&sql, values(workspace, contacts)).await?;
        let view = |it: &crate::store::Record| {
            Ok(PinView { contact: it.id(0)?, field: it.text(1)?, value: it.text(2)?, author: it.text(3)?, at: timestamp(it.int(4)?) })
        };
        Ok(rows.iter().map(view).collect::<sqlx::Result<_>>()?)
    }
}
