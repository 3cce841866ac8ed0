//! Who said what when, and why several contacts are one person.

use patchbay_identity::compare::{Field, Level, Reason};
use patchbay_schemas::{Assurance, Contact, Identity, Timestamp};
use serde::Serialize;

use super::groups::{places, values};
use super::pins::PinView;
use crate::clock::timestamp;
use crate::ids::{ContactId, LeadId, MergeId, WorkspaceId};
use crate::store::ingest::identity_kind;
use crate::store::{Record, Store, StoreError};

/// Why a person is who they are.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Why {
    /// The person as shown.
    #[schema(value_type = Object)]
    pub contact: Contact,
    /// Who said what, oldest first.
    pub sources: Vec<SourceView>,
    /// What is shown whatever they say; of two for one field the last.
    pub pins: Vec<PinView>,
    /// What joined them, oldest first; those that were taken back too.
    pub merges: Vec<MergeView>,
    /// Contacts of whom somebody said that they are another person.
    pub apart: Vec<ContactId>,
}

/// What one source says of a person.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct SourceView {
    /// Its contact: `unmerge` takes it out.
    pub id: ContactId,
    /// The connection's name.
    pub connection: String,
    /// The connector's id.
    pub connector: String,
    /// When it said so first; of a record when it changed last.
    pub said_at: Timestamp,
    /// The lead whose record there says so: what it says changes with the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_of: Option<LeadId>,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What it knows the person by.
    #[schema(value_type = Vec<Object>)]
    pub identities: Vec<Identity>,
}

/// What joined two contacts.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct MergeView {
    /// `mrg_…`
    pub id: MergeId,
    /// The younger contact.
    pub from: ContactId,
    /// The older one.
    pub into: ContactId,
    /// What spoke for it and against it. Empty: somebody said so, a call had one caller, or one is what the record of a lead says of its person.
    pub reasons: Vec<ReasonView>,
    /// Why somebody was asked who said so, in plain words: `Odoo shows both under one record`. Absent: by the reasons alone, or nobody was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// `rule`, or who said so.
    pub author: String,
    /// When.
    pub at: Timestamp,
    /// When it was taken back; none: it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone_at: Option<Timestamp>,
    /// Who took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
}

/// One reason of a decision.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ReasonView {
    /// What was compared: `phone`, `given`, …
    #[schema(value_type = String)]
    pub field: Field,
    /// How well it agrees: `same`, `sound`, `apart`, …
    #[schema(value_type = String)]
    pub level: Level,
    /// What that says in thousandths of a bit: positive for one person, negative for two; 0: it was enough by itself.
    pub milli: i32,
    /// The same for people: `phone: the same`.
    pub words: String,
}

impl From<Reason> for ReasonView {
    fn from(it: Reason) -> Self {
        Self { field: it.field, level: it.level, milli: it.milli, words: it.words() }
    }
}

const MERGES: &str = "select id, from_id, into_id, reasons, author, at, undone_at, undone_by, because from merges where workspace_id = $1";

impl Store {
    /// A merge, also one that was taken back.
    pub async fn merge(&self, workspace: WorkspaceId, id: MergeId) -> Result<Option<MergeView>, StoreError> {
        let sql = format!("{MERGES} and id = $2");
        let row = self.db.fetch_optional(&sql, vec![workspace.into(), id.into()]).await?;
        Ok(row.as_ref().map(merge).transpose()?)
    }

    /// Why a person is who they are; none where there is no such contact.
    pub async fn why(&self, workspace: WorkspaceId, id: ContactId) -> Result<Option<Why>, StoreError> {
        let Some(contact) = self.contact(workspace, id).await? else { return Ok(None) };
        let shown: ContactId = contact.id.parse().map_err(|_| StoreError::Gone("the contact"))?;
        let sql = "select c.id, x.name, x.connector, c.said_at, c.name, c.company, c.city, c.language, c.record_of from contacts c \
                   join connections x on x.id = c.connection_id where c.workspace_id = $1 and (c.id = $2 or c.merged_into = $2) order by c.id";
        let rows = self.db.fetch(sql, vec![workspace.into(), shown.into()]).await?;
        let mut sources = rows.iter().map(source).collect::<sqlx::Result<Vec<_>>>()?;
        let contacts: Vec<ContactId> = sources.iter().map(|it| it.id).collect();
        let sql = format!(
            "select i.contact_id, i.kind, coalesce(i.shown, i.value), i.assurance, i.label from contacts c \
             join identities i on i.contact_id = c.id where c.workspace_id = $1 and c.id in ({}) order by i.contact_id, i.kind, i.value",
            places(2, contacts.len())
        );
        for row in self.db.fetch(&sql, values(workspace, &contacts)).await? {
            let contact: ContactId = row.id(0)?;
            let assurance = if row.text(3)? == "vendor" { Assurance::Vendor } else { Assurance::Stated };
            let identity = Identity { kind: identity_kind(&row.text(1)?)?, value: row.text(2)?, assurance, label: row.opt_text(4)? };
            if let Some(source) = sources.iter_mut().find(|it| it.id == contact) {
                source.identities.push(identity);
            }
        }
        let list = places(2, contacts.len());
        let sql = format!("{MERGES} and (from_id in ({list}) or into_id in ({list})) order by id");
        let rows = self.db.fetch(&sql, values(workspace, &contacts)).await?;
        let merges = rows.iter().map(merge).collect::<sqlx::Result<_>>()?;
        let sql = format!(
            "select case when one in ({list}) then other else one end from verdicts \
             where workspace_id = $1 and verdict <> 'same' and (one in ({list}) or other in ({list})) order by 1"
        );
        let rows = self.db.fetch(&sql, values(workspace, &contacts)).await?;
        let mut apart = rows.iter().map(|it| it.id(0)).collect::<sqlx::Result<Vec<ContactId>>>()?;
        apart.dedup();
        apart.retain(|it| !contacts.contains(it));
        let pins = self.pins(workspace, &contacts).await?;
        Ok(Some(Why { contact, sources, pins, merges, apart }))
    }
}

fn source(row: &Record) -> sqlx::Result<SourceView> {
    Ok(SourceView {
        id: row.id(0)?,
        connection: row.text(1)?,
        connector: row.text(2)?,
        said_at: timestamp(row.int(3)?),
        record_of: row.opt_id(8)?,
        name: row.opt_text(4)?,
        company: row.opt_text(5)?,
        city: row.opt_text(6)?,
        language: row.opt_text(7)?,
        identities: Vec::new(),
    })
}

fn merge(row: &Record) -> sqlx::Result<MergeView> {
    Ok(MergeView {
        id: row.id(0)?,
        from: row.id(1)?,
        into: row.id(2)?,
        reasons: row.json::<Vec<Reason>>(3)?.into_iter().map(Into::into).collect(),
        because: row.opt_text(8)?,
        author: row.text(4)?,
        at: timestamp(row.int(5)?),
        undone_at: row.opt_int(6)?.map(timestamp),
        undone_by: row.opt_text(7)?,
    })
}
