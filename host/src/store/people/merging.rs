//! Merging and taking back, by hand.

use super::effects::Effects;
use super::groups::{Group, group, places, point};
use super::questions::because;
use crate::ids::{ContactId, MergeId, WorkspaceId};
use crate::rules::ingest::{Context, MergeStep};
use crate::store::{Store, StoreError, Tx, Value};

/// What became of a wish to merge or to part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merging {
    /// It is done: the contacts that show the people concerned now.
    Done(Vec<ContactId>),
    /// There is no such contact in the workspace.
    NoContact(ContactId),
    /// Both are one person already, shown by this contact.
    OneAlready(ContactId),
    /// The contact is nobody else than itself: there is nothing to take back.
    Alone(ContactId),
    /// The contact shows the person; whom to take out of it must be said: one of these.
    WhichOne(Vec<ContactId>),
}

impl Store {
    /// Says that two contacts, and with them their people, are one person, whatever the rules find. `author` is who says so.
    pub async fn merge_contacts(
        &self,
        workspace: WorkspaceId,
        (one, other): (ContactId, ContactId),
        author: &str,
        context: &Context,
    ) -> Result<Merging, StoreError> {
        let mut tx = self.db.begin().await?;
        let (first, second) = (one.min(other), one.max(other));
        let (here, there) = match two_people(&mut tx, workspace, first, second).await? {
            Ok(two) => two,
            Err(merging) => return Ok(merging),
        };
        let merge = self.join(&mut tx, workspace, (first, second), (&here, &there), author).await?;
        let mut effects = Effects::new(self, context, workspace);
        effects.tell_merge(&mut tx, (merge, MergeStep::Merged), (&here.contacts, &there.contacts)).await?;
        let all = [here.contacts, there.contacts].concat();
        effects.tell_leads(&mut tx, &all, self.clock.now()).await?;
        effects.enqueue(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        Ok(Merging::Done(all.iter().min().copied().into_iter().collect()))
    }

    async fn join(
        &self,
        tx: &mut Tx,
        workspace: WorkspaceId,
        (one, other): (ContactId, ContactId),
        (here, there): (&Group, &Group),
        author: &str,
    ) -> sqlx::Result<MergeId> {
        let now = self.clock.now_ms();
        let mut all = [here.contacts.as_slice(), &there.contacts].concat();
        all.sort_unstable();
        let because = because(tx, &all).await?;
        forget(tx, workspace, &here.contacts, &there.contacts, &["different", "never"]).await?;
        decide(tx, workspace, &[one], &[other], "same", author, now).await?;
        close(tx, &all).await?;
        let sql = "insert into merges (id, workspace_id, from_id, into_id, reasons, because, author, at) values ($1, $2, $3, $4, '[]', $5, $6, $7)";
        let id: MergeId = self.ids.next();
        let pair = vec![id.into(), workspace.into(), one.max(other).into(), one.min(other).into()];
        tx.execute(sql, [pair, vec![because.into(), author.into(), now.into()]].concat()).await?;
        point(tx, workspace, &all, now).await?;
        Ok(id)
    }

    /// Says that the people of two contacts are two; with `never` nobody is asked about them again. A record that a sink has for both stays with one.
    pub async fn part_contacts(
        &self,
        workspace: WorkspaceId,
        (one, other): (ContactId, ContactId),
        never: bool,
        author: &str,
        context: &Context,
    ) -> Result<Merging, StoreError> {
        let mut tx = self.db.begin().await?;
        let (first, second) = (one.min(other), one.max(other));
        let (here, there) = match two_people(&mut tx, workspace, first, second).await? {
            Ok(two) => two,
            Err(merging) => return Ok(merging),
        };
        let now = self.clock.now_ms();
        if never {
            decide(&mut tx, workspace, &here.contacts, &there.contacts, "never", author, now).await?;
        } else {
            decide(&mut tx, workspace, &[first], &[second], "different", author, now).await?;
        }
        guard(&mut tx, workspace, &here.contacts).await?;
        guard(&mut tx, workspace, &there.contacts).await?;
        close(&mut tx, &[here.contacts.as_slice(), &there.contacts].concat()).await?;
        let mut effects = Effects::new(self, context, workspace);
        let (ours, theirs) = (effects.leads_of(&mut tx, &here.contacts).await?, effects.leads_of(&mut tx, &there.contacts).await?);
        effects.part_records(&mut tx, &ours, &theirs).await?;
        effects.enqueue(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        Ok(Merging::Done([here.shown, there.shown].into_iter().flatten().collect()))
    }

    /// Takes a contact, and whoever was merged into it before, out of the person that it is shown as. Both are as they were before the merge, what
    /// came in since goes to whose it is, and no rule joins them again.
    pub async fn unmerge_contact(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
        author: &str,
        context: &Context,
    ) -> Result<Merging, StoreError> {
        let mut tx = self.db.begin().await?;
        let Some(person) = group(&mut tx, workspace, contact).await? else { return Ok(Merging::NoContact(contact)) };
        if person.contacts.len() < 2 {
            return Ok(Merging::Alone(contact));
        }
        let Some(joint) = person.joint_of(contact) else {
            let others = person.contacts.iter().copied().filter(|it| *it != contact).collect();
            return Ok(Merging::WhichOne(others));
        };
        let now = self.clock.now();
        let sql = "update merges set undone_at = $3, undone_by = $4 where workspace_id = $1 and id = $2 and undone_at is null";
        tx.execute(sql, vec![workspace.into(), joint.id.into(), now.as_millisecond().into(), author.into()]).await?;
        let left: Vec<_> = person.merges.iter().copied().filter(|it| it.id != joint.id).collect();
        let parts = Group::parts(&person.contacts, &left);
        let mut effects = Effects::new(self, context, workspace);
        for (at, part) in parts.iter().enumerate() {
            point(&mut tx, workspace, part, now.as_millisecond()).await?;
            guard(&mut tx, workspace, part).await?;
            for other in &parts[at + 1..] {
                forget(&mut tx, workspace, part, other, &["same"]).await?;
                decide(&mut tx, workspace, part, other, "different", author, now.as_millisecond()).await?;
            }
        }
        for part in &parts {
            effects.bring_home(&mut tx, part, now).await?;
        }
        if let [here, there] = parts.as_slice() {
            effects.tell_merge(&mut tx, (joint.id, MergeStep::Unmerged), (here, there)).await?;
        }
        effects.tell_leads(&mut tx, &person.contacts, now).await?;
        effects.enqueue(&mut tx, now).await?;
        tx.commit().await?;
        Ok(Merging::Done(parts.iter().filter_map(|it| it.first().copied()).collect()))
    }
}

/// The people of two contacts, or why they are not two people. The older contact comes first, so that two who decide about the same people do
/// not wait for each other.
async fn two_people(
    tx: &mut Tx,
    workspace: WorkspaceId,
    first: ContactId,
    second: ContactId,
) -> sqlx::Result<Result<(Group, Group), Merging>> {
    let Some(here) = group(tx, workspace, first).await? else { return Ok(Err(Merging::NoContact(first))) };
    let Some(there) = group(tx, workspace, second).await? else { return Ok(Err(Merging::NoContact(second))) };
    Ok(match here.shown {
        Some(shown) if here.shown == there.shown => Err(Merging::OneAlready(shown)),
        _ => Ok((here, there)),
    })
}

/// What else was asked of these people is answered as well.
async fn close(tx: &mut Tx, contacts: &[ContactId]) -> sqlx::Result<()> {
    let list = places(1, contacts.len());
    let sql = format!("delete from questions where state = 'open' and one in ({list}) and other in ({list})");
    tx.execute(&sql, contacts.iter().map(|it| Value::from(*it)).collect()).await?;
    Ok(())
}

/// Two such people are joined by no batch.
async fn guard(tx: &mut Tx, workspace: WorkspaceId, part: &[ContactId]) -> sqlx::Result<()> {
    let sql = format!("update contacts set guarded = 1 where workspace_id = $1 and id in ({})", places(2, part.len()));
    tx.execute(&sql, super::groups::values(workspace, part)).await?;
    Ok(())
}

/// Remembers what was decided of every pair between two people.
pub(super) async fn decide(
    tx: &mut Tx,
    workspace: WorkspaceId,
    here: &[ContactId],
    there: &[ContactId],
    verdict: &str,
    author: &str,
    now: i64,
) -> sqlx::Result<()> {
    let sql = "insert into verdicts (one, other, workspace_id, verdict, author, at) values ($1, $2, $3, $4, $5, $6) \
               on conflict (one, other) do update set verdict = excluded.verdict, author = excluded.author, at = excluded.at";
    for one in here {
        for other in there {
            let (first, second) = (*one.min(other), *one.max(other));
            tx.execute(sql, vec![first.into(), second.into(), workspace.into(), verdict.into(), author.into(), now.into()]).await?;
            let answered =
                "update questions set state = $3, answered_by = $4, answered_at = $5 where one = $1 and other = $2 and state = 'open'";
            let answer = match verdict {
                "same" => "yes",
                "different" => "no",
                other => other,
            };
            tx.execute(answered, vec![first.into(), second.into(), answer.into(), author.into(), now.into()]).await?;
        }
    }
    Ok(())
}

/// Forgets what was decided between two people.
async fn forget(tx: &mut Tx, workspace: WorkspaceId, here: &[ContactId], there: &[ContactId], verdicts: &[&str]) -> sqlx::Result<()> {
    let all = places(2, here.len() + there.len());
    let ours = places(2, here.len());
    let named = verdicts.iter().map(|it| format!("'{it}'")).collect::<Vec<_>>().join(",");
    // A pair between them: each in the list, and exactly one of them on our side.
    let sql = format!(
        "delete from verdicts where workspace_id = $1 and verdict in ({named}) and one in ({all}) and other in ({all}) \
         and (case when one in ({ours}) then 1 else 0 end) <> (case when other in ({ours}) then 1 else 0 end)"
    );
    let mut values: Vec<Value> = vec![workspace.into()];
    values.extend(here.iter().chain(there).map(|it| Value::from(*it)));
    tx.execute(&sql, values).await?;
    Ok(())
}
