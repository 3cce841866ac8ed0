//! Writes what the matcher found: who is one person, who may be, and which identities are several people's.

use std::collections::{BTreeMap, BTreeSet};

use patchbay_identity::compare::Reason;

use super::RULE;
use super::effects::Effects;
use super::groups::{Group, Joint, joints, places, point, values};
use super::matching::Progress;
use crate::ids::{ContactId, MergeId, QuestionId, WorkspaceId};
use crate::rules::ingest::{Context, MergeStep};
use crate::store::{Store, StoreError, Tx, Value};

/// What the matcher found about some people. Nothing else is touched.
#[derive(Debug, Default)]
pub struct Found {
    /// Each contact that was decided, and the contact that showed its person when it was looked at.
    pub before: BTreeMap<ContactId, ContactId>,
    /// The people that they are, each oldest contact first.
    pub parts: Vec<Vec<ContactId>>,
    /// What joins them, strongest first.
    pub joints: Vec<(ContactId, ContactId, Vec<Reason>)>,
    /// Who may be one person: contacts, odds in thousandths of a bit, reasons.
    pub questions: Vec<(ContactId, ContactId, i32, Vec<Reason>)>,
    /// Identities, kind and value, that are several people's from now on, or are not any more.
    pub marks: BTreeMap<(String, String), bool>,
    /// Contacts that were compared anew, and in which turn.
    pub revisited: Vec<(ContactId, i64)>,
}

impl Store {
    /// Writes what was found, and how far the matcher came. False: people changed meanwhile, or another hub compares by now; nothing is written.
    pub async fn regroup(
        &self,
        workspace: WorkspaceId,
        token: &str,
        found: &Found,
        progress: &Progress,
        context: &Context,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let sql = "update matching set cursor = $3, reached = $4, looked = $5 where workspace_id = $1 and lease_token = $2";
        let Progress { cursor, reached, looked, .. } = progress;
        let bound = vec![workspace.into(), token.into(), cursor.as_str().into(), reached.as_str().into(), (*looked).into()];
        if tx.execute(sql, bound).await? != 1 || !unchanged(&mut tx, workspace, &found.before).await? {
            return Ok(false);
        }
        let mut effects = Effects::new(self, context, workspace);
        let contacts: Vec<ContactId> = found.before.keys().copied().collect();
        if !contacts.is_empty() {
            let stand = joints(&mut tx, workspace, &contacts).await?;
            let (moved, merges) = self.rejoin(&mut tx, workspace, found, &stand).await?;
            for part in moved.iter().filter_map(|shown| found.parts.iter().find(|it| it.first() == Some(shown))) {
                point(&mut tx, workspace, part, now.as_millisecond()).await?;
            }
            for part in moved.iter().filter_map(|shown| found.parts.iter().find(|it| it.first() == Some(shown))) {
                effects.bring_home(&mut tx, part, now).await?;
                effects.tell_leads(&mut tx, part, now).await?;
            }
            for it in &merges {
                effects.tell_merge(&mut tx, (it.merge, it.step), (&it.here, &it.there)).await?;
            }
            self.ask(&mut tx, workspace, found, &contacts).await?;
        }
        for ((kind, value), shared) in &found.marks {
            let sql = "update identities set shared = $4 where workspace_id = $1 and kind = $2 and value = $3";
            tx.execute(sql, vec![workspace.into(), kind.as_str().into(), value.as_str().into(), i64::from(*shared).into()]).await?;
        }
        super::revisits::done(&mut tx, &found.revisited).await?;
        effects.enqueue(&mut tx, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes back merges between what are two people now, and adds those that are missing; the contacts that show people who changed, and which
    /// people that made one or two.
    async fn rejoin(
        &self,
        tx: &mut Tx,
        workspace: WorkspaceId,
        found: &Found,
        stand: &[Joint],
    ) -> sqlx::Result<(BTreeSet<ContactId>, Vec<Rejoined>)> {
        let now = self.clock.now_ms();
        let shown: BTreeMap<ContactId, ContactId> =
            found.parts.iter().filter_map(|part| part.first().map(|first| part.iter().map(|it| (*it, *first)))).flatten().collect();
        let (kept, undone): (Vec<Joint>, Vec<Joint>) =
            stand.iter().partition(|it| shown.contains_key(&it.from) && shown.get(&it.from) == shown.get(&it.into));
        let contacts: Vec<ContactId> = shown.keys().copied().collect();
        let mut held = kept.clone();
        let (mut told, mut parted) = (Vec::new(), BTreeSet::new());
        let person = |contact: &ContactId| -> Vec<ContactId> {
            shown.iter().filter(|it| shown.get(contact) == Some(it.1)).map(|it| *it.0).collect()
        };
        for joint in &undone {
            let sql = "update merges set undone_at = $3, undone_by = $4 where workspace_id = $1 and id = $2 and undone_at is null";
            tx.execute(sql, vec![workspace.into(), joint.id.into(), now.into(), RULE.into()]).await?;
            let (here, there) = (person(&joint.from), person(&joint.into));
            // Several merges may have held the same two together; who is not decided here is who they were.
            if parted.insert([here.first().min(there.first()).copied(), here.first().max(there.first()).copied()]) {
                told.push(Rejoined { merge: joint.id, step: MergeStep::Unmerged, here, there });
            }
        }
        let mut part: BTreeMap<ContactId, ContactId> =
            Group::parts(&contacts, &held).into_iter().flat_map(|it| it.clone().into_iter().map(move |one| (one, it[0]))).collect();
        for (one, other, reasons) in &found.joints {
            let (Some(here), Some(there)) = (part.get(one).copied(), part.get(other).copied()) else { continue };
            if here == there || shown.get(one) != shown.get(other) {
                continue;
            }
            let (older, younger) = (here.min(there), here.max(there));
            let group = |oldest: ContactId| -> Vec<ContactId> { part.iter().filter(|it| *it.1 == oldest).map(|it| *it.0).collect() };
            let (here, there) = (group(here), group(there));
            part.values_mut().filter(|it| **it == younger).for_each(|it| *it = older);
            let joint = Joint { id: self.ids.next::<crate::ids::Merge>(), from: *one.max(other), into: *one.min(other) };
            held.push(joint);
            // What one merge held together, and another one does now, is no news.
            if found.before.get(one) != found.before.get(other) {
                told.push(Rejoined { merge: joint.id, step: MergeStep::Merged, here, there });
            }
            insert(tx, workspace, joint, reasons, now).await?;
        }
        let changed = found.before.iter().filter(|(contact, before)| shown.get(contact) != Some(before));
        // Both who got somebody and who lost somebody.
        Ok((changed.flat_map(|(contact, before)| [shown.get(contact), shown.get(before)]).flatten().copied().collect(), told))
    }

    /// Asks what is to be asked of these contacts, and nothing else of them.
    async fn ask(&self, tx: &mut Tx, workspace: WorkspaceId, found: &Found, contacts: &[ContactId]) -> sqlx::Result<()> {
        // Contacts are of one workspace; naming it here would have SQLite read all open questions of it.
        let list = places(1, contacts.len());
        let person =
            |contact: ContactId| found.parts.iter().find(|it| it.contains(&contact)).and_then(|it| it.first().copied()).unwrap_or(contact);
        let pair = |one, other| (person(one).min(person(other)), person(one).max(person(other)));
        let sql = format!("select id, one, other, asked_by from questions where state = 'open' and (one in ({list}) or other in ({list}))");
        let mut standing = BTreeSet::new();
        for row in tx.fetch(&sql, contacts.iter().map(|it| Value::from(*it)).collect()).await? {
            let (one, other): (ContactId, ContactId) = (row.id(1)?, row.id(2)?);
            // What the rules did not ask stands until somebody answers, or both are one.
            let is_ours = row.text(3)? == RULE;
            if person(one) == person(other) || (is_ours && !found.questions.iter().any(|it| (it.0, it.1) == (one, other))) {
                tx.execute("delete from questions where id = $1", vec![row.id::<crate::ids::Question>(0)?.into()]).await?;
            } else if !is_ours {
                standing.insert((pair(one, other), (one, other)));
            }
        }
        // Two people are asked about once.
        let is_asked = |one, other| standing.iter().any(|it| it.0 == pair(one, other) && it.1 != (one, other));
        for (one, other, bits, reasons) in found.questions.iter().filter(|it| !is_asked(it.0, it.1)) {
            let sql = "insert into questions (id, workspace_id, one, other, bits, reasons, state, asked_at) values ($1, $2, $3, $4, $5, $6, 'open', $7) \
                       on conflict (one, other) do update set bits = excluded.bits, reasons = excluded.reasons where questions.state = 'open'";
            let id: QuestionId = self.ids.next();
            let reasons = serde_json::to_string(reasons).expect("reasons are plain values");
            let now = self.clock.now_ms();
            let bound: Vec<Value> =
                vec![id.into(), workspace.into(), (*one).into(), (*other).into(), i64::from(*bits).into(), reasons.into(), now.into()];
            tx.execute(sql, bound).await?;
        }
        Ok(())
    }
}

/// Two people who are one now, or one who is two.
struct Rejoined {
    merge: MergeId,
    step: MergeStep,
    here: Vec<ContactId>,
    there: Vec<ContactId>,
}

async fn insert(tx: &mut Tx, workspace: WorkspaceId, joint: Joint, reasons: &[Reason], now: i64) -> sqlx::Result<()> {
    let sql = "insert into merges (id, workspace_id, from_id, into_id, reasons, author, at) values ($1, $2, $3, $4, $5, $6, $7)";
    let reasons = serde_json::to_string(reasons).expect("reasons are plain values");
    let id: MergeId = joint.id;
    tx.execute(sql, vec![id.into(), workspace.into(), joint.from.into(), joint.into.into(), reasons.into(), RULE.into(), now.into()])
        .await?;
    Ok(())
}

/// True while these contacts are shown as they were, and nobody else is shown by them.
async fn unchanged(tx: &mut Tx, workspace: WorkspaceId, before: &BTreeMap<ContactId, ContactId>) -> sqlx::Result<bool> {
    let shown: Vec<ContactId> = before.values().copied().collect::<BTreeSet<_>>().into_iter().collect();
    if shown.is_empty() {
        return Ok(true);
    }
    let lock = if tx.has_company() { " for update" } else { "" };
    let list = places(2, shown.len());
    let sql = format!(
        "select id, coalesce(merged_into, id) from contacts where workspace_id = $1 and (id in ({list}) or merged_into in ({list})) order by id{lock}"
    );
    let rows = tx.fetch(&sql, values(workspace, &shown)).await?;
    let now = rows.iter().map(|it| Ok((it.id(0)?, it.id(1)?))).collect::<sqlx::Result<BTreeMap<ContactId, ContactId>>>()?;
    Ok(now == *before)
}
