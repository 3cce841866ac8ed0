//! Who may be one person: what is asked, and what was answered.

use patchbay_identity::compare::Reason;
use patchbay_schemas::{Contact, Timestamp};
use serde::Serialize;

use super::why::ReasonView;
use crate::clock::timestamp;
use crate::ids::{ContactId, QuestionId, WorkspaceId};
use crate::store::{Record, Store, StoreError, Value};

/// A pair of people who may be one.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct QuestionView {
    /// `qst_…`
    pub id: QuestionId,
    /// The one.
    #[schema(value_type = Object)]
    pub one: Contact,
    /// The other.
    #[schema(value_type = Object)]
    pub other: Contact,
    /// The odds that they are one person in thousandths of a bit: 1000 is two to one.
    pub bits: i64,
    /// Who asks: `rule`; `link`: a link that was made for the one was opened by the other; `record`: a record of the one's lead names the other.
    pub asked_by: String,
    /// What speaks for it and against it.
    pub reasons: Vec<ReasonView>,
    /// `open`, `yes`, `no` or `never`
    pub state: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
}

/// A question by its contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// A contact of the one.
    pub one: ContactId,
    /// A contact of the other.
    pub other: ContactId,
    /// Whether it still waits for an answer.
    pub open: bool,
}

const QUESTION: &str = "q.id, q.one, q.other, q.bits, q.reasons, q.state, q.asked_at, q.answered_by, q.answered_at, q.asked_by";

impl Store {
    /// Questions in this state, newest first, older than `before`.
    pub async fn questions(
        &self,
        workspace: WorkspaceId,
        state: &str,
        before: Option<QuestionId>,
        limit: i64,
    ) -> Result<Vec<QuestionView>, StoreError> {
        // Every id sorts before this.
        let before = before.map_or_else(|| "qsu".to_owned(), |it| it.to_string());
        let sql = format!(
            "select {QUESTION} from questions q where q.workspace_id = $1 and q.state = $2 and q.id < $3 order by q.id desc limit $4"
        );
        let bound: Vec<Value> = vec![workspace.into(), state.into(), before.into(), limit.into()];
        let mut found = Vec::new();
        for row in self.db.fetch(&sql, bound).await? {
            if let Some(question) = self.view(workspace, &row).await? {
                found.push(question);
            }
        }
        Ok(found)
    }

    /// One question.
    pub async fn question(&self, workspace: WorkspaceId, id: QuestionId) -> Result<Option<QuestionView>, StoreError> {
        let sql = format!("select {QUESTION} from questions q where q.workspace_id = $1 and q.id = $2");
        match self.db.fetch_optional(&sql, vec![workspace.into(), id.into()]).await? {
            Some(row) => self.view(workspace, &row).await,
            None => Ok(None),
        }
    }

    /// Whom a question is about; none where there is no such question.
    pub async fn asked(&self, workspace: WorkspaceId, id: QuestionId) -> Result<Option<Asked>, StoreError> {
        let sql = "select one, other, state from questions where workspace_id = $1 and id = $2";
        let row = self.db.fetch_optional(sql, vec![workspace.into(), id.into()]).await?;
        Ok(row.map(|it| Ok::<_, sqlx::Error>(Asked { one: it.id(0)?, other: it.id(1)?, open: it.text(2)? == "open" })).transpose()?)
    }

    async fn view(&self, workspace: WorkspaceId, row: &Record) -> Result<Option<QuestionView>, StoreError> {
        let one = self.contact(workspace, row.id(1)?).await?;
        let other = self.contact(workspace, row.id(2)?).await?;
        let (Some(one), Some(other)) = (one, other) else { return Ok(None) };
        Ok(Some(QuestionView {
            id: row.id(0)?,
            one,
            other,
            bits: row.int(3)?,
            reasons: row.json::<Vec<Reason>>(4)?.into_iter().map(Into::into).collect(),
            asked_by: row.text(9)?,
            state: row.text(5)?,
            asked_at: timestamp(row.int(6)?),
            answered_by: row.opt_text(7)?,
            answered_at: row.opt_int(8)?.map(timestamp),
        }))
    }
}
