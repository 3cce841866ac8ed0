//! Contacts that are compared anew, because what they say changed.

use crate::ids::{ContactId, WorkspaceId};
use crate::store::{Store, StoreError, Tx};

impl Store {
    /// Contacts that are to be compared anew, each with the turn in which that was asked for.
    pub async fn revisits(&self, workspace: WorkspaceId, limit: usize) -> Result<Vec<(ContactId, i64)>, StoreError> {
        let sql = "select contact_id, turn from revisits where workspace_id = $1 order by contact_id limit $2";
        let rows = self.db.fetch(sql, vec![workspace.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()]).await?;
        Ok(rows.iter().map(|it| Ok((it.id(0)?, it.int(1)?))).collect::<sqlx::Result<_>>()?)
    }
}

/// These were compared. What was asked for since is still to do.
pub(super) async fn done(tx: &mut Tx, revisited: &[(ContactId, i64)]) -> sqlx::Result<()> {
    for (contact, turn) in revisited {
        tx.execute("delete from revisits where contact_id = $1 and turn = $2", vec![(*contact).into(), (*turn).into()]).await?;
    }
    Ok(())
}
