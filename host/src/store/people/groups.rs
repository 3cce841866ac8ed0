//! A person's contacts, and the merges that hold them together.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{ContactId, MergeId, WorkspaceId};
use crate::store::{Tx, Value};

/// A person: contacts, and the merges between them that stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    /// The contact that shows the person.
    pub(super) shown: Option<ContactId>,
    /// All of them, that one too, oldest first.
    pub(super) contacts: Vec<ContactId>,
    /// Each joins two of them.
    pub(super) merges: Vec<Joint>,
}

/// A merge that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Joint {
    pub(super) id: MergeId,
    pub(super) from: ContactId,
    pub(super) into: ContactId,
}

impl Group {
    /// The merge beyond which a contact lies, seen from the contact that shows the person.
    pub(super) fn joint_of(&self, contact: ContactId) -> Option<Joint> {
        let mut seen = BTreeSet::from([self.shown?]);
        let mut queue: Vec<ContactId> = seen.iter().copied().collect();
        while let Some(here) = queue.pop() {
            for joint in &self.merges {
                let there = if joint.from == here {
                    joint.into
                } else if joint.into == here {
                    joint.from
                } else {
                    continue;
                };
                if seen.insert(there) {
                    if there == contact {
                        return Some(*joint);
                    }
                    queue.push(there);
                }
            }
        }
        None
    }

    /// What hangs together without these merges, each part oldest first.
    pub(super) fn parts(contacts: &[ContactId], joints: &[Joint]) -> Vec<Vec<ContactId>> {
        let mut part: BTreeMap<ContactId, ContactId> = contacts.iter().map(|it| (*it, *it)).collect();
        for joint in joints {
            let (Some(one), Some(other)) = (part.get(&joint.from).copied(), part.get(&joint.into).copied()) else { continue };
            let (older, younger) = (one.min(other), one.max(other));
            part.values_mut().filter(|it| **it == younger).for_each(|it| *it = older);
        }
        let mut parts: BTreeMap<ContactId, Vec<ContactId>> = BTreeMap::new();
        for (contact, oldest) in part {
            parts.entry(oldest).or_default().push(contact);
        }
        parts.into_values().collect()
    }
}

/// `$from, $from+1, …`
pub(in crate::store) fn places(from: usize, count: usize) -> String {
    (from..from + count).map(|at| format!("${at}")).collect::<Vec<_>>().join(",")
}

/// The workspace, and contacts as further values.
pub(super) fn values(workspace: WorkspaceId, contacts: &[ContactId]) -> Vec<Value> {
    std::iter::once(workspace.into()).chain(contacts.iter().map(|it| Value::from(*it))).collect()
}

/// The person that a contact belongs to; none where there is no such contact in the workspace. On PostgreSQL nobody else changes them meanwhile.
pub(super) async fn group(tx: &mut Tx, workspace: WorkspaceId, contact: ContactId) -> sqlx::Result<Option<Group>> {
    let sql = "select coalesce(merged_into, id) from contacts where workspace_id = $1 and id = $2";
    let Some(row) = tx.fetch(sql, vec![workspace.into(), contact.into()]).await?.into_iter().next() else { return Ok(None) };
    let shown: ContactId = row.id(0)?;
    let lock = if tx.has_company() { " for update" } else { "" };
    let sql = format!("select id from contacts where workspace_id = $1 and (id = $2 or merged_into = $2) order by id{lock}");
    let rows = tx.fetch(&sql, vec![workspace.into(), shown.into()]).await?;
    let contacts = rows.iter().map(|it| it.id(0)).collect::<sqlx::Result<Vec<ContactId>>>()?;
    let merges = joints(tx, workspace, &contacts).await?;
    Ok(Some(Group { shown: Some(shown), contacts, merges }))
}

/// The merges that stand from any of these contacts.
pub(super) async fn joints(tx: &mut Tx, workspace: WorkspaceId, contacts: &[ContactId]) -> sqlx::Result<Vec<Joint>> {
    let sql = format!(
        "select id, from_id, into_id from merges where workspace_id = $1 and undone_at is null and from_id in ({}) order by id",
        places(2, contacts.len())
    );
    let rows = tx.fetch(&sql, values(workspace, contacts)).await?;
    rows.iter().map(|it| Ok(Joint { id: it.id(0)?, from: it.id(1)?, into: it.id(2)? })).collect()
}

/// Shows each part by its oldest contact.
pub(super) async fn point(tx: &mut Tx, workspace: WorkspaceId, part: &[ContactId], now: i64) -> sqlx::Result<()> {
    let Some((oldest, others)) = part.split_first() else { return Ok(()) };
    let sql = "update contacts set merged_into = null, updated_at = $3 where workspace_id = $1 and id = $2 and merged_into is not null";
    tx.execute(sql, vec![workspace.into(), (*oldest).into(), now.into()]).await?;
    if !others.is_empty() {
        let sql = format!(
            "update contacts set merged_into = $2, updated_at = $3 where workspace_id = $1 and id in ({}) and coalesce(merged_into, '') <> $2",
            places(4, others.len())
        );
        let mut values = vec![workspace.into(), (*oldest).into(), now.into()];
        values.extend(others.iter().map(|it| Value::from(*it)));
        tx.execute(&sql, values).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_parts_a_person_in_two() {
        let id = |at: u128| ContactId::of_number(at);
        let joint = |at: u128, from: u128, into: u128| Joint { id: MergeId::of_number(at), from: id(from), into: id(into) };
        // 1 ─ 2 ─ 4, 1 ─ 3
        let merges = vec![joint(1, 2, 1), joint(2, 3, 1), joint(3, 4, 2)];
        let group = Group { shown: Some(id(1)), contacts: (1..=4).map(id).collect(), merges };
        assert_eq!(group.joint_of(id(4)).unwrap().id, MergeId::of_number(3));
        assert_eq!(group.joint_of(id(2)).unwrap().id, MergeId::of_number(1));
        assert_eq!(group.joint_of(id(1)), None, "it shows the person");
        let left: Vec<Joint> = group.merges.iter().copied().filter(|it| it.id != MergeId::of_number(1)).collect();
        assert_eq!(Group::parts(&group.contacts, &left), [vec![id(1), id(3)], vec![id(2), id(4)]]);
    }
}
