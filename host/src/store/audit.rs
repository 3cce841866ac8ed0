//! The audit: each use of a secret by name, counted by the hour, each change of one with who made it, and each erasure of a person.

use std::collections::BTreeSet;

use super::db::Type::{Int, Text};
use super::{Store, StoreError, Tx, Value};
use crate::audit::Purpose;
use crate::clock::timestamp;
use crate::ids::{AuditId, ConnectionId, ContactId, WorkspaceId};

/// Uses within one of these are one line, milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// How often a secret was used for something.
#[derive(Debug, Clone)]
pub struct UseCount {
    /// Whose connection.
    pub workspace: WorkspaceId,
    /// Whose secret.
    pub connection: ConnectionId,
    /// Its name.
    pub name: String,
    /// What for.
    pub purpose: Purpose,
    /// How often.
    pub count: u64,
}

/// One line of the audit.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct AuditLine {
    /// `aud_…`; the newest line has the highest.
    pub id: AuditId,
    /// What was done. Uses of a secret: `secret.request`, `secret.verify`, `secret.compute`, `secret.token`; its changes: `secret.set`,
    /// `secret.removed`, `secret.resealed`. Of people: `contact.erase`.
    pub action: String,
    /// To what: the connection that the secret is of, or the contact that was erased.
    pub subject: String,
    /// The secret's name; with a colon: the hub's own (`oauth2:refresh_token`). Absent: it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Who did it: `cli:<user>`, the API token's id, or `hub`. Absent: a secret was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When; of uses, the first of the hour.
    pub at: patchbay_schemas::Timestamp,
    /// The last of the hour.
    pub last_at: patchbay_schemas::Timestamp,
    /// How often within the hour.
    pub count: i64,
    /// What it came to, in counts; of an erasure, what was erased. Never personal data.
    #[schema(value_type = Object)]
    pub details: serde_json::Value,
}

/// Which lines are wanted, newest first.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only of this connection or contact.
    pub subject: Option<String>,
    /// Only this action, or all that begin with this word: `contact.erase`, `secret`.
    pub action: Option<String>,
    /// Only what somebody did, without uses.
    pub changes: bool,
    /// Only older than this line.
    pub before: Option<AuditId>,
    /// At most so many.
    pub limit: i64,
}

impl Store {
    /// Adds uses to those of the hour.
    pub async fn add_uses(&self, counts: &[UseCount]) -> Result<(), StoreError> {
        if counts.is_empty() {
            return Ok(());
        }
        let now = self.clock.now_ms();
        let row = |it: &UseCount| {
            let count = i64::try_from(it.count).unwrap_or(i64::MAX);
            vec![
                self.ids.next::<crate::ids::Audit>().into(),
                it.workspace.into(),
                it.purpose.action().into(),
                it.connection.into(),
                it.name.as_str().into(),
                "".into(),
                (now - now.rem_euclid(HOUR_MS)).into(),
                now.into(),
                count.into(),
            ]
        };
        // Two of one process may count the same secret, and one statement must not touch a row twice.
        let (mut once, mut again) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for it in counts {
            let place = (it.connection, it.name.as_str(), it.purpose.action());
            if seen.insert(place) { once.push(row(it)) } else { again.push(row(it)) }
        }
        let mut tx = self.db.begin().await?;
        let sql = "insert into audit (id, workspace_id, action, subject, secret, author, hour, at, count) {rows} \
                   on conflict (subject, secret, action, author, hour) do update set count = audit.count + excluded.count, at = excluded.at";
        tx.queue(sql, &[Text, Text, Text, Text, Text, Text, Int, Int, Int], once);
        if !again.is_empty() {
            // A read sends what is queued.
            tx.fetch("select 1", Vec::new()).await?;
            for row in again {
                let sql =
                    "update audit set count = count + $5 where action = $1 and subject = $2 and secret = $3 and author = '' and hour = $4";
                let place = [2, 3, 4, 6, 8].map(|it| row[it].clone());
                tx.execute(sql, place.to_vec()).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Lines of the audit, newest first.
    pub async fn audit(&self, workspace: WorkspaceId, filter: &AuditFilter) -> Result<Vec<AuditLine>, StoreError> {
        let mut values: Vec<Value> = vec![workspace.into(), filter.limit.into()];
        let mut sql = String::new();
        let mut only = |condition: &str, value: Value| {
            values.push(value);
            sql.push_str(&format!(" and {condition} ${}", values.len()));
        };
        if let Some(subject) = &filter.subject {
            only("subject =", subject.as_str().into());
        }
        if let Some(action) = &filter.action {
            let family = format!("{action}.");
            only(&format!("substr(action || '.', 1, {}) =", family.chars().count()), family.into());
        }
        if let Some(before) = filter.before {
            only("id <", before.into());
        }
        if filter.changes {
            sql.push_str(" and author <> ''");
        }
        let sql = format!(
            "select id, action, subject, secret, author, hour, at, count, details from audit where workspace_id = $1{sql} order by id desc limit $2"
        );
        let rows = self.db.fetch(&sql, values).await?;
        rows.iter()
            .map(|row| {
                let author = Some(row.text(4)?).filter(|it| !it.is_empty());
                Ok(AuditLine {
                    id: row.id(0)?,
                    action: row.text(1)?,
                    subject: row.text(2)?,
                    secret: Some(row.text(3)?).filter(|it| !it.is_empty()),
                    // A use's line begins with its hour.
                    at: timestamp(if author.is_some() { row.int(6)? } else { row.int(5)? }),
                    author,
                    last_at: timestamp(row.int(6)?),
                    count: row.int(7)?,
                    details: row.json(8)?,
                })
            })
            .collect::<sqlx::Result<_>>()
            .map_err(Into::into)
    }
}

/// Writes down that a person was erased, in the transaction that erases.
pub(super) async fn note_erasure(
    tx: &mut Tx,
    id: AuditId,
    (workspace, contact): (WorkspaceId, ContactId),
    (author, details): (&str, &serde_json::Value),
    now: i64,
) -> sqlx::Result<()> {
    let sql = "insert into audit (id, workspace_id, action, subject, secret, author, hour, at, count, details) \
               values ($1, $2, 'contact.erase', $3, '', $4, $5, $5, 1, $6)";
    tx.execute(sql, vec![id.into(), workspace.into(), contact.into(), author.into(), now.into(), details.to_string().into()]).await?;
    Ok(())
}

/// Who changes a secret, for the line in the audit.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// `secret.set`, `secret.removed` or `secret.resealed`
    pub action: &'a str,
    /// `cli:<user>`, an API token's id, or `hub`
    pub author: &'a str,
}

/// Writes down that a secret changed, in the transaction that changes it. The workspace is the connection's.
pub(super) async fn note_change(
    tx: &mut Tx,
    id: AuditId,
    connection: ConnectionId,
    name: &str,
    change: Change<'_>,
    now: i64,
) -> sqlx::Result<()> {
    let sql = "insert into audit (id, workspace_id, subject, secret, action, author, hour, at, count) \
               select $1, workspace_id, id, $3, $4, $5, $6, $6, 1 from connections where id = $2 \
               on conflict (subject, secret, action, author, hour) do update set count = audit.count + 1";
    let sql = if tx.has_company() {
        sql.replace(
            "select $1, workspace_id, id, $3, $4, $5, $6, $6",
            "select $1::text, workspace_id, id, $3::text, $4::text, $5::text, $6::bigint, $6::bigint",
        )
    } else {
        // SQLite takes the conflict for a join's condition otherwise.
        sql.replace("where id = $2 ", "where id = $2 and true ")
    };
    let Change { action, author } = change;
    tx.execute(&sql, vec![id.into(), connection.into(), name.into(), action.into(), author.into(), now.into()]).await?;
    Ok(())
}
