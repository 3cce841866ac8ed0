//! How much each agreement says, where a workspace does not take the shipped weights.

use patchbay_identity::resolve::Verdict;
use patchbay_identity::weights::Weights;
use patchbay_schemas::Timestamp;
use serde::Serialize;

use super::RULE;
use crate::clock::timestamp;
use crate::ids::{ContactId, WorkspaceId};
use crate::store::{Store, StoreError};

/// The weights of a workspace.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct WeightsView {
    /// What each level of each field says, and where the numbers come from.
    #[schema(value_type = Object)]
    pub weights: Weights,
    /// Who took them over: `cli:<user>` or the API token's id. Absent: they are the shipped ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What was decided of two contacts for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The smaller id.
    pub one: ContactId,
    /// The other contact.
    pub other: ContactId,
    /// What was decided.
    pub verdict: Verdict,
    /// The rules hold it for certain, and nobody was asked.
    pub by_rule: bool,
}

/// Rows of decisions that are read at once.
const PAGE: i64 = 1_000;

impl Store {
    /// All that was decided of a workspace's contacts, in the order of the smaller id.
    pub async fn answers(&self, workspace: WorkspaceId) -> Result<Vec<Answered>, StoreError> {
        let sql = "select one, other, verdict, author from verdicts where workspace_id = $1 and (one > $2 or (one = $2 and other > $3)) \
                   order by one, other limit $4";
        let (mut one, mut other) = (String::new(), String::new());
        let mut found = Vec::new();
        loop {
            let rows = self.db.fetch(sql, vec![workspace.into(), one.as_str().into(), other.as_str().into(), PAGE.into()]).await?;
            let Some(last) = rows.last() else { return Ok(found) };
            (one, other) = (last.text(0)?, last.text(1)?);
            for row in &rows {
                let verdict = if row.text(2)? == "same" { Verdict::Same } else { Verdict::Different };
                found.push(Answered { one: row.id(0)?, other: row.id(1)?, verdict, by_rule: row.text(3)? == RULE });
            }
        }
    }

    /// The weights that a workspace's people are compared by.
    pub async fn weights(&self, workspace: WorkspaceId) -> Result<WeightsView, StoreError> {
        let sql = "select weights, author, at from weights where workspace_id = $1";
        Ok(match self.db.fetch_optional(sql, vec![workspace.into()]).await? {
            Some(row) => WeightsView { weights: row.json(0)?, author: Some(row.text(1)?), at: Some(timestamp(row.int(2)?)) },
            None => WeightsView { weights: Weights::shipped(), author: None, at: None },
        })
    }

    /// Has a workspace's people compared by these weights from now on, or by the shipped ones again; everybody is looked at anew.
    pub async fn set_weights(&self, workspace: WorkspaceId, weights: Option<&Weights>, author: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.execute("delete from weights where workspace_id = $1", vec![workspace.into()]).await?;
        if let Some(weights) = weights {
            let text = serde_json::to_string(weights).expect("weights are plain values");
            let sql = "insert into weights (workspace_id, weights, author, at) values ($1, $2, $3, $4)";
            tx.execute(sql, vec![workspace.into(), text.into(), author.into(), self.clock.now_ms().into()]).await?;
        }
        // Whoever compares by the former weights right now may not write what it finds.
        let sql = "update matching set cursor = '', weighed = weighed + 1, lease_token = null, lease_until = 0 where workspace_id = $1";
        tx.execute(sql, vec![workspace.into()]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The newest contacts, at most so many.
    pub async fn newest_contacts(&self, workspace: WorkspaceId, limit: i64) -> Result<Vec<ContactId>, StoreError> {
        let sql = "select id from contacts where workspace_id = $1 order by id desc limit $2";
        let rows = self.db.fetch(sql, vec![workspace.into(), limit.into()]).await?;
        Ok(rows.iter().map(|it| it.id(0)).collect::<sqlx::Result<_>>()?)
    }
}
