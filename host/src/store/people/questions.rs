//! Who may be one person: what is asked, and what was answered.

use patchbay_identity::compare::Reason;
use patchbay_schemas::{Contact, Timestamp};
use serde::Serialize;

use super::groups::places;
use super::why::ReasonView;
use crate::clock::timestamp;
use crate::ids::{ContactId, QuestionId, WorkspaceId};
use crate::rules::ingest::NewQuestion;
use crate::store::{Record, Store, StoreError, Tx, Value};

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
    /// Who asks: `rule`; `link`: a link that was made for the one was opened by the other; `record`: a record of the one's lead names the other;
    /// `merged_record`, `merged_person`: people of a CRM put the record, or the contact, of the one's lead under the other's.
    pub asked_by: String,
    /// Why it is asked, in plain words, unless it is for the reasons alone: `Odoo shows both under one record`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
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

const QUESTION: &str = "select q.id, q.one, q.other, q.bits, q.reasons, q.state, q.asked_at, q.answered_by, q.answered_at, q.asked_by, x.name \
                        from questions q left join connections x on x.id = q.connection_id";

/// Why something is asked, in plain words; none: the reasons say so. `sink` is the name of the connection that it is about.
fn words(asked_by: &str, sink: Option<&str>) -> Option<String> {
    let sink = sink.unwrap_or("a CRM");
    Some(match asked_by {
        "link" => "a link that was made for the one was opened by the other".to_owned(),
        "record" => "in a CRM the record of the one's lead names the other".to_owned(),
        "merged_record" => format!("{sink} shows both under one record"),
        "merged_person" => format!("{sink} shows both as one contact"),
        _ => return None,
    })
}

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
        let sql = format!("{QUESTION} where q.workspace_id = $1 and q.state = $2 and q.id < $3 order by q.id desc limit $4");
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
        let sql = format!("{QUESTION} where q.workspace_id = $1 and q.id = $2");
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
            because: words(&row.text(9)?, row.opt_text(10)?.as_deref()),
            asked_by: row.text(9)?,
            state: row.text(5)?,
            asked_at: timestamp(row.int(6)?),
            answered_by: row.opt_text(7)?,
            answered_at: row.opt_int(8)?.map(timestamp),
        }))
    }
}

/// Asks whether the people of two contacts are one, because of what people of a sink did: unless they are, somebody said that they are not, or somebody
/// is asked already.
pub(in crate::store) async fn ask(tx: &mut Tx, question: NewQuestion) -> sqlx::Result<()> {
    let NewQuestion { id, workspace, one, other, asked_by, at } = question;
    let sql = "select c.id, coalesce(c.merged_into, c.id) from contacts a join contacts c on c.id = coalesce(a.merged_into, a.id) or c.merged_into = \
               coalesce(a.merged_into, a.id) where a.workspace_id = $1 and a.id = $2";
    let (mut people, mut shown) = (Vec::new(), Vec::new());
    for contact in [one, other] {
        let rows = tx.fetch(sql, vec![workspace.into(), contact.into()]).await?;
        let contacts = rows.iter().map(|it| it.id(0)).collect::<sqlx::Result<Vec<ContactId>>>()?;
        let Some(row) = rows.first() else { return Ok(()) };
        shown.push(row.id::<crate::ids::Contact>(1)?);
        people.push(contacts);
    }
    if shown[0] == shown[1] {
        return Ok(());
    }
    let (ours, all) = (places(1, people[0].len()), places(1, people[0].len() + people[1].len()));
    let bound = || people.iter().flatten().map(|it| Value::from(*it)).collect::<Vec<_>>();
    // A pair between them: each in the list, and exactly one of them on our side.
    let between = format!(
        "one in ({all}) and other in ({all}) and (case when one in ({ours}) then 1 else 0 end) <> (case when other in ({ours}) then 1 else 0 end)"
    );
    if !tx.fetch(&format!("select 1 from verdicts where verdict <> 'same' and {between} limit 1"), bound()).await?.is_empty() {
        return Ok(());
    }
    let sql = format!("select id, asked_by from questions where state = 'open' and {between} order by id limit 1");
    if let Some(row) = tx.fetch(&sql, bound()).await?.first() {
        // The rules forget what they ask when they think otherwise; this stands until somebody answers.
        if row.text(1)? == super::RULE {
            let sql = "update questions set asked_by = $2, connection_id = $3 where id = $1";
            tx.execute(sql, vec![row.text(0)?.into(), asked_by.as_str().into(), asked_by.sink().into()]).await?;
        }
        return Ok(());
    }
    let sql = "insert into questions (id, workspace_id, one, other, bits, reasons, state, asked_by, connection_id, asked_at) \
               values ($1, $2, $3, $4, 0, '[]', 'open', $5, $6, $7) on conflict do nothing";
    let values = vec![id.into(), workspace.into(), one.min(other).into(), one.max(other).into(), asked_by.as_str().into()];
    tx.execute(sql, [values, vec![asked_by.sink().into(), at.as_millisecond().into()]].concat()).await?;
    Ok(())
}

/// Why somebody is asked about two people, as far as that is not said by reasons; none where nobody is, or for reasons alone. `contacts` are those of both.
pub(super) async fn because(tx: &mut Tx, contacts: &[ContactId]) -> sqlx::Result<Option<String>> {
    let list = places(1, contacts.len());
    let sql = format!(
        "select q.asked_by, x.name from questions q left join connections x on x.id = q.connection_id \
         where q.state = 'open' and q.asked_by <> 'rule' and q.one in ({list}) and q.other in ({list}) order by q.id limit 1"
    );
    let rows = tx.fetch(&sql, contacts.iter().map(|it| Value::from(*it)).collect()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(words(&row.text(0)?, row.opt_text(1)?.as_deref()))
}
