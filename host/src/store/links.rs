//! Links: deep links and QR codes that tie a messenger's chat to a person, a visitor, a lead or a campaign.

use std::collections::HashMap;

use patchbay_schemas::{IdentityKind, Source, Timestamp};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;

use super::db::LookUp;
use super::{Record, Store, StoreError, Tx, Type};
use crate::clock::timestamp;
use crate::ids::{ConnectionId, ContactId, EventId, LeadId, LinkId, WorkspaceId};
use crate::rules::identity::IdentityKey;
use crate::rules::ingest::Redeemed;
use crate::rules::link::{self, Known, Whom};

/// A link that somebody wants to make.
#[derive(Debug, Clone, Default)]
pub struct NewLink {
    /// Whom it is made for.
    pub whom: Whom,
    /// Campaign and page.
    pub source: Source,
    /// How often it may be used; none: as often as anybody likes.
    pub uses: Option<i64>,
    /// From when on it ties nothing any more.
    pub expires_at: Option<Timestamp>,
    /// What the chat opens with, where the vendor lets a link say so.
    pub text: String,
}

/// A link as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LinkView {
    /// `lnk_…`
    pub id: LinkId,
    /// The messenger's connection.
    pub connection: ConnectionId,
    /// What the link carries.
    pub token: String,
    /// The contact that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
    /// The lead that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<LeadId>,
    /// The site's visitor whom it was made for: scope and id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
    /// Campaign and page.
    #[schema(value_type = Object)]
    pub source: Source,
    /// What the chat opens with.
    pub text: String,
    /// How often it may be used; none: as often as anybody likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<i64>,
    /// How often it was.
    pub used: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it ties nothing any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// Who opened a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LinkUse {
    /// When.
    pub at: Timestamp,
    /// The contact that opened it, as its messenger says (merges not followed).
    pub contact: ContactId,
    /// The event that carried the token.
    pub event: EventId,
}

const LINK: &str = "l.id, l.connection_id, l.token, l.contact_id, l.lead_id, l.visitor, l.source, l.text, l.uses, l.used, l.created_at, l.expires_at, \
                    l.revoked_at";

impl Store {
    /// Makes a link. None: the contact or the lead that it is for is not there.
    pub async fn create_link(
        &self,
        workspace: WorkspaceId,
        connection: ConnectionId,
        new: NewLink,
    ) -> Result<Option<LinkView>, StoreError> {
        let mut random = [0; 64];
        SystemRandom::new().fill(&mut random).expect("the system's randomness is there");
        let token = link::token(&random).ok_or(StoreError::Gone("the system's randomness"))?;
        let (id, now) = (self.ids.next::<crate::ids::Link>(), self.clock.now());
        let (contact, lead, visitor) = match &new.whom {
            Whom::Anybody => (None, None, None),
            Whom::Person { contact, lead } => (Some(*contact), *lead, None),
            Whom::Visitor(key) => (None, None, Some(key.value.clone())),
        };
        let mut tx = self.db.begin().await?;
        if let Some(contact) = contact {
            let sql = "select 1 from contacts where workspace_id = $1 and id = $2";
            if tx.fetch(sql, vec![workspace.into(), contact.into()]).await?.is_empty() {
                return Ok(None);
            }
            // Whoever opens it is known by the same: so the two are one person by a rule that is there, and can be parted like any others.
            let identity = link::own_identity(id);
            let sql = "insert into identities (workspace_id, kind, value, said, contact_id, assurance, shared) values ($1, 'handle', $2, $2, $3, 'vendor', 0)";
            tx.execute(sql, vec![workspace.into(), identity.value.into(), contact.into()]).await?;
        }
        let source = serde_json::to_string(&new.source).expect("a source is plain text in maps");
        let sql = "insert into links (id, workspace_id, connection_id, token, contact_id, lead_id, visitor, source, text, uses, used, created_at, expires_at) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12)";
        let bound = vec![
            id.into(),
            workspace.into(),
            connection.into(),
            token.into(),
            contact.into(),
            lead.into(),
            visitor.into(),
            source.into(),
            new.text.into(),
            new.uses.into(),
            now.as_millisecond().into(),
            new.expires_at.map(Timestamp::as_millisecond).into(),
        ];
        tx.execute(sql, bound).await?;
        tx.commit().await?;
        Ok(self.link(workspace, id).await?.map(|it| it.0))
    }

    /// The contact of a lead; none where there is no such lead.
    pub async fn contact_of_lead(&self, workspace: WorkspaceId, lead: LeadId) -> Result<Option<ContactId>, StoreError> {
        let sql = "select contact_id from leads where workspace_id = $1 and id = $2";
        let row = self.db.fetch_optional(sql, vec![workspace.into(), lead.into()]).await?;
        Ok(row.map(|it| it.id(0)).transpose()?)
    }

    /// Links, newest first, older than `before`.
    pub async fn links(&self, workspace: WorkspaceId, before: Option<LinkId>, limit: i64) -> Result<Vec<LinkView>, StoreError> {
        // Every id sorts before this.
        let before = before.map_or_else(|| "lnk_~".to_owned(), |it| it.to_string());
        let sql = format!("select {LINK} from links l where l.workspace_id = $1 and l.id < $2 order by l.id desc limit $3");
        let rows = self.db.fetch(&sql, vec![workspace.into(), before.into(), limit.into()]).await?;
        Ok(rows.iter().map(view).collect::<sqlx::Result<_>>()?)
    }

    /// One link, and who opened it, newest first.
    pub async fn link(&self, workspace: WorkspaceId, id: LinkId) -> Result<Option<(LinkView, Vec<LinkUse>)>, StoreError> {
        let sql = format!("select {LINK} from links l where l.workspace_id = $1 and l.id = $2");
        let Some(row) = self.db.fetch_optional(&sql, vec![workspace.into(), id.into()]).await? else { return Ok(None) };
        let sql = "select at, contact_id, event_id from link_uses where link_id = $1 order by event_id desc limit 100";
        let uses = self.db.fetch(sql, vec![id.into()]).await?;
        let uses = uses.iter().map(|it| Ok(LinkUse { at: timestamp(it.int(0)?), contact: it.id(1)?, event: it.id(2)? }));
        Ok(Some((view(&row)?, uses.collect::<sqlx::Result<_>>()?)))
    }

    /// Takes a link back: it ties nobody any more, and whom it tied stays tied. False: there is no such link that is not taken back.
    pub async fn revoke_link(&self, workspace: WorkspaceId, id: LinkId) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "update links set revoked_at = $3 where workspace_id = $1 and id = $2 and revoked_at is null";
        let touched = tx.execute(sql, vec![workspace.into(), id.into(), self.clock.now_ms().into()]).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }
}

/// The links of these tokens, by workspace, connection and token; nothing is asked where there are none. Nobody else uses them meanwhile.
pub(super) async fn load(tx: &mut Tx, tokens: Vec<String>) -> sqlx::Result<HashMap<(WorkspaceId, ConnectionId, String), Known>> {
    let rows: Vec<Vec<String>> = tokens.into_iter().map(|it| vec![it]).collect();
    if tx.has_company() {
        let sql = "with k(token) as ({rows}) select l.id from links l where l.token in (select token from k) order by l.id for update";
        tx.look_up(sql, 1, [LookUp { columns: 1, rows: rows.clone() }]).await?;
    }
    let sql = "with k(token) as ({rows}) select l.workspace_id, l.id, l.connection_id, l.token, coalesce(c.merged_into, l.contact_id), l.lead_id, \
               l.visitor, l.source, l.uses, l.used, l.created_at, l.expires_at, l.revoked_at from k join links l on l.token = k.token \
               left join contacts c on c.id = l.contact_id";
    let mut found = HashMap::new();
    for row in tx.look_up(sql, 13, [LookUp { columns: 1, rows }]).await? {
        let whom = match (row.opt_id(4)?, row.opt_text(6)?) {
            (Some(contact), _) => Whom::Person { contact, lead: row.opt_id(5)? },
            (None, Some(value)) => Whom::Visitor(IdentityKey { kind: IdentityKind::Handle, value }),
            (None, None) => Whom::Anybody,
        };
        let link = Known {
            id: row.id(1)?,
            whom,
            source: row.json(7)?,
            uses: row.opt_int(8)?,
            used: row.int(9)?,
            created_at: timestamp(row.int(10)?),
            expires_at: row.opt_int(11)?.map(timestamp),
            revoked: row.opt_int(12)?.is_some(),
        };
        found.insert((row.id(0)?, row.id(2)?, row.text(3)?), link);
    }
    Ok(found)
}

/// Queues who opened which link.
pub(super) fn redeem(tx: &mut Tx, redeemed: Vec<Redeemed>) {
    let mut counts: HashMap<LinkId, i64> = HashMap::new();
    for it in &redeemed {
        *counts.entry(it.link).or_default() += 1;
    }
    let mut counts: Vec<(LinkId, i64)> = counts.into_iter().collect();
    counts.sort_unstable();
    let rows = counts.into_iter().map(|(link, count)| vec![link.into(), count.into()]).collect();
    let sql = "with k(id, n) as ({rows}) update links set used = links.used + k.n from k where links.id = k.id";
    tx.queue(sql, &[Type::Text, Type::Int], rows);
    let rows =
        redeemed.into_iter().map(|it| vec![it.link.into(), it.event.into(), it.contact.into(), it.at.as_millisecond().into()]).collect();
    tx.queue("insert into link_uses (link_id, event_id, contact_id, at) {rows}", &[Type::Text, Type::Text, Type::Text, Type::Int], rows);
}

fn view(row: &Record) -> sqlx::Result<LinkView> {
    Ok(LinkView {
        id: row.id(0)?,
        connection: row.id(1)?,
        token: row.text(2)?,
        contact: row.opt_id(3)?,
        lead: row.opt_id(4)?,
        visitor: row.opt_text(5)?,
        source: row.json(6)?,
        text: row.text(7)?,
        uses: row.opt_int(8)?,
        used: row.int(9)?,
        created_at: timestamp(row.int(10)?),
        expires_at: row.opt_int(11)?.map(timestamp),
        revoked_at: row.opt_int(12)?.map(timestamp),
    })
}
