//! What the matcher keeps and looks up: progress, records, blocking keys, statistics.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use patchbay_identity::compare::Statistics;
use patchbay_identity::record::{Assurance, Record as Said, Said as Spoken};
use patchbay_identity::resolve::Verdict;
use patchbay_identity::resolve::keys::{Key, LARGEST_BLOCK, LARGEST_SINGLE};
use patchbay_identity::terms::Terms;

use crate::ids::{ContactId, WorkspaceId};
use crate::store::Type::{Int, Text};
use crate::store::{Store, StoreError, Value};

/// Most keys or ids in one statement.
const MOST: usize = 512;

/// How far a workspace's contacts were compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Contacts up to this id were looked at by the statistics of now.
    pub cursor: String,
    /// Up to this id they were looked at at all.
    pub reached: String,
    /// How many.
    pub looked: i64,
    /// How many there were when people were counted last; 0: never.
    pub counted: i64,
    /// How often the workspace's weights were changed.
    pub weighed: i64,
}

/// A contact as it is compared.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The contact.
    pub id: ContactId,
    /// The contact that shows the person now.
    pub shown: ContactId,
    /// What it says.
    pub record: Said,
    /// Its identities as they are stored, kind and value, and whether they are marked as several people's.
    pub marks: Vec<(String, String, bool)>,
}

/// `$from, …`, as many as a power of two, so that few statements are prepared.
fn padded<T: Copy + Into<Value>>(from: usize, list: &[T]) -> (String, Vec<Value>) {
    let length = list.len().next_power_of_two();
    let last = list.last().copied();
    let values = list.iter().copied().chain(std::iter::repeat_n(last, length - list.len()).flatten()).map(Into::into).collect();
    (super::groups::places(from, length), values)
}

/// The key as it is stored: workspaces never meet.
#[must_use]
pub fn stored_key(workspace: WorkspaceId, key: Key) -> i64 {
    let mixed = Key::of("block", &[workspace.to_string().as_bytes(), &key.0.to_be_bytes()]).0;
    (mixed & !1 | key.0 & 1).cast_signed()
}

impl Store {
    /// Takes the turn to compare a workspace's contacts, or keeps it, for so many milliseconds; none: another hub has it.
    pub async fn hold_matching(&self, workspace: WorkspaceId, token: &str, lease_ms: i64) -> Result<Option<Progress>, StoreError> {
        let now = self.clock.now_ms();
        let sql = "select 1 from matching where workspace_id = $1 and lease_until > $2 and lease_token <> $3";
        if self.db.fetch_optional(sql, vec![workspace.into(), now.into(), token.into()]).await?.is_some() {
            return Ok(None);
        }
        let sql =
            "select cursor, reached, looked, counted, weighed, lease_until from matching where workspace_id = $1 and lease_token = $2";
        let found = self.db.fetch_optional(sql, vec![workspace.into(), token.into()]).await?;
        // Half of the lease is left: nothing need be written.
        if let Some(row) = found.filter(|it| it.int(5).is_ok_and(|until| until > now + lease_ms / 2)) {
            return Ok(Some(progress(&row)?));
        }
        let mut tx = self.db.begin().await?;
        let sql = "insert into matching (workspace_id, cursor, reached, looked, counted, people, doubles, weighed, lease_token, lease_until) \
                   values ($1, '', '', 0, 0, 0, 0, 0, $2, $3) on conflict (workspace_id) do update \
                   set lease_token = excluded.lease_token, lease_until = excluded.lease_until \
                   where matching.lease_until <= $4 or matching.lease_token = excluded.lease_token";
        let touched = tx.execute(sql, vec![workspace.into(), token.into(), (now + lease_ms).into(), now.into()]).await?;
        let sql = "select cursor, reached, looked, counted, weighed from matching where workspace_id = $1";
        let row = tx.fetch(sql, vec![workspace.into()]).await?.into_iter().next();
        tx.commit().await?;
        Ok(row.filter(|_| touched == 1).map(|it| progress(&it)).transpose()?)
    }

    /// Contacts beyond `cursor`, oldest first.
    pub async fn contacts_after(&self, workspace: WorkspaceId, cursor: &str, limit: i64) -> Result<Vec<ContactId>, StoreError> {
        let sql = "select id from contacts where workspace_id = $1 and id > $2 order by id limit $3";
        let rows = self.db.fetch(sql, vec![workspace.into(), cursor.into(), limit.into()]).await?;
        Ok(rows.iter().map(|it| it.id(0)).collect::<sqlx::Result<_>>()?)
    }

    /// Contacts as they are compared, in no order; those of other workspaces are not there. What a record says is said of the person whom it names, also where
    /// that name is the hub's.
    pub async fn records(&self, workspace: WorkspaceId, ids: &[ContactId]) -> Result<Vec<Loaded>, StoreError> {
        let mut found: BTreeMap<ContactId, Loaded> = BTreeMap::new();
        for ids in ids.chunks(MOST) {
            let (list, bound) = padded(2, ids);
            let values = || std::iter::once(Value::from(workspace)).chain(bound.clone()).collect::<Vec<_>>();
            let sql = format!(
                "select c.id, coalesce(c.merged_into, c.id), coalesce(c.name, p.name), c.company, c.city from contacts c \
                 left join leads l on l.id = c.record_of left join contacts p on p.id = l.contact_id where c.workspace_id = $1 and c.id in ({list})"
            );
            for row in self.db.fetch(&sql, values()).await? {
                let text = |at| Ok::<_, sqlx::Error>(row.opt_text(at)?.unwrap_or_default());
                let record = Said { full_name: text(2)?, company: text(3)?, city: text(4)?, ..Said::default() };
                let id = row.id(0)?;
                found.insert(id, Loaded { id, shown: row.id(1)?, record, marks: Vec::new() });
            }
            let sql = format!(
                "select i.contact_id, i.kind, i.value, i.assurance, i.shared, coalesce(i.shown, i.value) from contacts c \
                 join identities i on i.contact_id = c.id where c.workspace_id = $1 and c.id in ({list})"
            );
            for row in self.db.fetch(&sql, values()).await? {
                let Some(loaded) = found.get_mut(&row.id(0)?) else { continue };
                let (kind, value) = (row.text(1)?, row.text(2)?);
                loaded.marks.push((kind.clone(), value.clone(), row.int(4)? != 0));
                // A number that is dialled tells more than its one form: what kind of line it is.
                let said = row.text(5)?;
                let assurance = match row.text(3)?.as_str() {
                    "vendor" => Assurance::Vendor,
                    "written" => Assurance::Written,
                    _ => Assurance::Stated,
                };
                match kind.as_str() {
                    "phone" => loaded.record.phones.push(Spoken { value: said, assurance }),
                    "email" => loaded.record.emails.push(Spoken { value: said, assurance }),
                    _ => loaded.record.handles.extend(value.split_once(':').map(|(scope, id)| (scope.to_owned(), id.to_owned()))),
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// Keeps the blocking keys of contacts. A block that is too large already takes no more.
    pub async fn keep_keys(&self, rows: &BTreeSet<(i64, ContactId)>) -> Result<(), StoreError> {
        const SINGLE: &str = "with k(key, contact_id) as ({rows}) insert into blocks (key, contact_id) select k.key, k.contact_id from k \
            where coalesce((select x.contact_id from blocks x where x.key = k.key order by x.contact_id limit 1 offset 24), '') = '' \
            on conflict do nothing";
        const SEVERAL: &str = "with k(key, contact_id) as ({rows}) insert into blocks (key, contact_id) select k.key, k.contact_id from k \
            where coalesce((select x.contact_id from blocks x where x.key = k.key order by x.contact_id limit 1 offset 64), '') = '' \
            on conflict do nothing";
        const { assert!(LARGEST_SINGLE == 24 && LARGEST_BLOCK == 64) };
        let mut tx = self.db.begin().await?;
        for (sql, single) in [(SINGLE, 1), (SEVERAL, 0)] {
            let rows = rows.iter().filter(|it| it.0 & 1 == single).map(|(key, contact)| vec![(*key).into(), (*contact).into()]);
            tx.queue(sql, &[Int, Text], rows.collect());
        }
        Ok(tx.commit().await?)
    }

    /// Who has each of these keys, oldest first: one more than the largest open block at most.
    pub async fn blocks(&self, keys: &[i64]) -> Result<HashMap<i64, Vec<ContactId>>, StoreError> {
        let mut found: HashMap<i64, Vec<ContactId>> = HashMap::new();
        for (single, largest) in [(1, LARGEST_SINGLE), (0, LARGEST_BLOCK)] {
            let keys: Vec<i64> = keys.iter().copied().filter(|it| it & 1 == single).collect();
            for keys in keys.chunks(MOST) {
                let length = keys.len().next_power_of_two();
                let list = (1..=length).map(|at| format!("(cast(${at} as bigint))")).collect::<Vec<_>>().join(",");
                let values =
                    keys.iter().map(|it| Value::from(*it)).chain(std::iter::repeat_n(Value::Int(None), length - keys.len())).collect();
                // Every id sorts before `d`.
                let sql = format!(
                    "with k(key) as (values {list}) select b.key, b.contact_id from k join blocks b on b.key = k.key and b.contact_id <= \
                     coalesce((select x.contact_id from blocks x where x.key = k.key order by x.contact_id limit 1 offset {largest}), 'd')"
                );
                for row in self.db.fetch(&sql, values).await? {
                    found.entry(row.int(0)?).or_default().push(row.id(1)?);
                }
            }
        }
        Ok(found)
    }

    /// Everybody who is shown by one of these contacts, and they themselves.
    pub async fn shown_by(&self, workspace: WorkspaceId, shown: &[ContactId]) -> Result<Vec<ContactId>, StoreError> {
        let mut found = Vec::new();
        for shown in shown.chunks(MOST) {
            let (list, bound) = padded(2, shown);
            let sql = format!("select id from contacts where workspace_id = $1 and (id in ({list}) or merged_into in ({list}))");
            for row in self.db.fetch(&sql, std::iter::once(Value::from(workspace)).chain(bound).collect()).await? {
                found.push(row.id(0)?);
            }
        }
        Ok(found)
    }

    /// What was decided of these contacts for ever, the smaller id first.
    pub async fn verdicts(&self, workspace: WorkspaceId, ids: &[ContactId]) -> Result<Vec<(ContactId, ContactId, Verdict)>, StoreError> {
        let mut found = Vec::new();
        for ids in ids.chunks(MOST) {
            let (list, bound) = padded(2, ids);
            let sql =
                format!("select one, other, verdict from verdicts where workspace_id = $1 and (one in ({list}) or other in ({list}))");
            for row in self.db.fetch(&sql, std::iter::once(Value::from(workspace)).chain(bound).collect()).await? {
                let verdict = if row.text(2)? == "same" { Verdict::Same } else { Verdict::Different };
                found.push((row.id(0)?, row.id(1)?, verdict));
            }
        }
        Ok(found)
    }

    /// Statistics as they were counted last.
    pub async fn terms(&self, workspace: WorkspaceId) -> Result<Arc<Terms>, StoreError> {
        let sql = "select counted, people, doubles from matching where workspace_id = $1";
        let Some(row) = self.db.fetch_optional(sql, vec![workspace.into()]).await? else { return Ok(Arc::default()) };
        let taken = Statistics { records: float(row.int(0)?), people: float(row.int(1)?), doubles: float(row.int(2)?) / 1000.0 };
        let rows = self.db.fetch("select term, people from terms where workspace_id = $1", vec![workspace.into()]).await?;
        let rows = rows.iter().map(|it| Ok((it.int(0)?.cast_unsigned(), u32::try_from(it.int(1)?).unwrap_or(u32::MAX))));
        Ok(Arc::new(Terms::kept(rows.collect::<sqlx::Result<Vec<_>>>()?.into_iter(), taken)))
    }

    /// People beyond the one that this contact shows, oldest first: the contact that shows each, and what all of its contacts say but for identities.
    pub async fn people_after(&self, workspace: WorkspaceId, after: &str, limit: i64) -> Result<Vec<(ContactId, Vec<Said>)>, StoreError> {
        let sql = "select id from contacts where workspace_id = $1 and id > $2 and merged_into is null order by id limit $3";
        let rows = self.db.fetch(sql, vec![workspace.into(), after.into(), limit.into()]).await?;
        let shown = rows.iter().map(|it| it.id(0)).collect::<sqlx::Result<Vec<ContactId>>>()?;
        let mut people: BTreeMap<ContactId, Vec<Said>> = BTreeMap::new();
        for shown in shown.chunks(MOST) {
            let (list, bound) = padded(2, shown);
            let sql = format!(
                "select coalesce(merged_into, id), name, company, city from contacts where workspace_id = $1 and (id in ({list}) or merged_into in ({list}))"
            );
            for row in self.db.fetch(&sql, std::iter::once(Value::from(workspace)).chain(bound).collect()).await? {
                let text = |at| Ok::<_, sqlx::Error>(row.opt_text(at)?.unwrap_or_default());
                let record = Said { full_name: text(1)?, company: text(2)?, city: text(3)?, ..Said::default() };
                people.entry(row.id(0)?).or_default().push(record);
            }
        }
        Ok(people.into_iter().collect())
    }

    /// Puts new statistics in the place of the old ones; everybody is looked at anew by them. False: another hub compares by now.
    pub async fn keep_terms(&self, workspace: WorkspaceId, token: &str, terms: &Terms) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "update matching set cursor = '', counted = $3, people = $4, doubles = $5 where workspace_id = $1 and lease_token = $2";
        let Statistics { records, people, doubles } = terms.taken;
        let values = vec![workspace.into(), token.into(), whole(records).into(), whole(people).into(), whole(doubles * 1000.0).into()];
        if tx.execute(sql, values).await? != 1 {
            return Ok(false);
        }
        tx.execute("delete from terms where workspace_id = $1", vec![workspace.into()]).await?;
        let rows = terms.rows().map(|(term, people)| vec![workspace.into(), term.cast_signed().into(), i64::from(people).into()]);
        tx.queue("insert into terms (workspace_id, term, people) {rows}", &[Text, Int, Int], rows.collect());
        tx.commit().await?;
        Ok(true)
    }
}

#[expect(clippy::cast_precision_loss, reason = "statistics are estimates")]
fn float(count: i64) -> f32 {
    count as f32
}

#[expect(clippy::cast_possible_truncation, reason = "statistics are estimates of counts")]
fn whole(count: f32) -> i64 {
    count.round() as i64
}

fn progress(row: &crate::store::Record) -> sqlx::Result<Progress> {
    Ok(Progress { cursor: row.text(0)?, reached: row.text(1)?, looked: row.int(2)?, counted: row.int(3)?, weighed: row.int(4)? })
}
